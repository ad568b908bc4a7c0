"""A transformer falls out on the large park: the plan's armed actions come with the cycle that sees it."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.acting.emergency import rating_mva
from hil.loopback import LoopbackField
from hil.rig import Rig
from hil.scenario import Outage, Scenario
from vpp.clock import SimulatedClock
from vpp.journal import Journal, read
from vpp.link import PlanOffer
from vpp.park import load_park
from vpp.types import (
    Certificate,
    OutageAction,
    OutageClass,
    Plan,
    PlanLabel,
    PlantState,
    Snapshot,
)

START = datetime(2026, 3, 17, 7, 0, tzinfo=timezone.utc)
OUT, TWIN, LOAD = "T66_CU1_1", "T66_CU1_2", "LD_CU1"
STEPS = 8
TICK_S = 10


def certificate() -> Certificate:
    return Certificate(
        ok=True,
        violations=(),
        checked_rules=("finite",),
        max_vm_pu=1.0,
        min_vm_pu=1.0,
        max_loading_percent=50.0,
        max_balance_error_mw=0.0,
        cut_rounds=1,
    )


def plan_of(seen: Snapshot, park, moves_mw) -> Plan:
    """A plan in which everything stays as it is, with armed actions against one outage."""
    one, zero = np.ones(STEPS), np.zeros(STEPS)
    power = {name: seen.readings[name].values["p_mw"] for name in (*park.resources, *park.loads)}
    series = {name: {"p_mw": p * one} for name, p in power.items()}
    for name, resource in park.resources.items():
        if resource.kind in ("wind", "pv"):
            series[name] |= {"available_mw": power[name] * one, "curtailed_mw": zero}
    series["tie"] = {"import_mw": seen.readings["TIE"].values["p_mw"] * one, "export_mw": zero}
    armed = tuple(OutageAction(outage=OUT, step=k, moves_mw=moves_mw, at_once_mw={}) for k in range(STEPS))
    corrective = OutageClass(
        kind="corrective",
        outages=(OUT,),
        worst_percent=one,
        worst=("",) * STEPS,
        vm_min_pu=one,
        vm_max_pu=one,
        lost_load_mw=zero,
        lost_supply_mw=zero,
        left=(),
        held=(),
        actions=armed,
    )
    return Plan(
        id="hand",
        park=park.name,
        made_at=START,
        start=START,
        step_min=15,
        steps=STEPS,
        valid_until=START + timedelta(hours=2),
        label=PlanLabel.OPTIMAL,
        status="by hand",
        gap=0.0,
        cost_cny=0.0,
        cost_breakdown_cny={},
        series=series,
        initial=PlantState(at=START, resources={}, calls={}, month_peak_mw=0.0),
        curtailment_cause={},
        vm_pu={},
        loading_percent={},
        relaxations=(),
        certificate=certificate(),
        solve_s=0.0,
        contingencies=(corrective,),
    )


@pytest.fixture(scope="module")
def park():
    shipped = load_park("chifeng96")
    return replace(shipped, horizon=replace(shipped.horizon, cycle_s=float(TICK_S)))


async def course(park, folder: Path, moves_mw) -> list[Snapshot]:
    """Seven minutes, a cycle every ten seconds; the transformer is out from minute 1 to 5."""
    event = Outage(at_min=1.0, for_min=4.0, branch=OUT)
    scenario = Scenario(name="o", start_local=None, duration_min=10.0, rates=(), events=(event,))
    clock = SimulatedClock(START)
    rig = Rig(park, START, 1, scenario, step_s=TICK_S)
    journal = Journal(folder, clock)
    control = build_control(park, LoopbackField(rig, clock), clock, journal, epoch=1)
    seen = [await control.cycle()]
    plan = plan_of(seen[0], park, moves_mw)
    true_s = clock.true_s()
    offer = PlanOffer(plan=plan, sensitivities=(), started_true_s=true_s, deadline_s=4.0)
    assert (await control.take(offer)).accepted
    for _ in range(7 * 60 // TICK_S):
        clock.advance(TICK_S)
        seen.append(await control.cycle())
    journal.close()
    return seen


def loading(snapshot: Snapshot) -> float:
    return snapshot.readings["RTU"].values[f"loading:{TWIN}"]


def alarm(snapshot: Snapshot) -> str:
    return next((a.text for a in snapshot.alarms if a.id == f"outage:{OUT}"), "")


async def test_an_outages_armed_actions_are_sent_at_once_and_bring_the_twin_inside_its_rating(park, tmp_path):
    seen = await course(park, tmp_path, {LOAD: 8.0, "BESS_GPS": 6.0})
    first = next(s for s in seen if s.readings["RTU"].values[f"closed:{OUT}"] == 0.0)
    assert loading(first) > 100.0, "nothing to answer"
    share = park.loads[LOAD].continuous_modulation_share
    assert first.trims[LOAD] == pytest.approx(-share * first.readings[LOAD].values["p_mw"], rel=1e-3)
    assert first.open_blocks[LOAD].bit_count() == 1, (
        "breakers for what trimming cannot give, in the same cycle"
    )
    before = seen[seen.index(first) - 1].setpoints["BESS_GPS"].p_mw
    assert first.setpoints["BESS_GPS"].p_mw == pytest.approx(before + 6.0, abs=1.5)
    assert f"armed action after {OUT}" in first.setpoints["BESS_GPS"].clipped_by
    assert alarm(first) == f"{OUT} is out: armed actions {LOAD} +8.0 MW, BESS_GPS +6.0 MW"
    minutes = [(s.at - first.at).total_seconds() / 60 for s in seen]
    held = [loading(s) for s, m in zip(seen, minutes, strict=True) if 1.5 <= m < 3.9]
    assert held
    assert max(held) < 100.0
    assert seen[-1].trims[LOAD] == 0.0, "over, and taken back"
    assert alarm(seen[-1]) == ""
    kinds = [r.kind for r in read(tmp_path) if r.kind in ("outage", "armed", "outage_over")]
    assert kinds == ["outage", "armed", "outage_over"]


async def test_actions_out_of_proportion_are_refused_and_told(park, tmp_path):
    """What hardly acts on an overload must not shed the park."""
    seen = await course(park, tmp_path, {LOAD: 4.5, "LD_AL": 140.0, "LD_ZN": 50.0})
    out = [s for s in seen if s.readings["RTU"].values[f"closed:{OUT}"] == 0.0]
    assert "194 MW for" in alarm(out[-1])
    assert "out of proportion" in alarm(out[-1])
    assert not any(s.trims.get("LD_AL") or s.open_blocks for s in seen)


def test_a_branch_is_rated_by_its_type(park):
    assert rating_mva(park.grid, "T500_GPS_1") == 1000.0
    assert rating_mva(park.grid, "L220_WF1") == pytest.approx(3**0.5 * 220 * 1.6)
