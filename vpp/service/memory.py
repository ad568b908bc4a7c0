"""The same controller in memory: control, planner and simulated plant on one simulated clock.

No socket, no process and no true second: a day runs as fast as the machine computes.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from controllers.planning import Planner
from controllers.planning.news import Agenda
from controllers.planning.process import DEADLINE_SHARE, Desk, replan
from hil.device_log import Note as DeviceNote
from hil.device_log import silent_log
from hil.loopback import LoopbackField
from hil.rig import Rig
from hil.scenario import QUIET, Scenario
from vpp.clock import SimulatedClock
from vpp.errors import NoPlan
from vpp.journal import Journal
from vpp.link import Message, PlanOffer
from vpp.park import Park
from vpp.service.script import control_events, message_for
from vpp.types import Alarm, Plan, Snapshot

STEP_S = 10
"""Longest step of the simulated devices, plant seconds: ramps and starts of minutes keep their shape."""
EXPIRY_S = 60.0
"""Plant seconds after which a scripted order would no longer be taken."""


Replan = Callable[[Snapshot, Plan | None], PlanOffer]
"""From control's snapshot and the previous plan to an offer; NoPlan where there is none."""


def planner_of(park: Park) -> Replan:
    """Return the planner process's own re-plan as a function; it keeps its warm solver between calls."""
    desk, deadline_s = Desk(park=park, planner=Planner(park)), park.horizon.planner_deadline_s

    def ask(snapshot: Snapshot, previous: Plan | None) -> PlanOffer:
        desk.plan = previous
        released = replan(desk, snapshot, DEADLINE_SHARE * deadline_s)
        return PlanOffer(
            plan=released.plan,
            sensitivities=released.sensitivities,
            started_true_s=snapshot.true_s,
            deadline_s=deadline_s,
        )

    return ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What a terminal's counters moved by during a run, MWh."""

    out_mwh: float
    """Delivered to the grid; of the tie: exported."""
    in_mwh: float
    """Taken from the grid; of the tie: imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run in memory did."""

    start: datetime
    duration_s: float
    tick_s: int
    rate: float
    """Plant seconds per cycle second: 1, since the simulated clock knows no other."""
    energies: Mapping[str, Energy]
    """By endpoint that counts energy."""
    plans: tuple[Plan, ...]
    failed: tuple[str, ...]
    """Re-plans without a plan, in words."""
    answers: tuple[Message, ...]
    """Control's answers to plans and scripted orders."""
    alarms: Mapping[str, Alarm]
    """Every alarm that stood at some cycle, by id."""
    last: Snapshot


@dataclass(slots=True)
class _Course:
    """A run on its way, and what it collects."""

    park: Park
    planner: Replan
    control: Control
    clock: SimulatedClock
    failed: list[str] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    agenda: Agenda = field(default_factory=Agenda)
    watch: Callable[[Snapshot], None] = lambda snapshot: None


def run_in_memory(
    park: Park,
    start: datetime,
    planner: Replan,
    *,
    duration_s: float,
    tick_s: int,
    seed: int,
    scenario: Scenario = QUIET,
    journal_dir: Path | None = None,
    watch: Callable[[Snapshot], None] = lambda snapshot: None,
    note: DeviceNote = silent_log,
) -> RunOutcome:
    """Run a park for `duration_s` plant seconds with one control cycle every `tick_s`.

    `tick_s` is control's cycle in plant seconds, as in a live run at rate `tick_s`: commands are trusted
    for as many cycles. The simulated devices step by it too, but by no more than `STEP_S`. `planner` is
    asked whenever a re-plan is due; `planner_of(park)` is the product's own. One that fails is what it
    is in a live run: control goes on with the plan it has. Without `journal_dir` the journal is thrown
    away. `watch` is shown every snapshot, `note` what the devices log.
    """
    with TemporaryDirectory() as spare:
        clock = SimulatedClock(start)
        rig = Rig(park, start, seed, scenario, step_s=min(tick_s, STEP_S), note=note)
        journal = Journal(journal_dir or Path(spare), clock)
        ticking = replace(park, horizon=replace(park.horizon, cycle_s=float(tick_s)))
        control = build_control(ticking, LoopbackField(rig, clock), clock, journal, epoch=1)
        course = _Course(park=park, planner=planner, control=control, clock=clock, watch=watch)
        try:
            first = asyncio.run(_run(course, rig, scenario, ticks=round(duration_s / tick_s), tick_s=tick_s))
        finally:
            journal.close()
    return RunOutcome(
        start=start,
        duration_s=duration_s,
        tick_s=tick_s,
        rate=clock.rate(),
        energies=energies(first, control.snapshot),
        plans=tuple(course.plans),
        failed=tuple(course.failed),
        answers=tuple(course.answers),
        alarms=course.alarms,
        last=control.snapshot,
    )


async def _run(course: _Course, rig: Rig, scenario: Scenario, *, ticks: int, tick_s: int) -> Snapshot:
    """Run all ticks and return the first snapshot."""
    clock, control = course.clock, course.control
    script = list(control_events(scenario, clock.plant_now()))
    first = await control.cycle()
    for _ in range(ticks):
        await _replan_if_due(course)
        clock.advance(tick_s)
        now = clock.plant_now()
        rig.advance(now)
        while script and script[0][0] <= now:
            message = message_for(script.pop(0)[1], now, now + timedelta(seconds=EXPIRY_S))
            course.answers.append(await control.take(message))
        snapshot = await control.cycle()
        course.watch(snapshot)
        course.alarms |= {alarm.id: alarm for alarm in snapshot.alarms}
    return first


async def _replan_if_due(course: _Course) -> None:
    snapshot = course.control.snapshot
    previous = course.plans[-1] if course.plans else None
    if not course.agenda.asks(course.park, snapshot, previous):
        return
    course.agenda.seen = snapshot
    try:
        offer = course.planner(snapshot, previous)
    except NoPlan as error:
        course.failed.append(str(error))
        return
    course.answers.append(await course.control.take(offer))
    course.plans.append(offer.plan)


def energies(first: Snapshot, last: Snapshot) -> dict[str, Energy]:
    """Return what the counters of every endpoint moved by between two snapshots."""
    moved = {}
    for id_, reading in last.readings.items():
        before = first.readings[id_].values if id_ in first.readings else {}
        gone = {
            name: reading.values[name] - before[name]
            for name in ("energy_out_mwh", "energy_in_mwh")
            if name in reading.values and name in before
        }
        if gone:
            moved[id_] = Energy(
                out_mwh=gone.get("energy_out_mwh", 0.0), in_mwh=gone.get("energy_in_mwh", 0.0)
            )
    return moved
