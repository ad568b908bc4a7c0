"""Every rung of the ladder bills everything: what a plan costs does not depend on how it was made."""

from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import check
from controllers.planning.bill import COST_ITEMS, bill
from controllers.planning.fallback import rule_plan, shifted_plan
from controllers.planning.situation import situation
from vpp.types import PlanLabel

WALKED = 60.0
"""CNY by which walking through a plan may differ from it: stacks are whole, air goes by its true curves."""


def situated(planner, plan, state, forecast, k):
    """What a plan of the rest of the day after k steps starts from."""
    course = planner.course(plan.start + timedelta(minutes=15 * k), plan.steps - k, state, forecast)
    return situation(
        planner.park,
        course.model.frame.axis,
        first=course.model.frame.axis.history,
        steps=plan.steps - k,
        state=state,
        forecast=forecast,
        previous=plan,
    )


@pytest.mark.parametrize("k", [36, 76])
def test_a_plan_moved_on_costs_what_its_tail_costs(planner, plan, after, forecast, k):
    now = situated(planner, plan, after(plan, k), forecast, k)
    moved = shifted_plan(planner.oracle, now)
    tail = {name: {key: x[k:] for key, x in own.items()} for name, own in plan.series.items()}
    asked = bill(now, tail, ())
    assert moved.label is PlanLabel.SHIFTED
    assert sum(cny != 0.0 for cny in moved.cost_breakdown_cny.values()) >= 4
    for item in set(COST_ITEMS) - {"slack"}:
        assert moved.cost_breakdown_cny[item] == pytest.approx(asked.items[item], abs=WALKED), item


def test_a_plan_by_rule_bills_every_item_and_the_checker_sums_it_again(planner, plan, after, forecast):
    now = situated(planner, plan, after(plan, 30), forecast, 30)
    plain = rule_plan(planner.oracle, now)
    certificate = check(planner.park, plain, forecast, planner.oracle)
    assert certificate.ok, certificate.violations
    costs = plain.cost_breakdown_cny
    assert set(costs) == set(COST_ITEMS)
    assert costs["carbon"] > 0
    assert costs["hydrogen"] != 0
    assert costs["terminal"] < 0
    assert plain.cost_cny == pytest.approx(sum(costs.values()))
    for item, steps in plain.cost_by_step_cny.items():
        assert np.isfinite(steps).all()
        assert steps.shape == (plain.steps,), item
    assert sum(sum(own.values()) for own in plain.cost_by_owner_cny.values()) == pytest.approx(plain.cost_cny)
