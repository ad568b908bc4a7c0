"""What a day allows counts from midnight, not from the plan: a re-plan knows what was used before it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from vpp.types import PlanLabel

GUARD_S = 20.0
CAES = "CAES1"


def turbine_starts(plan):
    return int((np.diff((plan.series[CAES]["mode_code"] == 2).astype(int), prepend=0) == 1).sum())


def used_up(park, state, left):
    """The same state with so many turbine starts left today."""
    most = park.devices[CAES].params.turbine.max_starts_per_day
    own = {**state.resources[CAES], "starts_turbine": float(most - left)}
    return replace(state, resources={**state.resources, CAES: own})


def test_a_plant_whose_starts_are_used_up_is_not_started_again_today(park, planner, plan, after, forecast):
    first = int(np.flatnonzero(plan.series[CAES]["mode_code"] == 2)[0])
    k = first - 8
    again = {
        left: planner.plan(
            used_up(park, after(plan, k), left), forecast, steps=96 - k, deadline_s=GUARD_S, previous=plan
        ).plan
        for left in (1, 0)
    }
    assert turbine_starts(again[1]) == 1
    assert turbine_starts(again[0]) == 0
    assert again[0].label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE, PlanLabel.RELAXED)
    # one that starts all the same is refused
    state = used_up(park, after(plan, k), 0)
    told = replace(again[1], initial=state)
    assert ("starts", CAES) in {(v.rule, v.resource) for v in check(park, told, forecast).violations}


@pytest.mark.parametrize("left", [1.0, 0.0])
def test_calls_that_are_used_up_are_not_made_again_today(park, forecast, left):
    contracts = replace(park.contracts, tie=replace(park.contracts.tie, import_max_mw=40.0))
    narrow = replace(park, contracts=contracts)
    state = initial_state(narrow, forecast.start + timedelta(hours=18))
    own = {n: {**v, "e_mwh": 0.0} if "e_mwh" in v else v for n, v in state.resources.items()}
    calls = {name: {**ledger, "calls_left": left} for name, ledger in state.calls.items()}
    state = replace(state, resources=own, calls=calls)
    calm = replace(forecast, available_mw={**forecast.available_mw, "WF": 0 * forecast.available_mw["WF"]})
    plan = Planner(narrow).plan(state, calm, steps=12, deadline_s=GUARD_S).plan
    called = [name for name in park.loads if plan.series[name]["open_blocks"].any()]
    assert bool(called) == bool(left)
    for name in called:
        opened = plan.series[name]["open_blocks"] > 0
        assert int((np.diff(opened.astype(int), prepend=0) == 1).sum()) <= left
