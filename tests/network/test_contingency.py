from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from network.contingency import Operation, OutageFlows
from network.contingency_actions import Reach, actions, after_moves
from network.contingency_curable import uncurable
from network.contingency_rows import outage_cuts
from network.contingency_screen import Screen
from network.model import inject, to_pandapower
from network.outages import outages
from network.powerflow import Oracle
from network.timetable import timetabled
from vpp.park import load_park
from vpp.seeds import generator


def runpp_without(point, branch):
    """One power flow of the point's park with a branch out of service, by plain pandapower."""
    net = to_pandapower(point.park)
    inject(net, point.p_mw, point.q_mvar)
    table = "line" if branch in set(net.line["name"]) else "trafo"
    net[table].loc[net[table]["name"] == branch, "in_service"] = False
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    return net


def branches_of(park):
    return [*(line.name for line in park.grid.lines), *(trafo.name for trafo in park.grid.trafos)]


@pytest.mark.parametrize("name", ["evening_peak", "max_export"])
def test_every_outage_equals_plain_pandapower_with_the_branch_out_of_service(points, name):
    point = points[name]
    oracle = Oracle(point.park)
    for branch in branches_of(point.park):
        net = runpp_without(point, branch)
        states = oracle.without([branch]).solve(*point.rows(oracle))
        assert states.vm_pu[0] == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=1e-6, nan_ok=True)
        loading = [*net.res_line.loading_percent, *net.res_trafo.loading_percent]
        assert states.loading_percent[0] == pytest.approx(np.nan_to_num(loading), abs=0.01)
        assert states.p_tie_mw[0] == pytest.approx(net.res_ext_grid.p_mw.sum(), abs=1e-4)


def test_what_an_outage_cuts_off_is_left_out_and_named(points):
    point = points["evening_peak"]
    rest = Oracle(point.park).without(["T_PUB"])
    assert rest.flow.unfed == ("PUB10", "FDR10")
    states = rest.solve(*point.rows(rest))
    assert states.converged.all()
    assert np.isnan(states.vm_pu[0, [8, 9]]).all()
    assert np.isfinite(states.vm_pu[0, :8]).all()


def operation(flows, point):
    p, q = point.rows(flows.oracle)
    return Operation(p_mw=p, q_mvar=q)


@pytest.fixture(scope="module")
def evening(points):
    point = points["evening_peak"]
    flows = OutageFlows(Oracle(point.park))
    return flows, operation(flows, point)


def test_every_branch_of_the_park_is_an_outage_of_one_class(park):
    found = {o.name: o.kind for o in outages(park)}
    assert {b: found[b] for b in ("T_MAIN_1", "T_ZN_2", "T_WIND", "EG1", "WF")} == {
        "T_MAIN_1": "preventive",
        "T_ZN_2": "corrective",
        "T_WIND": "radial",
        "EG1": "island",
        "WF": "corrective",
    }
    assert set(branches_of(park)) <= found.keys()


def test_a_lost_device_is_taken_over_by_the_tie(evening):
    flows, before = evening
    states = flows.solve("CAES1", before)
    lost = before.p_mw[0, flows.oracle.elements.index("CAES1")]
    intact = flows.oracle.solve(before.p_mw, before.q_mvar)
    assert lost > 10
    # up to the losses that the change makes
    assert states.p_tie_mw[0] - intact.p_tie_mw[0] == pytest.approx(lost, abs=1.0)
    assert flows.aftermath("CAES1", before, [0]).lost_supply_mw[0] == pytest.approx(lost)


def test_a_radial_outage_tells_what_it_cuts_off(evening):
    flows, before = evening
    after = flows.aftermath("T_PUB", before, [0])
    demand = sum(-before.p_mw[0, flows.oracle.elements.index(e)] for e in ("LD_PUB", "LD_ESS", "LD_SME"))
    assert after.lost_load_mw[0] == pytest.approx(demand)
    assert after.breaches == ()


def test_a_corrective_outage_is_held_to_the_short_time_rating_at_once(evening):
    flows, before = evening
    twin = flows.aftermath("T_ZN_1", before, [0])
    assert twin.breaches == ()
    assert [(b.row, b.limit) for b in twin.overloads] == [("branch:T_ZN_2", 100.0)]
    assert 100 < twin.overloads[0].value < 130
    cable = flows.aftermath("C10_FDR_1", before, [0])
    assert [(b.row, b.limit) for b in cable.breaches] == [("branch:C10_FDR_2", 115.0)]


