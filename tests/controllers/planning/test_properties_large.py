"""The same properties on the Chifeng park, in two hours of its evening: 33 devices, every kind of them."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from controllers.planning import Planner, initial_state
from controllers.planning.bill import bill
from controllers.planning.release import GROSS_GAP
from controllers.planning.situation import situation
from vpp.park import load_park
from vpp.types import DispatchOrder, PlanLabel

STEPS, HALF = 8, 4
GUARD_S = 30.0


@pytest.fixture(scope="module")
def chifeng():
    return load_park("chifeng96")


@pytest.fixture(scope="module")
def evening(chifeng, forecast_in):
    """What is known of the evening, its planner, and its plan."""
    known, desk = forecast_in(chifeng), Planner(chifeng)
    state = initial_state(chifeng, known.start + timedelta(hours=17))
    plan = desk.plan(state, known, steps=STEPS, deadline_s=GUARD_S).plan
    assert plan.label is PlanLabel.OPTIMAL
    return known, desk, plan


def gross(plan):
    return sum(abs(cny) for cny in plan.cost_breakdown_cny.values())


def state_at(plan, after, k):
    """The whole state of a park that followed the plan for k steps."""
    state, last = after(plan, k), k - 1
    resources = {}
    for name, values in state.resources.items():
        own, now = plan.series[name], dict(values)
        if "warm_stacks" in own:
            now |= {"warm_stacks": float(own["warm_stacks"][last]), "heating_stacks": 0.0}
        if "nh3_t" in own:
            now["nh3_t"] += float(own["nh3_t"][:k].sum())
        resources[name] = now
    assert not any(plan.series[name]["open_blocks"].any() for name in plan.initial.calls)
    positions = {name: float(plan.series[name]["position"][last]) for name in state.positions}
    return replace(state, resources=resources, positions=positions)


def test_the_plan_solved_again_from_its_own_state_costs_its_tail(evening, chifeng, after):
    known, desk, plan = evening
    state, steps = state_at(plan, after, HALF), STEPS - HALF
    again = desk.plan(state, known, steps=steps, deadline_s=GUARD_S).plan
    axis = desk.course(state.at, steps, state, known).model.frame.axis
    now = situation(chifeng, axis, first=axis.history, steps=steps, state=state, forecast=known)
    tail = {name: {key: x[HALF:] for key, x in own.items()} for name, own in plan.series.items()}
    expected = sum(bill(now, tail, ()).items.values())
    assert again.cost_cny == pytest.approx(expected, abs=GROSS_GAP * gross(plan))


def test_each_widening_of_the_tie_never_costs_more(evening):
    known, desk, plan = evening
    most = float(plan.series["tie"]["import_mw"].max())
    costs = []
    for share in (0.75, 0.9):
        order = DispatchOrder(
            id=f"at most {share}",
            import_max_mw=share * most,
            export_max_mw=None,
            start=plan.start,
            end=plan.start + timedelta(hours=2),
            expires_at=plan.start + timedelta(hours=2),
        )
        narrow = desk.plan(plan.initial, known, steps=STEPS, deadline_s=GUARD_S, orders=[order]).plan
        assert (narrow.series["tie"]["import_mw"] <= share * most + 0.05).all()
        costs.append(narrow.cost_cny)
    costs.append(plan.cost_cny)
    assert costs[0] > costs[-1] + GROSS_GAP * gross(plan), "the limit must bind for this to say anything"
    for narrow, wide in pairwise(costs):
        assert wide <= narrow + GROSS_GAP * gross(plan)


def test_the_order_of_devices_does_not_change_the_cost(evening, chifeng):
    known, _, plan = evening
    turned = replace(
        chifeng,
        resources=dict(reversed(chifeng.resources.items())),
        devices=dict(reversed(chifeng.devices.items())),
        loads=dict(reversed(chifeng.loads.items())),
    )
    other = Planner(turned).plan(plan.initial, known, steps=STEPS, deadline_s=GUARD_S).plan
    assert other.cost_cny == pytest.approx(plan.cost_cny, abs=GROSS_GAP * gross(plan))
