"""One simulated device: true physics, local brain, registers and counters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hil import brain
from hil.device_log import Note
from vpp.devices import DEVICE_TYPES, Caes, Command, Device, DeviceType, Electrolyzer, Initial, q_limits
from vpp.park import Park, initial_of
from vpp.types import Access, Point

FAULT, REVERTED, LOCAL = 3.0, 4.0, 5.0
"""Codes of the point `status` (docs/architecture.md)."""


@dataclass(slots=True, eq=False)
class Unit:
    """A device of the rig; moved by `move`, written by `command`."""

    device: Device
    """True parameters."""
    state: Any
    note: Note
    held: brain.Held
    before: brain.Held
    """What it acts on until `held.at`."""
    registers: dict[str, float]
    """Command registers by point name, as last written."""
    epoch: float = 0.0
    """Newest epoch seen; older ones are fenced off."""
    tripped_until: datetime | None = None
    lost_mw: float = 0.0
    """By how much it can do less, in and out: a planned outage of a part."""
    deaf: bool = False
    """Takes commands, goes on as before, and knows that somebody is there."""
    local: bool = False
    """In local control: heeds nobody, and says so."""
    low_mw: float = -math.inf
    high_mw: float = math.inf
    """What it gives whatever is asked, by a fault that nobody was told of."""
    reverted: bool = False
    energy_out_mwh: float = 0.0
    energy_in_mwh: float = 0.0
    fenced: int = 0
    """Commands ignored for their old epoch."""
    rest: brain.Held = field(init=False)
    """What it does when it has just been switched on."""
    kind: DeviceType = field(init=False)
    _has_modes: bool = field(init=False)

    def __post_init__(self) -> None:
        self.kind = DEVICE_TYPES[self.device.resource.kind]
        self.rest = self.held
        self._has_modes = isinstance(self.device, Caes)

    @property
    def id(self) -> str:
        """Resource id."""
        return self.device.resource.id

    def command(self, values: Mapping[str, float], at: datetime, *, event: str = "write") -> None:
        """Take written command points; an epoch older than the newest seen is ignored and logged.

        `event` is the word for it in the device log.
        """
        merged = {**self.registers, **values}
        record = {"device": self.id, "epoch": merged.get("epoch"), "sequence": merged.get("sequence")}
        if values.get("epoch", self.epoch) < self.epoch:
            self.fenced += 1
            self.note(at, {"event": "fenced", **record, "values": dict(values)})
            return
        self.epoch = max(self.epoch, values.get("epoch", self.epoch))
        self.registers = merged
        self.note(at, {"event": event, **record, "values": dict(values)})
        if values.keys() <= {"epoch"} or self.local:
            return
        taken = brain.take(merged, at)
        if self.deaf:
            self.held = replace(self.held, reverts_at=max(self.held.reverts_at, taken.reverts_at))
            return
        if values.keys() <= brain.VAR_POINTS:
            # an order of Q alone does not renew the trust in the active power
            self.held = replace(self.held, q_mvar=taken.q_mvar)
            return
        self.before, self.held = self.held, taken

    def move(self, at: datetime, dt_s: float, drive: float) -> float:
        """Step the device from plant time `at` by `dt_s`; returns the mean p_mw of the step.

        A command written inside the step takes effect at the next one.
        """
        held = self.held if self.held.at <= at else self.before
        self._watch(held, at)
        down = self.tripped_until is not None
        command = Command(p_mw=0.0) if down else self._derated(brain.acts_on(held, at))
        was = self.state
        self.state = self.kind.step(self.device, was, command, dt_s, 0.0 if down else drive)
        if down:
            return 0.0
        out_mwh, in_mwh = (
            getattr(self.state, name, 0.0) - getattr(was, name, 0.0)
            for name in ("energy_out_mwh", "energy_in_mwh")
        )
        self.energy_out_mwh += out_mwh
        self.energy_in_mwh += in_mwh
        return float((out_mwh - in_mwh) * 3600 / dt_s)

    def _derated(self, command: Command) -> Command:
        low, high = self.low_mw, self.high_mw
        if self.lost_mw:
            row = self.device.resource
            low = max(low, min(0.0, row.p_min_mw + self.lost_mw))
            high = min(high, max(0.0, row.p_max_mw - self.lost_mw))
        if low <= command.p_mw <= high:
            return command
        return replace(command, p_mw=min(max(command.p_mw, low), high))

    def q_mvar(self, p_mw: float) -> float:
        """Return the reactive injection at terminal power `p_mw`: as commanded, inside what it can give.

        Before its first command a device follows its fixed rule; one that has tripped gives nothing.
        """
        if self.tripped_until is not None:
            return 0.0
        asked = self.held.q_mvar
        if asked is None:
            asked = getattr(self.device.params, "q_per_p", 0.0) * p_mw
        mode = float(self.kind.measure(self.device, self.state)["mode_code"]) if self._has_modes else 0.0
        low, high = q_limits(self.device, p_mw, mode)
        return min(max(asked, low), high)

    def _watch(self, held: brain.Held, at: datetime) -> None:
        reverted = at >= held.reverts_at
        if reverted and not self.reverted:
            self.note(
                held.reverts_at,
                {
                    "event": "reverted",
                    "device": self.id,
                    "reversion_mw": held.reversion_mw,
                    "written_at": held.at.isoformat(),
                },
            )
        self.reverted = reverted
        if self.tripped_until is not None and at >= self.tripped_until:
            self.note(self.tripped_until, {"event": "ready", "device": self.id})
            self.tripped_until = None

    def trip(self, at: datetime, for_s: float) -> None:
        """Open its breaker until `for_s` plant seconds after `at`."""
        self.tripped_until = at + timedelta(seconds=for_s)
        self.note(at, {"event": "trip", "device": self.id, "for_s": for_s})

    def restart(self, at: datetime) -> None:
        """Lose command and epoch, as a device that was switched off and on."""
        self.registers = dict.fromkeys(self.registers, 0.0) | _warm(self.device)
        self.epoch, self.before = 0.0, self.held
        self.held = replace(self.rest, at=at)
        self.note(at, {"event": "restarted", "device": self.id})

    def settle(self, available_mw: float) -> None:
        """Give a wind or PV plant the weather it starts with."""
        self.state = self.kind.initial(self.device, Initial(p_mw=available_mw))

    def new_day(self) -> None:
        """Begin the plant's next calendar day: counters of today start again."""
        self.state = self.kind.new_day(self.state)

    def measured(self) -> dict[str, float]:
        """Return what the physics knows of its read points."""
        return dict(self.kind.measure(self.device, self.state))

    def values(self) -> dict[str, float]:
        """Return measured points and command registers; no noise."""
        measured = self.measured()
        if self.tripped_until is not None:
            measured |= {"status": FAULT, "p_mw": 0.0}
        elif self.local:
            measured["status"] = LOCAL
        elif self.reverted:
            measured["status"] = REVERTED
        return {
            **self.registers,
            **measured,
            "energy_out_mwh": self.energy_out_mwh,
            "energy_in_mwh": self.energy_in_mwh,
        }


def _warm(device: Device) -> dict[str, float]:
    """Return the register that a plant takes over from its initial state: every stack warm."""
    return {"setpoint_stacks": float(device.params.stacks)} if isinstance(device, Electrolyzer) else {}


def build(device: Device, park: Park, points: tuple[Point, ...], start: datetime, note: Note) -> Unit:
    """Return a device in the park's initial state, before its first command."""
    held = brain.at_rest(device, park, start)
    return Unit(
        device=device,
        state=DEVICE_TYPES[device.resource.kind].initial(device, initial_of(park, device)),
        note=note,
        held=held,
        before=held,
        registers={p.point: 0.0 for p in points if p.access is Access.WRITE} | _warm(device),
    )
