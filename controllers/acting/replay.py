"""Control once more from its journal: the same readings, plans and orders must give the same commands.

Readings come from the recorded snapshots, brought back to what their registers held; answers of
devices from the records `acks`, of breakers from `interruption` and `restore`, all others having
acknowledged. A shed looks at its meters more often than snapshots are recorded: what it cut is taken
from its report, and what control makes of that is computed again. A replay ends where control was
started again.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from controllers.acting import sheds
from controllers.acting.build import build_control
from controllers.acting.core import Core
from controllers.acting.cycle import Control
from controllers.acting.tape import Tape, Then
from vpp.clock import UTC
from vpp.journal import Journal, LoggedSnapshot, Record, read, snapshots
from vpp.link import Message, Note, PlanOffer
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.types import (
    Ack,
    DispatchOrder,
    ModeOrder,
    Outcome,
    Plan,
    RestoreOrder,
    ShedOrder,
    ShedReport,
    Snapshot,
    TieSensitivity,
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


def _single(value: float) -> float:
    """Return a number as the journal holds it."""
    single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return single


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A message that control took, and when."""

    at: datetime
    true_s: float
    message: Message | ShedReport
    """A report: the end of the shed that was ordered before."""


@dataclass(slots=True)
class _Pending:
    """What the journal has told since the last cycle."""

    told: list[_Told] = field(default_factory=list)
    acks: Mapping[str, Ack] = field(default_factory=dict)
    breakers: list[str] = field(default_factory=list)
    """Loads whose breakers were told to open or to close, in order."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    plan: Plan | None = None
    orders: dict[str, Message] = field(default_factory=dict)
    acting: bool = True
    starts: int = 0
    end: str = ""

    def take(self, record: Record) -> None:
        """Take a record that is no snapshot."""
        match record.kind:
            case "start":
                self.acting = record.value.get("acting", True)
                self.starts += 1
                self.end = "control was started again" if self.starts > 1 else ""
            case "shed_order":
                self._told(record, wire.decode(record.payload, ShedOrder))
            case "shed":
                self._told(record, wire.decode(record.payload, ShedReport))
            case "interruption" | "restore":
                self.breakers.append(record.value["load"])
                self.outcomes[record.value["load"]] = Outcome(record.value["outcome"])
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
            case "lease":
                self.acting = record.value["acting"]
            case "acks":
                self.acks = wire.decode(record.payload, dict[str, Ack])

    def _told(self, record: Record, message: Message | ShedReport) -> None:
        self.told.append(_Told(at=record.at, true_s=record.true_s, message=message))


@dataclass(slots=True)
class _Again:
    """Control as it runs again."""

    control: Control
    core: Core
    clock: Then
    tape: Tape

    async def hear(self, pending: _Pending, until_s: float) -> None:
        """Take the messages that control had taken when it decided at `until_s`."""
        while pending.told and pending.told[0].true_s <= until_s:
            told = pending.told.pop(0)
            self.clock.at, self.clock.now_s = told.at, told.true_s
            match told.message:
                case ShedOrder():
                    await self.shed(told.message)
                case ShedReport():
                    await self.proven(told.message)
                case _:
                    await self.control.take(told.message)

    async def shed(self, order: ShedOrder) -> None:
        """Begin a shed; none of its commands to breakers is decided again."""
        if not self.core.shedding.locked():
            await self.core.shedding.acquire()
        if not order.drill:
            await sheds.begin(self.core, order)

    async def proven(self, report: ShedReport) -> None:
        """End a shed as its report says."""
        if not report.drill:
            await sheds.book(self.core, report)
        self.core.shedding.release()

    async def live(self, logged: LoggedSnapshot, began_at: datetime) -> Snapshot:
        """Run the cycle that was logged."""
        self.clock.at, self.clock.now_s, self.clock.speed = began_at, logged.true_s, logged.rate
        self.tape.logged = logged
        return await self.control.cycle()


async def replay(park: Park, folder: Path) -> Replayed:
    """Recompute the commands of a journal's first run of control and compare them with the recorded ones."""
    cycles, setpoints, logs, pending = 0, 0, snapshots(folder), _Pending()
    maps = {name: park.register_maps[e.register_map] for name, e in endpoints(park).items()}
    clock = Then(datetime.min.replace(tzinfo=UTC))
    tie = next(name for name, meter in park.meters.items() if meter.kind == "tie")
    tape, again = Tape(maps, clock, tie, park.horizon.cycle_s), None
    with TemporaryDirectory(prefix="replay-") as spare:
        for record in read(folder):
            if record.kind != "snapshot":
                pending.take(record)
                if pending.end:
                    return Replayed(cycles=cycles, setpoints=setpoints, ended=pending.end, difference="")
                continue
            logged = next(logs)
            if logged.began_at is None or not logged.age_s:
                old = "this journal is older than replays"
                return Replayed(cycles=cycles, setpoints=setpoints, ended=old, difference="")
            if again is None:
                clock.at, clock.now_s = logged.began_at, logged.true_s
                journal = Journal(Path(spare), clock)
                control = build_control(park, tape, clock, journal, epoch=logged.epoch)
                again = _Again(control, control._core, clock, tape)
            again.core.acting = pending.acting
            await again.hear(pending, logged.true_s)
            tape.failed, pending.acks = pending.acks, {}
            tape.outcomes, pending.outcomes = pending.outcomes, {}
            breakers, pending.breakers, tape.breakers = pending.breakers, [], []
            snapshot = await again.live(logged, logged.began_at)
            cycles, setpoints = cycles + 1, setpoints + len(logged.setpoints)
            if difference := _difference(snapshot, logged, tape.breakers, breakers):
                return Replayed(
                    cycles=cycles, setpoints=setpoints, ended="a difference", difference=difference
                )
    return Replayed(cycles=cycles, setpoints=setpoints, ended="the end of the journal", difference="")


def _difference(snapshot: Snapshot, logged: LoggedSnapshot, told: list[str], recorded: list[str]) -> str:
    """Return the first command that differs, in words; empty where all are equal."""
    where = f"cycle {logged.cycle} at {snapshot.at.isoformat()}"
    if told != recorded:
        loads, were = (", ".join(names) or "no load" for names in (told, recorded))
        return f"{where}: breakers of {loads} are switched, recorded are those of {were}"
    if snapshot.following != logged.following:
        return f"{where}: it follows {snapshot.following}, recorded is {logged.following}"
    for device, before in logged.setpoints.items():
        command = snapshot.setpoints.get(device)
        if command is None:
            return f"{where}: {device} is sent nothing, recorded are {before['p_mw']:g} MW"
        found = {"p_mw": _single(command.p_mw), "h2_kg_per_h": _single(command.h2_kg_per_h)}
        found["sequence"] = float(command.sequence)
        for column, value in found.items():
            if value != before[column] and not (math.isnan(value) and math.isnan(before[column])):
                return f"{where}: {device} {column} is {value:.9g}, recorded is {before[column]:.9g}"
    extra = snapshot.setpoints.keys() - logged.setpoints.keys()
    return f"{where}: {min(extra)} is sent a command, none is recorded" if extra else ""
