from dataclasses import replace

import numpy as np
import pytest

from network.contingency import SOLVED, Operation, outage_flows
from network.contingency_screen import screen_of
from network.powerflow import Oracle
from network.strains import aftermaths, throng_of
from network.timetable import timetabled
from vpp.park import load_park
from vpp.seeds import generator

STEPS = 4


@pytest.fixture(scope="module", params=["small10", "chifeng96"])
def case(request):
    """Devices anywhere in 60 % of their name plates, statcoms too; banks and taps stand two ways."""
    park = load_park(request.param)
    oracle = Oracle(park)
    draw = generator(5, "strains")
    rows, loads = list(park.resources.values()), list(park.loads.values())
    low = [0.6 * r.p_min_mw for r in rows] + [-load.p_peak_mw for load in loads]
    high = [0.6 * r.p_max_mw for r in rows] + [-0.4 * load.p_peak_mw for load in loads]
    p = draw.uniform(low, high, size=(STEPS, len(low)))
    at = np.tile(oracle.at_rest, (STEPS, 1))
    at[2:] = np.clip(at[2:] - 1, oracle.position_min, oracle.position_max)
    return oracle, Operation(p_mw=p, q_mvar=p * outage_flows(oracle).mvar_per_mw, positions=at)


def every(oracle):
    flows = outage_flows(oracle)
    return [(o.name, step) for o in flows.outages if o.kind in SOLVED for step in range(STEPS)]


def test_all_outages_in_one_batch_equal_the_power_flow_of_each_grid(case):
    oracle, before = case
    flows, throng, points = outage_flows(oracle), throng_of(oracle), every(oracle)
    found = throng.solve([name for name, _ in points], before.at([step for _, step in points]))
    kinds = {o.kind for o in flows.outages}
    assert {"preventive", "corrective", "radial"} <= kinds
    assert throng.left_over == 0, "nothing was left to the power flow of one grid"
    for k in range(0, len(points), STEPS):
        alone = flows.solve(points[k][0], before)
        own = found.at(np.arange(k, k + STEPS))
        assert alone.converged.all()
        assert own.converged.all()
        assert own.vm_pu == pytest.approx(alone.vm_pu, abs=1e-8, nan_ok=True)
        assert own.loading_percent == pytest.approx(alone.loading_percent, abs=1e-5)


def test_points_without_a_solution_stay_without_one(case):
    oracle, before = case
    points = every(oracle)[: 3 * STEPS]
    heavy = before.at([step for _, step in points])
    heavy = replace(heavy, p_mw=heavy.p_mw.copy())
    heavy.p_mw[1] *= 100
    heavy.p_mw[2, 0] = np.nan
    found = throng_of(oracle).solve([name for name, _ in points], heavy)
    assert list(np.flatnonzero(~found.converged)) == [1, 2]
    assert np.isnan(found.vm_pu[[1, 2]]).all()
    assert np.isnan(found.loading_percent[[1, 2]]).all()


def test_the_aftermath_of_a_batch_is_that_of_each_outage(case):
    oracle, before = case
    flows, asked = outage_flows(oracle), screen_of(oracle).unclear(before)
    broken = 0
    for after in aftermaths(oracle, asked, before):
        alone = flows.aftermath(after.outage.name, before, np.flatnonzero(asked[after.outage.name]))
        assert [(b.step, b.name) for b in after.breaches] == [(b.step, b.name) for b in alone.breaches]
        assert [(b.step, b.name) for b in after.overloads] == [(b.step, b.name) for b in alone.overloads]
        assert after.worst_percent == pytest.approx(alone.worst_percent, abs=1e-5, nan_ok=True)
        assert after.worst_branch == alone.worst_branch
        broken += len(after.breaches) + len(after.overloads)
    assert broken


def test_where_branches_are_out_in_some_steps_each_grid_is_solved_alone():
    oracle = Oracle(load_park("small10"))
    timed = timetabled(oracle, [frozenset(), frozenset({"T_ZN_1"}), frozenset(), frozenset()])
    p = np.tile(
        [-0.5 * (oracle.park.loads[e].p_peak_mw if e in oracle.park.loads else 0) for e in timed.elements],
        (STEPS, 1),
    )
    day = Operation(p_mw=p, q_mvar=p * 0.2, steps=np.arange(STEPS))
    found = throng_of(timed).solve(["T_MAIN_1"] * STEPS, day)
    assert throng_of(timed).left_over == STEPS
    both = oracle.without(["T_MAIN_1", "T_ZN_1"]).solve(p[:1], p[:1] * 0.2)
    assert found.loading_percent[1] == pytest.approx(both.loading_percent[0], abs=1e-6)
