"""What control recorded, played back to it: a clock that shows recorded times, a field that answers so."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controllers.acting import metering
from vpp import points
from vpp.journal import LoggedSnapshot
from vpp.types import Access, Ack, Link, Move, Outcome, Point, Reading, Setpoint, Trim


@dataclass(slots=True)
class Then:
    """The clock of a replay: it shows what was recorded. Nobody waits."""

    at: datetime
    now_s: float = 0.0
    speed: float = 1.0

    def plant_now(self) -> datetime:
        """Plant time as recorded."""
        return self.at

    def true_s(self) -> float:
        """Monotonic second of the machine that recorded."""
        return self.now_s

    def rate(self) -> float:
        """Plant seconds per true second, as recorded."""
        return self.speed

    def plant_after(self, seconds: float) -> datetime:
        """Plant time so many true seconds later, at the recorded rate."""
        return self.at + timedelta(seconds=seconds * self.speed)

    async def sleep_true(self, seconds: float) -> None:
        """Return at once."""

    async def sleep_plant(self, seconds: float) -> None:
        """Return at once."""


@dataclass(slots=True)
class Tape:
    """A field that answers as recorded."""

    maps: Mapping[str, tuple[Point, ...]]
    clock: Then
    tie: str
    """Id of the tie's meter, whose counters are recorded as of the cycle's time."""
    cycle_s: float
    """True seconds of a cycle."""
    logged: LoggedSnapshot | None = None
    failed: Mapping[str, Ack] = field(default_factory=dict)
    """By device the answer to what was written in this cycle, where it was no acknowledgement."""
    breakers: list[str] = field(default_factory=list)
    """Loads whose breakers were told to open or to close in this cycle, in order."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By load what became of that."""

    async def read(self) -> Mapping[str, Reading]:
        """Return what every endpoint showed in the recorded cycle; the clock goes on to when it sent."""
        assert self.logged is not None
        found = await self.look(tuple(self.maps))
        self.clock.at = self.logged.sent_at or self.clock.at
        return found

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        """Return what these endpoints showed."""
        assert self.logged is not None
        return {name: self._reading(name, self.logged) for name in names}

    def _reading(self, name: str, logged: LoggedSnapshot) -> Reading:
        now, age_s = logged.began_at or self.clock.at, logged.age_s[name]
        at = now - timedelta(seconds=age_s) if math.isfinite(age_s) else None
        reading = Reading(values=logged.values[name], quality=logged.quality[name], read_at=at, age_s=0.0)
        if name == self.tie:
            reading = metering.as_read(reading, now, self.cycle_s * logged.rate)
        return replace(reading, values=_as_read(self.maps[name], reading.values))

    def links(self) -> Mapping[str, Link]:
        """Return nothing: connections are not recorded."""
        return {}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Answer as the devices did."""
        return {s.device: self.failed.get(s.device, self._done(s.device)) for s in setpoints}

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = lambda ack: None
    ) -> Mapping[str, Ack]:
        """Note whose breakers are told, and answer as the loads did."""
        self.breakers += masks
        done = {name: self._done(name) for name in masks}
        acks = {n: replace(ack, outcome=self.outcomes.get(n, ack.outcome)) for n, ack in done.items()}
        for ack in acks.values():
            heard(ack)
        return acks

    def _done(self, name: str) -> Ack:
        return Ack(device=name, outcome=Outcome.ACKNOWLEDGED, detail="", sent_true_s=0.0, done_true_s=0.0)


def _as_read(map_: tuple[Point, ...], values: Mapping[str, float]) -> dict[str, float]:
    """Return recorded values as their registers gave them: float32 has fewer digits than some of them."""
    whole = {p.sync_group for p in map_ if p.access is Access.WRITE and p.point not in values}
    part = tuple(p for p in map_ if p.point in values and (p.sync_group is None or p.sync_group not in whole))
    scales = {p.scale_point for p in map_} - {None}
    registers: dict[tuple[str, int], int] = {}
    try:
        for write in points.encode(part, values):
            for k, register in enumerate(write.registers):
                registers[write.table, write.address + k] = register
    except ValueError:
        return dict(values)
    for p in map_:
        if p.point in scales and p.point in values:
            registers[p.table, p.address] = int(values[p.point]) & 0xFFFF
    held = points.decode(map_, registers)
    return {name: held.get(name, value) for name, value in values.items()}