def test_a_planted_overload_after_a_preventive_outage_is_found_by_name(points):
    point = points["calm_no_storage"]
    flows = OutageFlows(Oracle(point.park))
    before = operation(flows, point)
    assert flows.aftermath("T_MAIN_1", before, [0]).breaches == ()
    before.p_mw[0, flows.oracle.elements.index("ALK1")] -= 45
    (found,) = (b for b in flows.aftermath("T_MAIN_1", before, [0]).breaches if b.row == "branch:T_MAIN_2")
    assert found.name == "branch:T_MAIN_2 after T_MAIN_1"
    assert found.value > found.limit == 100


def test_armed_actions_end_a_corrective_overload_within_the_reach_of_the_elements(evening):
    flows, before = evening
    over = flows.aftermath("T_ZN_1", before, [0]).overloads
    low, high = before.p_mw.copy(), before.p_mw.copy()
    smelter = flows.oracle.elements.index("LD_ZN")
    high[0, smelter] *= 0.4
    reach = Reach(low=low, high=high)
    (done,) = actions(flows, over, before, reach, reach)
    assert done.left == ()
    assert done.at_once_mw == {}
    assert done.moves_mw.keys() == {"LD_ZN"}
    assert 0 < done.moves_mw["LD_ZN"] <= high[0, smelter] - low[0, smelter]
    assert after_moves(flows, {("T_ZN_1", 0): done.moves_mw}, before, flows.continuous) == ()
    half = {e: mw / 2 for e, mw in done.moves_mw.items()}
    assert after_moves(flows, {("T_ZN_1", 0): half}, before, flows.continuous) != ()


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_who_is_far_away_moves_only_for_what_those_at_hand_cannot_take(evening, share):
    flows, before = evening
    over = flows.aftermath("T_ZN_1", before, [0]).overloads
    smelter = flows.oracle.elements.index("LD_ZN")
    reach = Reach(low=before.p_mw - 100.0, high=before.p_mw + 100.0)
    reach.low[0, smelter] = before.p_mw[0, smelter]
    reach.high[0, smelter] = share * before.p_mw[0, smelter]
    (done,) = actions(flows, over, before, reach, reach)
    assert (done.moves_mw.keys() == {"LD_ZN"}) == (share == 0.5)
    if share == 0.999:
        assert done.moves_mw["LD_ZN"] == pytest.approx(-0.001 * before.p_mw[0, smelter])
    else:
        assert not done.left


def test_what_stands_above_the_short_time_rating_is_taken_down_within_seconds(evening):
    flows, before = evening
    smelter = flows.oracle.elements.index("LD_ZN")
    before = Operation(p_mw=before.p_mw.copy(), q_mvar=before.q_mvar.copy())
    before.p_mw[0, smelter] *= 1.1
    before.q_mvar[0, smelter] *= 1.1
    over = flows.aftermath("T_ZN_1", before, [0]).breaches
    assert [b.limit for b in over] == [130.0]
    high = before.p_mw.copy()
    high[0, smelter] *= 0.5
    fast, none = Reach(low=before.p_mw, high=high), Reach(low=before.p_mw, high=before.p_mw)
    (done,) = actions(flows, over, before, fast, fast)
    assert 0 < done.at_once_mw["LD_ZN"] < done.moves_mw["LD_ZN"]
    assert after_moves(flows, {("T_ZN_1", 0): done.at_once_mw}, before, flows.short_time) == ()
    (too_slow,) = actions(flows, over, before, none, fast)
    assert too_slow.moves_mw == {}
    assert [b.limit for b in too_slow.left] == [130.0]


def test_without_armed_elements_the_overload_is_told_as_left(evening):
    flows, before = evening
    over = flows.aftermath("T_ZN_1", before, [0]).overloads
    none = Reach(low=before.p_mw, high=before.p_mw)
    (done,) = actions(flows, over, before, none, none)
    assert done.moves_mw == {}
    assert [b.row for b in done.left] == ["branch:T_ZN_2"]


def test_only_the_feeder_cables_of_the_small_park_are_beyond_any_dispatch(park, oracle):
    found = uncurable(OutageFlows(oracle))
    assert {(u.outage, u.row) for u in found} == {
        ("C10_FDR_1", "branch:C10_FDR_2"),
        ("C10_FDR_2", "branch:C10_FDR_1"),
    }
    for one in found:
        assert one.least_percent == pytest.approx(120, abs=1)


