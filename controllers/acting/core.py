"""Everything control knows between two cycles, in one place."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as fresh
from datetime import datetime
from functools import partial
from pathlib import Path

from controllers.acting.alarms import EMPTY, AlarmBoard, Condition
from controllers.acting.conditions import Deviation
from controllers.acting.expectation import State
from controllers.acting.field import Field
from controllers.acting.following import PlanInForce
from controllers.acting.judge import Pulse
from controllers.acting.learned import Learned
from controllers.acting.ledger import Calls, Sheds, Standing, standing
from controllers.acting.lifecycle import Life
from controllers.acting.memory import Memory, save
from controllers.acting.seat import Seat
from controllers.acting.switching import Moved
from controllers.acting.tie import Counters, TieWindow
from controllers.acting.tracking import Correction, Tracker
from controllers.acting.witness import Sign, Still
from vpp.clock import Clock
from vpp.journal import Journal, SnapshotLog
from vpp.park.model import Park
from vpp.types import (
    DispatchOrder,
    Mode,
    Move,
    OutageAction,
    Reading,
    Reply,
    Setpoint,
    ShedReport,
    Snapshot,
    Trim,
)

MAX_TAKEN = 64
"""Ids of commands that are remembered over a restart; more than can be under way at once."""
YOUNG_CYCLES = 5
"""Cycles after its start in which a passive control may begin to act as it is; later it starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Commands that went out, and what was given until then."""

    at: datetime
    output_mw: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class Core:
    """State of control; changed by the cycle and by commands, never by anything else."""

    park: Park
    field: Field
    clock: Clock
    journal: Journal
    log: SnapshotLog
    tracker: Tracker
    turns: dict[str, int]
    """By device in which turn it reverts."""
    epoch: int
    plan_file: Path | None
    memory_file: Path | None
    tie: TieWindow
    modes: dict[str, Mode]
    ledger: dict[str, Calls]
    orders: tuple[DispatchOrder, ...]
    mode_ends: dict[str, datetime] = fresh(default_factory=dict)
    """By device when its mode ends."""
    coming: Park | None = None
    """A reloaded park that takes effect before the next cycle."""
    adopting: Standing | None = None
    """After a restart in the middle of a shed what it has opened, until every load has said so; without an
    order where the memory was lost."""
    seat: Seat | None = None
    """The lease; None in memory, where there is no other control."""
    acting: bool = True
    """False: another control acts; this one reads and shows."""
    counters: Counters | None = None
    """Of the tie meter."""
    force: PlanInForce | None = None
    held_since: datetime | None = None
    """Since when this control has had no plan to follow; None while it has one, or waits for its start."""
    roles: frozenset[str] | None = None
    """Roles connected to the link; None in memory, where there is no link."""
    planner_seen: bool = False
    """True once a planner was connected."""
    snapshot: Snapshot | None = None
    cycle: int = 0
    last_at: datetime | None = None
    readings: Mapping[str, Reading] = fresh(default_factory=dict)
    pulses: dict[str, Pulse] = fresh(default_factory=dict)
    expected: dict[str, State] = fresh(default_factory=dict)
    astray: set[str] = fresh(default_factory=set)
    """Devices that were silent, at fault, reverted or in local control in the last cycle."""
    probation: dict[str, float] = fresh(default_factory=dict)
    """Plant seconds for which a guessed expected state accuses nobody yet."""
    deviations: dict[str, Deviation] = fresh(default_factory=dict)
    setpoints: dict[str, Setpoint] = fresh(default_factory=dict)
    lives: dict[str, Life] = fresh(default_factory=dict)
    """By device how far the value has come that was sent last."""
    intruders: dict[str, float] = fresh(default_factory=dict)
    """By device that another master commands, the MW in its registers: control sends it nothing."""
    doubts: dict[str, str] = fresh(default_factory=dict)
    """By device that shows what cannot be, why, in words."""
    still: dict[str, Still] = fresh(default_factory=dict)
    """By device with counters for how long it has shown the same power."""
    signs: dict[str, Sign] = fresh(default_factory=dict)
    """By device with a command whether its power went the other way."""
    jumps: dict[str, datetime] = fresh(default_factory=dict)
    """By store whose charge has jumped, until when it is not discharged."""
    learned: dict[str, Learned] = fresh(default_factory=dict)
    """By device that does not do all it is told, what it was found to give."""
    sent: tuple[Sent, ...] = ()
    """The last times that commands went out, oldest first."""
    moves: dict[str, Move] = fresh(default_factory=dict)
    """Last command sent to each actuator."""
    moved: dict[str, Moved] = fresh(default_factory=dict)
    """How often banks and tap changers moved."""
    trims: dict[str, Trim] = fresh(default_factory=dict)
    """Last command to trim sent to each load."""
    asked_since: dict[str, datetime] = fresh(default_factory=dict)
    """By actuator, and by load to trim, when the present target was first asked for."""
    correction: Correction = fresh(default_factory=Correction)
    curtailed_mw: float = 0.0
    """Wind and PV that the last cycle held back beyond the plan."""
    board: AlarmBoard = EMPTY
    notes: dict[str, Condition] = fresh(default_factory=dict)
    """Alarms that other processes raised."""
    closing: list[tuple[str, int]] = fresh(default_factory=list)
    """(load, block) in the order in which restoration closes them."""
    planned: dict[str, int] = fresh(default_factory=dict)
    """By load the breakers that the plan opened; those that have closed since do not count."""
    ending: set[str] = fresh(default_factory=set)
    """Loads whose interruption began to end: a plan that still counts on it opens none again."""
    tried: dict[str, datetime] = fresh(default_factory=dict)
    """By load when it last failed to open for the plan."""
    closed_at: datetime | None = None
    sheds: Sheds = fresh(default_factory=Sheds)
    out: dict[str, datetime] = fresh(default_factory=dict)
    """By branch or device that an outage has taken, when control saw it."""
    armed: dict[str, OutageAction] = fresh(default_factory=dict)
    """By what is out the armed actions that answer it."""
    refused: dict[str, str] = fresh(default_factory=dict)
    """By what is out why armed actions are not carried out, in words."""
    shedding: asyncio.Lock = fresh(default_factory=asyncio.Lock)
    """One shed at a time; a repeated order waits here and then finds its answer."""
    answers: dict[str, Reply | ShedReport] = fresh(default_factory=dict)
    """Last answers by order id, so that a repeated order has no second effect."""
    taken: deque[str] = fresh(default_factory=partial(deque, maxlen=MAX_TAKEN))
    """Ids of the last commands that took effect."""
    unsaved: bool = False
    """True where the memory is to be written again in the next cycle."""
    remarks: int = 0
    """New remarks of other processes since the last cycle."""
    missed_ticks: int = 0
    dropped_plans: int = 0

    def calls(self, now: datetime) -> dict[str, dict[str, float]]:
        """Return the ledger of every interruptible load as in `PlantState.calls`."""
        return {
            name: standing(load, self.ledger.get(name, Calls()), now, self.park.site.zone)
            for name, load in self.park.loads.items()
            if load.blocks
        }

    @property
    def owns_folder(self) -> bool:
        """False where another control may have gone on with the state folder meanwhile."""
        return self.seat is None or self.seat.owns()

    def look_around(self) -> None:
        """Judge by the registers just read whether this control may act in this cycle."""
        if self.seat is None:
            return
        told: dict[str, Setpoint | Move | Trim] = {**self.setpoints, **self.moves, **self.trims}
        sent = {name: command.sequence for name, command in told.items()}
        acting = self.seat.see(self.readings, sent, young=self.cycle <= YOUNG_CYCLES)
        if acting != self.acting:
            self.acting = acting
            self.journal.append("lease", {"acting": acting, "text": self.seat.lease.text})
        if self.acting and self.epoch != self.seat.lease.number:
            self.epoch = self.seat.lease.number

    def remember(self) -> None:
        """Write what must outlive a restart; a disk that takes nothing is the journal's alarm."""
        if self.memory_file is None:
            return
        memory = Memory(
            tie=self.tie,
            ledger=self.ledger,
            planned=self.planned,
            modes=self.modes,
            mode_ends=self.mode_ends,
            orders=self.orders,
            closing=tuple(self.closing),
            closed_at=self.closed_at,
            ending=tuple(sorted(self.ending)),
            standing=tuple(self.sheds.standing),
            adopting=self.adopting,
            stuck=tuple(sorted(self.sheds.stuck)),
            lowered_mw=self.sheds.lowered_mw,
            taken=tuple(self.taken),
            moved=self.moved,
            held_since=self.held_since,
        )
        self.unsaved = not (self.owns_folder and save(self.memory_file, memory))
