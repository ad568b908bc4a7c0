"""The run in memory and the run over Modbus are one system: same hours, same seed, same energies."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controllers.acting.build import build_control
from hil.loopback import LoopbackField
from hil.rig import Rig
from vpp import journal
from vpp.clock import SimulatedClock
from vpp.link import PlanOffer
from vpp.park import Park, load_park
from vpp.service.memory import planner_of, run_in_memory
from vpp.state_dir import StateDir
from vpp.types import Plan, Snapshot, wire

START = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)
FLOOR = 0.005
"""Share of what a device could have moved: a battery that stands still but for the tie's noise has
no energy to take one percent of."""


def plans_of(folder: Path) -> list[tuple[datetime, Plan]]:
    records = [record for record in journal.read(folder) if record.kind == "plan"]
    return [(record.at, wire.decode(record.payload, Plan)) for record in records]


async def rehearse(park: Park, live: Path, memory: Path) -> Snapshot:
    """Run control and plant in memory through the very cycles of a live run, its plans at their moments.

    A busy machine makes plans late and cycles uneven; that is the machine's, not the controller's.
    """
    cycles, plans = [row.at for row in journal.snapshots(live)], plans_of(live)
    clock = SimulatedClock(cycles[0])
    rig = Rig(park, START, 1, lead_s=(START - cycles[0]).total_seconds())
    kept = journal.Journal(memory, clock)
    # five cycles of trust are as long as at rate 60
    slow = replace(park, horizon=replace(park.horizon, cycle_s=60.0))
    control = build_control(slow, LoopbackField(rig, clock), clock, kept, epoch=1)
    for at in cycles:
        clock.advance((at - clock.plant_now()).total_seconds())
        rig.advance(at)
        while plans and plans[0][0] <= at:
            offer = PlanOffer(
                plan=plans.pop(0)[1], sensitivities=(), started_true_s=clock.true_s(), deadline_s=4.0
            )
            assert (await control.take(offer)).accepted
        snapshot = await control.cycle()
    kept.close()
    return snapshot


def moved_mwh(folder: Path, first: datetime, last: datetime) -> dict[tuple[str, str], float]:
    """Return what each counter moved by between two times, interpolated between cycles."""
    rows = list(journal.snapshots(folder))
    at_s = [row.at.timestamp() for row in rows]
    moved = {}
    for id_, values in rows[-1].values.items():
        for name in ("energy_out_mwh", "energy_in_mwh"):
            if name in values:
                known = [
                    (t, row.values[id_][name])
                    for t, row in zip(at_s, rows, strict=True)
                    if name in row.values[id_]
                ]
                t, y = zip(*known, strict=True)
                start, end = np.interp([first.timestamp(), last.timestamp()], t, y)
                moved[id_, name] = float(end - start)
    return moved


def apart(
    park: Park, modbus: Path, memory: Path, first: datetime, last: datetime
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the energies that differ by more than one percent, or by `FLOOR` of what could have moved."""
    here, there = moved_mwh(modbus, first, last), moved_mwh(memory, first, last)
    assert here.keys() == there.keys()
    assert sum(here.values()) > 50
    hours = (last - first).total_seconds() / 3600

    def allowed(id_: str, mwh: float) -> float:
        plate = park.resources.get(id_)
        rated_mw = 0.0 if plate is None else max(plate.p_max_mw, -plate.p_min_mw)
        return max(0.01 * mwh, FLOOR * hours * rated_mw)

    return {
        key: (mwh, there[key]) for key, mwh in here.items() if abs(mwh - there[key]) > allowed(key[0], mwh)
    }


def test_the_same_plans_move_the_same_energies(launched: Callable[..., Any], tmp_path: Path) -> None:
    first, last = START + timedelta(minutes=5), START + timedelta(minutes=45)
    live = launched(StateDir(tmp_path / "live"), "--speed", "60")
    live.until(lambda s: s.at > last + timedelta(minutes=2), 90)
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(20) == 0
    park, memory = load_park("small10"), tmp_path / "memory"
    ran = asyncio.run(rehearse(park, live.state.journal, memory))
    assert ran.plan_id == plans_of(live.state.journal)[-1][1].id
    assert apart(park, live.state.journal, memory, first, last) == {}


@pytest.mark.soak
@pytest.mark.parametrize(("rate", "hours"), [(60, 6), (10, 2)])
def test_two_planners_move_the_same_energies(
    rate: int, hours: int, launched: Callable[..., Any], tmp_path: Path
) -> None:
    """Needs an idle machine: a planner that reaches its deadline finds another plan."""
    last = START + timedelta(hours=hours)
    live = launched(StateDir(tmp_path / "live"), "--speed", str(rate))
    live.until(lambda s: s.at > last + timedelta(minutes=1), 60 + hours * 3600 / rate)
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(20) == 0
    park, memory = load_park("small10"), tmp_path / "memory"
    seconds = hours * 3600 + 120
    ran = run_in_memory(
        park, START, planner_of(park), duration_s=seconds, tick_s=10, seed=1, journal_dir=memory
    )
    assert ran.failed == ()
    assert apart(park, live.state.journal, memory, START, last) == {}
