"""The continuous part of a load: takes less by order, ramps there, and takes all again when unheard."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vpp.park.interruption import TRIM_S
from vpp.types import Load

COMMANDS = ("trim_mw", "epoch", "sequence", "ttl_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimState:
    """What is trimmed at one moment."""

    trimmed_mw: float
    """>= 0; what is really taken is bounded by what the load draws (`hil.load.trimmed_mw`)."""
    until: datetime | None
    """Plant time to which the order is trusted; None where none was given."""
    registers: Mapping[str, float]
    """Command registers by point name, as last written."""


UNTRIMMED = TrimState(trimmed_mw=0.0, until=None, registers=dict.fromkeys(COMMANDS, 0.0))


def command(state: TrimState, values: Mapping[str, float], at: datetime) -> TrimState:
    """Return the state after a write at plant time `at`; an older epoch is fenced off."""
    registers = {**state.registers, **{k: values[k] for k in COMMANDS if k in values}}
    if registers["epoch"] < state.registers["epoch"]:
        return state
    return replace(state, registers=registers, until=at + timedelta(seconds=registers["ttl_s"]))


def moved(load: Load, state: TrimState, most_mw: float, *, at: datetime, dt_s: float) -> TrimState:
    """Return the state `dt_s` after plant time `at`: on its ramp towards the order, or back to 0.

    `most_mw` is the most that may be trimmed now. The ramp takes `TRIM_S` for the whole share.
    """
    heard = state.until is not None and at < state.until
    wanted = min(max(state.registers["trim_mw"], 0.0), most_mw) if heard else 0.0
    if wanted == state.trimmed_mw:
        return state
    room = load.continuous_modulation_share * load.p_peak_mw * dt_s / TRIM_S
    step = min(max(wanted - state.trimmed_mw, -room), room)
    return replace(state, trimmed_mw=state.trimmed_mw + step)
