"""The run in memory and the run over Modbus are one controller: same plans, same seed, same energies."""

import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from vpp import journal
from vpp.errors import NoPlan
from vpp.link import PlanOffer
from vpp.park import Park, load_park
from vpp.service.memory import Replan, run_in_memory
from vpp.state_dir import StateDir
from vpp.types import Plan, Snapshot, wire

START = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)
FROM, TO = START + timedelta(minutes=12), START + timedelta(minutes=36)
"""From where the electrolyser of the first plan is through its hot start, whenever that plan came."""
HOURS = (TO - FROM).total_seconds() / 3600
FLOOR = 0.01
"""Share of what a device could have moved: a battery that stands still but for the tie's noise has
no energy to take one percent of, and a live cycle at rate 60 lets every step come up to a plant
minute later."""


def plans_of(folder: Path) -> list[tuple[datetime, Plan]]:
    records = [record for record in journal.read(folder) if record.kind == "plan"]
    return [(record.at, wire.decode(record.payload, Plan)) for record in records]


def replayed(plans: list[tuple[datetime, Plan]]) -> Replan:
    """Offer at each re-plan what the live planner had offered by the end of that quarter of an hour."""

    def offer(snapshot: Snapshot, _previous: Plan | None) -> PlanOffer:
        known = [plan for at, plan in plans if at <= snapshot.at + timedelta(minutes=5)]
        if not known:
            raise NoPlan("the live run had none yet")
        return PlanOffer(plan=known[-1], sensitivities=(), started_true_s=snapshot.true_s, deadline_s=4.0)

    return offer


def moved_mwh(folder: Path) -> dict[tuple[str, str], float]:
    """Return what each counter moved by between FROM and TO, interpolated between cycles."""
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
                start, end = np.interp([FROM.timestamp(), TO.timestamp()], t, y)
                moved[id_, name] = float(end - start)
    return moved


def rated_mw(park: Park, id_: str) -> float:
    resource = park.resources.get(id_)
    return 0.0 if resource is None else max(resource.p_max_mw, -resource.p_min_mw)


def test_energies_in_memory_are_those_over_modbus(launched: Callable[..., Any], tmp_path: Path) -> None:
    live = launched(StateDir(tmp_path / "live"), "--speed", "60")
    live.until(lambda s: s.at > TO + timedelta(minutes=2), 90)
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(20) == 0
    park, plans = load_park("small10"), plans_of(live.state.journal)
    outcome = run_in_memory(
        park,
        START,
        replayed(plans),
        duration_s=2400,
        tick_s=10,
        seed=1,
        journal_dir=tmp_path / "memory",
    )
    assert outcome.last.plan_id == plans[-1][1].id
    modbus, memory = moved_mwh(live.state.journal), moved_mwh(tmp_path / "memory")
    assert modbus.keys() == memory.keys()
    assert sum(modbus.values()) > 50
    apart = {
        key: (modbus[key], memory[key])
        for key in modbus
        if abs(modbus[key] - memory[key]) > max(0.01 * modbus[key], FLOOR * HOURS * rated_mw(park, key[0]))
    }
    assert apart == {}