def test_a_row_after_an_outage_foretells_what_a_redispatch_does(points):
    point = points["noon_surplus_charging"]
    flows = OutageFlows(Oracle(point.park))
    before = operation(flows, point)
    (breach,) = (b for b in flows.aftermath("T_MAIN_1", before, [0]).breaches if b.row == "branch:T_MAIN_2")
    (cut,) = outage_cuts(flows, [breach], before, flows.oracle.elements)
    assert cut.name == "branch:T_MAIN_2 after T_MAIN_1"
    held = sum(c * before.p_mw[0, k] for k, c in enumerate(cut.coeff.values()))
    move = np.zeros_like(before.p_mw)
    move[0, flows.oracle.elements.index("ALK1")] = 5.0
    after = flows.aftermath("T_MAIN_1", before.moved(move, flows.mvar_per_mw), [0])
    percent_per_mw = (breach.value - 99.8) / (held - cut.upper)
    foretold = breach.value + 5.0 * cut.coeff["ALK1"] * percent_per_mw
    assert after.worst_percent[0] == pytest.approx(foretold, abs=0.3)
    assert breach.value - foretold > 3


def random_operation(flows, park, steps, seed):
    """Devices anywhere inside 60 % of their name plates, loads from 40 to 100 % of their peaks."""
    draw = generator(seed, "screen")
    rows, loads = list(park.resources.values()), list(park.loads.values())
    low = [0.6 * r.p_min_mw for r in rows] + [-load.p_peak_mw for load in loads]
    high = [0.6 * r.p_max_mw for r in rows] + [-0.4 * load.p_peak_mw for load in loads]
    p = draw.uniform(low, high, size=(steps, len(low)))
    return Operation(p_mw=p, q_mvar=p * flows.mvar_per_mw)


@pytest.mark.parametrize("name", ["small10", "chifeng96"])
def test_the_screen_leaves_out_no_outage_that_breaks_a_limit(name):
    park = load_park(name)
    flows = OutageFlows(Oracle(park))
    steps = 300 if name == "small10" else 24
    before = random_operation(flows, park, steps, seed=7)
    asked = Screen(flows).unclear(before)
    broken = left_out = 0
    for outage, at in asked.items():
        if flows.by_name[outage].kind == "radial":
            continue
        after = flows.aftermath(outage, before, range(steps))
        hurt = {b.step for b in (*after.breaches, *after.overloads)}
        assert hurt <= set(np.flatnonzero(at).tolist())
        broken, left_out = broken + len(hurt), left_out + int((~at).sum())
    assert broken > 20
    assert left_out > 0.25 * steps * len(asked), "work is saved even where much is overloaded"


def test_the_screen_follows_banks_and_taps():
    park = load_park("chifeng96")
    flows = OutageFlows(Oracle(park))
    before = random_operation(flows, park, 12, seed=3)
    oracle, screen = flows.oracle, Screen(flows)
    moved = np.tile(oracle.at_rest, (12, 1))
    moved[6:] = np.clip(moved[6:] - 1, oracle.position_min, oracle.position_max)
    before = replace(before, positions=moved)
    for outage, at in screen.unclear(before).items():
        if flows.by_name[outage].kind != "radial":
            after = flows.aftermath(outage, before, range(12))
            assert {b.step for b in (*after.breaches, *after.overloads)} <= set(np.flatnonzero(at).tolist())


def test_planned_outages_come_on_top_in_their_own_steps(evening):
    flows, before = evening
    whole = flows.oracle
    day = before.at([0, 0, 0])
    day = replace(day, steps=None)
    timed = OutageFlows(timetabled(whole, (frozenset(), frozenset({"T_ZN_1"}), frozenset())))
    cut = timed.solve("T_MAIN_1", day)
    both = whole.without(["T_MAIN_1", "T_ZN_1"]).solve(before.p_mw, before.q_mvar)
    assert cut.loading_percent[1] == pytest.approx(both.loading_percent[0], abs=1e-6)
    assert cut.loading_percent[2] == pytest.approx(
        flows.solve("T_MAIN_1", before).loading_percent[0], abs=1e-6
    )
    assert timed.solve("T_MAIN_1", day.at([1])).loading_percent[0] == pytest.approx(both.loading_percent[0])
    assert all(at.all() for at in Screen(timed).unclear(day).values()), "all is solved where grids change"
