"""What a re-plan knows of outages before its first solve."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import carried as carried_of
from controllers.planning.carried import carried
from controllers.planning.situation import situation
from network.contingency import Operation, outage_flows

LATER = 8
"""Steps after which the re-plan is made."""


@pytest.fixture(scope="module")
def replan(park, planner, plan, forecast, after):
    """The model of a re-plan and its situation, the day's plan followed until then."""
    state = after(plan, LATER)
    course = planner.course(state.at, plan.steps - LATER, state, forecast)
    first = course.model.frame.axis.history + round((state.at - course.start) / timedelta(minutes=15))
    now = situation(
        park,
        course.model.frame.axis,
        first=first,
        steps=plan.steps - LATER,
        state=state,
        forecast=forecast,
        previous=plan,
    )
    return course.model, now


@pytest.fixture(scope="module")
def limits(plan):
    """The sister of a main transformer, as limited in a step before the re-plan and in two of its own."""
    at = [plan.start + timedelta(minutes=plan.step_min * k) for k in (2, 40, 72)]
    return frozenset((start, "branch:T_MAIN_2 after T_MAIN_1") for start in at)


def test_a_limit_that_the_last_plan_met_has_a_row_before_the_first_solve(
    planner, plan, replan, limits, monkeypatch
):
    monkeypatch.setattr(carried_of, "NEAR_PERCENT", 100.0)
    model, now = replan
    rows = carried(model, planner.oracle, now, limits)
    assert [(row.step, row.name) for row in rows] == [
        (40 - LATER, "branch:T_MAIN_2 after T_MAIN_1"),
        (72 - LATER, "branch:T_MAIN_2 after T_MAIN_1"),
    ], "a step that is over has none"
    flows, series = outage_flows(planner.oracle), plan.series
    p, q = (np.column_stack([series[e][key] for e in planner.oracle.elements]) for key in ("p_mw", "q_mvar"))
    at = np.column_stack(
        [np.empty((plan.steps, 0)), *(series[a]["position"] for a in planner.oracle.actuators)]
    )
    percent = flows.aftermath("T_MAIN_1", Operation(p_mw=p, q_mvar=q, positions=at), [40, 72])
    for row in rows:
        k = row.step + LATER
        used = sum(c * series[name]["p_mw"][k] for name, c in row.coeff.items())
        assert used < row.upper, "the plan keeps the limit"
        assert percent.worst_percent[k] < 100


def test_a_limit_that_is_far_has_no_row_any_more(planner, replan, limits, monkeypatch):
    monkeypatch.setattr(carried_of, "NEAR_PERCENT", 0.0)
    model, now = replan
    assert carried(model, planner.oracle, now, limits) == ()


def test_without_a_previous_plan_nothing_is_carried(planner, replan, limits):
    model, now = replan
    assert carried(model, planner.oracle, replace(now, previous=None), limits) == ()


def test_a_replan_tells_its_outages_whatever_it_has_carried(park, planner, plan, forecast, after):
    state = after(plan, LATER)
    again = planner.plan(state, forecast, steps=plan.steps - LATER, deadline_s=20.0, previous=plan).plan
    assert again.status.startswith("optimal for the commitments")
    assert {own.kind for own in again.contingencies} == {own.kind for own in plan.contingencies}
    assert all(own.left == () for own in again.contingencies)
    corrective = next(own for own in again.contingencies if own.kind == "corrective")
    assert len(corrective.worst) == again.steps
    assert all(corrective.worst)
