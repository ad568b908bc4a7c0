from dataclasses import replace

import numpy as np
import pytest

from controllers.planning.checker import check
from network.contingency import Operation, outage_flows
from network.powerflow import Oracle


@pytest.fixture(scope="module")
def by_kind(plan):
    return {own.kind: own for own in plan.contingencies}


def changed(plan, **of_corrective):
    told = (replace(own, **of_corrective) if own.kind == "corrective" else own for own in plan.contingencies)
    return replace(plan, contingencies=tuple(told))


def broken_rules(park, plan, forecast):
    return {v.rule for v in check(park, plan, forecast).violations}


def test_a_plan_tells_every_class_of_the_park_and_leaves_nothing_curable(park, plan, by_kind):
    assert by_kind.keys() == {"preventive", "corrective", "radial", "island"}
    assert {"T_MAIN_1", "T_MAIN_2"} == set(by_kind["preventive"].outages)
    assert all(own.left == () for own in plan.contingencies)
    assert by_kind["preventive"].worst_percent.max() <= 100.1
    assert by_kind["island"].lost_supply_mw == pytest.approx(plan.series["tie"]["import_mw"])


def test_the_feeder_cables_are_held_and_named(by_kind):
    held = by_kind["corrective"].held
    assert {(b.outage, b.limit) for b in held} == {
        ("C10_FDR_1", "branch:C10_FDR_2"),
        ("C10_FDR_2", "branch:C10_FDR_1"),
    }
    assert all(b.found > b.allowed for b in held)


def test_radial_outages_tell_what_they_cut_off(plan, by_kind):
    demand = sum(plan.series[name]["p_mw"] for name in ("LD_PUB", "LD_SME", "LD_ESS"))
    assert (by_kind["radial"].lost_load_mw >= -demand - 1e-6).all()
    assert by_kind["radial"].lost_supply_mw.max() > 10


def test_the_actions_named_after_an_outage_end_its_overload_by_plain_power_flow(park, plan, by_kind):
    flows = outage_flows(Oracle(park))
    ids = flows.oracle.elements
    p, q = (np.column_stack([plan.series[name][key] for name in ids]) for key in ("p_mw", "q_mvar"))
    at_actuators = [plan.series[name]["position"] for name in flows.oracle.actuators]
    positions = np.column_stack([np.empty((plan.steps, 0)), *at_actuators])
    assert by_kind["corrective"].actions
    for action in by_kind["corrective"].actions[::20]:
        at = slice(action.step, action.step + 1)
        move = np.array([[action.moves_mw.get(name, 0.0) for name in ids]])
        before = Operation(p_mw=p[at], q_mvar=q[at], positions=positions[at])
        bare = flows.aftermath(action.outage, before, [0])
        cured = flows.aftermath(action.outage, before.moved(move, flows.mvar_per_mw), [0])
        assert bare.worst_percent[0] > 100
        assert cured.worst_percent[0] <= 100.05


def test_the_checker_refuses_a_plan_that_hides_an_outage(park, plan, forecast):
    assert broken_rules(park, plan, forecast) == set()
    assert broken_rules(park, changed(plan, held=()), forecast) == {"contingency"}
    assert broken_rules(park, changed(plan, actions=()), forecast) == {"contingency"}
    assert broken_rules(park, replace(plan, contingencies=()), forecast) == {"contingency"}


def test_the_checker_refuses_actions_that_are_too_small_or_beyond_reach(park, plan, forecast, by_kind):
    actions = by_kind["corrective"].actions

    def scaled(share):
        return tuple(replace(a, moves_mw={e: mw * share for e, mw in a.moves_mw.items()}) for a in actions)

    assert broken_rules(park, changed(plan, actions=scaled(0.5)), forecast) == {"contingency"}
    far = check(park, changed(plan, actions=scaled(20.0)), forecast).violations
    assert any("more than it can" in v.text for v in far)
