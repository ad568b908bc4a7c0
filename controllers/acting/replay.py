"""Control once more from its journal: the same readings, plans and orders must give the same commands.

Readings come from the recorded snapshots, brought back to what their registers held; answers of
devices from the records `acks`, all others having acknowledged. A shed reads faster than snapshots
are recorded, so a replay ends at the first one, and where control was started again.
"""

import math
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from vpp import points
from vpp.clock import UTC
from vpp.journal import Journal, LoggedSnapshot, Record, read, snapshots
from vpp.link import Message, Note, PlanOffer
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.types import (
    Access,
    Ack,
    DispatchOrder,
    Link,
    ModeOrder,
    Move,
    Outcome,
    Plan,
    Point,
    Quality,
    Reading,
    RestoreOrder,
    Setpoint,
    Snapshot,
    TieSensitivity,
    Trim,
    wire,
)

ORDERS: Mapping[str, type] = {
    "DispatchOrder": DispatchOrder,
    "ModeOrder": ModeOrder,
    "RestoreOrder": RestoreOrder,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How far a replay came and what it met."""

    cycles: int
    """Cycles whose commands were recomputed and compared."""
    setpoints: int
    ended: str
    """Why it went no further."""
    difference: str
    """The first difference in words; empty where there is none."""


@dataclass(slots=True)
class _Then:
    """The clock of a replay: it shows what was recorded. Nobody waits."""

    at: datetime
    now_s: float = 0.0
    speed: float = 1.0

    def plant_now(self) -> datetime:
        return self.at

    def true_s(self) -> float:
        return self.now_s

    def rate(self) -> float:
        return self.speed

    def plant_after(self, seconds: float) -> datetime:
        return self.at + timedelta(seconds=seconds * self.speed)

    async def sleep_true(self, seconds: float) -> None:
        """Return at once."""

    async def sleep_plant(self, seconds: float) -> None:
        """Return at once."""


@dataclass(slots=True)
class _Tape:
    """A field that answers as recorded."""

    maps: Mapping[str, tuple[Point, ...]]
    clock: _Then
    logged: LoggedSnapshot | None = None
    failed: Mapping[str, Ack] = field(default_factory=dict)
    _good_at: dict[str, datetime] = field(default_factory=dict)

    async def read(self) -> Mapping[str, Reading]:
        return await self.look(tuple(self.maps))

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        assert self.logged is not None
        return {name: self._reading(name, self.logged) for name in names}

    def _reading(self, name: str, logged: LoggedSnapshot) -> Reading:
        quality, values = logged.quality[name], logged.values[name]
        if quality is Quality.GOOD:
            self._good_at[name] = self.clock.at
        at = self._good_at.get(name)
        return Reading(values=_as_read(self.maps[name], values), quality=quality, read_at=at, age_s=0.0)

    def links(self) -> Mapping[str, Link]:
        return {}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        return {s.device: self.failed.get(s.device, self._done(s.device)) for s in setpoints}

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = lambda ack: None
    ) -> Mapping[str, Ack]:
        acks = {name: self._done(name) for name in masks}
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


def _single(value: float) -> float:
    """Return a number as the journal holds it."""
    single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return single


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A message that control took, and when."""

    at: datetime
    true_s: float
    message: Message


@dataclass(slots=True)
class _Pending:
    """What the journal has told since the last cycle."""

    told: list[_Told] = field(default_factory=list)
    acks: Mapping[str, Ack] = field(default_factory=dict)
    plan: Plan | None = None
    orders: dict[str, Message] = field(default_factory=dict)
    starts: int = 0
    end: str = ""

    def take(self, record: Record) -> None:
        """Take a record that is no snapshot."""
        match record.kind:
            case "start":
                self.starts += 1
                self.end = "control was started again" if self.starts > 1 else ""
            case "shed_order" if not record.value["drill"]:
                self.end = "a shed"
            case "plan":
                self.plan = wire.decode(record.payload, Plan)
            case "sensitivities" if self.plan is not None:
                around = wire.decode(record.payload, tuple[TieSensitivity, ...])
                offer = PlanOffer(
                    plan=self.plan, sensitivities=around, started_true_s=record.true_s, deadline_s=1e9
                )
                self._told(record, offer)
            case "note" if "id" in record.value:
                self._told(record, wire.decode(record.payload, Note))
            case "order" if (kind := ORDERS.get(record.value["type"])) is not None:
                order: Any = wire.decode(wire.encode(record.value["order"]), kind)
                self.orders[order.id] = order
            case "order":
                self.end = f"a {record.value['type']}"
            case "reply" if record.value["accepted"] and record.value["id"] in self.orders:
                self._told(record, self.orders.pop(record.value["id"]))
            case "acks":
                self.acks = wire.decode(record.payload, dict[str, Ack])

    def _told(self, record: Record, message: Message) -> None:
        self.told.append(_Told(at=record.at, true_s=record.true_s, message=message))


@dataclass(slots=True)
class _Again:
    """Control as it runs again."""

    control: Control
    clock: _Then
    tape: _Tape

    async def hear(self, pending: _Pending, until_s: float) -> None:
        """Take the messages that control had taken when it decided at `until_s`."""
        while pending.told and pending.told[0].true_s <= until_s:
            told = pending.told.pop(0)
            self.clock.at, self.clock.now_s = told.at, told.true_s
            await self.control.take(told.message)

    async def live(self, logged: LoggedSnapshot, began_at: datetime) -> Snapshot:
        """Run the cycle that was logged."""
        self.clock.at, self.clock.now_s, self.clock.speed = began_at, logged.true_s, logged.rate
        self.tape.logged = logged
        return await self.control.cycle()


async def replay(park: Park, folder: Path) -> Replayed:
    """Recompute the commands of a journal's first run of control and compare them with the recorded ones."""
    cycles, setpoints, logs, pending = 0, 0, snapshots(folder), _Pending()
    maps = {name: park.register_maps[e.register_map] for name, e in endpoints(park).items()}
    clock = _Then(datetime.min.replace(tzinfo=UTC))
    tape, again = _Tape(maps, clock), None
    with TemporaryDirectory(prefix="replay-") as spare:
        for record in read(folder):
            if record.kind != "snapshot":
                pending.take(record)
                if pending.end:
                    return Replayed(cycles=cycles, setpoints=setpoints, ended=pending.end, difference="")
                continue
            logged = next(logs)
            if logged.began_at is None:
                old = "this journal is older than replays"
                return Replayed(cycles=cycles, setpoints=setpoints, ended=old, difference="")
            if again is None:
                clock.at, clock.now_s = logged.began_at, logged.true_s
                journal = Journal(Path(spare), clock)
                again = _Again(build_control(park, tape, clock, journal, epoch=logged.epoch), clock, tape)
            await again.hear(pending, logged.true_s)
            tape.failed, pending.acks = pending.acks, {}
            snapshot = await again.live(logged, logged.began_at)
            cycles, setpoints = cycles + 1, setpoints + len(logged.setpoints)
            if difference := _difference(snapshot, logged):
                return Replayed(
                    cycles=cycles, setpoints=setpoints, ended="a difference", difference=difference
                )
    return Replayed(cycles=cycles, setpoints=setpoints, ended="the end of the journal", difference="")


def _difference(snapshot: Snapshot, logged: LoggedSnapshot) -> str:
    """Return the first command that differs, in words; empty where all are equal."""
    where = f"cycle {logged.cycle} at {snapshot.at.isoformat()}"
    if snapshot.following != logged.following:
        return f"{where}: it follows {snapshot.following}, recorded is {logged.following}"
    for device, recorded in logged.setpoints.items():
        command = snapshot.setpoints.get(device)
        if command is None:
            return f"{where}: {device} is sent nothing, recorded are {recorded['p_mw']:g} MW"
        found = {"p_mw": _single(command.p_mw), "h2_kg_per_h": _single(command.h2_kg_per_h)}
        found["sequence"] = float(command.sequence)
        for column, value in found.items():
            if value != recorded[column] and not (math.isnan(value) and math.isnan(recorded[column])):
                return f"{where}: {device} {column} is {value:.9g}, recorded is {recorded[column]:.9g}"
    extra = snapshot.setpoints.keys() - logged.setpoints.keys()
    return f"{where}: {min(extra)} is sent a command, none is recorded" if extra else ""
