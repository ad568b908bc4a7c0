"""Readings brought to one moment: what was read before the last commands is moved on by what they do.

At high rates a poll may come a cycle late, minutes of plant time. A tie read before a battery moved, set
against a battery read after it, would make control correct the same error twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controllers.acting.core import Core, Sent
from vpp.types import Quality

REMEMBERED = 4
"""Cycles of commands that are kept: readings are bad after three (`judge`)."""


def note_sending(core: Core, at: datetime) -> None:
    """Note, as commands go out, what every element gave until then."""
    core.sent = (*core.sent, Sent(at=at, output_mw=_output_mw(core)))[-REMEMBERED:]


def _output_mw(core: Core) -> dict[str, float]:
    """Return what devices should give now by their commands, and loads by their meters, MW injection."""
    devices = {
        name: float(state.p_mw)
        for name, state in core.expected.items()
        if name not in core.astray and name not in core.probation
    }
    return devices | {
        name: core.readings[name].values["p_mw"]
        for name in core.park.loads
        if core.readings[name].quality is not Quality.BAD and "p_mw" in core.readings[name].values
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Powers of one moment; elements whose reading is bad are in neither."""

    import_mw: float | None
    """At the tie; None without a reading that can be trusted."""
    output_mw: Mapping[str, float]
    """By device and load, injection positive."""


def present(core: Core, tie_meter: str) -> Present:
    """Return what tie, devices and loads carry now.

    A reading from before commands that have gone out since is moved on by what the elements should have
    done since: a device by its own, the tie by everybody's. One that was read after them stays as it is.
    """
    now = _output_mw(core)

    def moved_mw(read_at: datetime | None) -> dict[str, float]:
        before = next((s.output_mw for s in core.sent if read_at is not None and s.at >= read_at), None)
        return {n: p - before[n] for n, p in now.items() if n in before} if before is not None else {}

    read = {
        name: reading
        for name, reading in core.readings.items()
        if reading.quality is not Quality.BAD and "p_mw" in reading.values
    }
    output_mw = {
        name: reading.values["p_mw"]
        + (moved_mw(reading.read_at).get(name, 0.0) if name in core.park.devices else 0.0)
        for name, reading in read.items()
        if name not in core.park.meters
    }
    tie = read.get(tie_meter)
    import_mw = None if tie is None else tie.values["p_mw"] - sum(moved_mw(tie.read_at).values())
    return Present(import_mw=import_mw, output_mw=output_mw)
