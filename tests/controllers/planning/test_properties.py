"""What holds of every plan, whatever the state: certified, never dearer with more room, the same twice."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.planning import Planner, check, initial_state
from controllers.planning.release import GROSS_GAP

STEPS = 12
START = 52
"""Step of the day: from the noon valley into the afternoon."""
GUARD_S = 30.0

states = st.fixed_dictionaries(
    {
        "battery_soc": st.floats(0.05, 1.0),
        "air_soc": st.floats(0.03, 1.0),
        "h2_kg": st.floats(200.0, 5000.0),
        "mode": st.sampled_from([0, 1, 2, 3, 4]),
        "mode_min": st.floats(0.0, 120.0),
        "into_min": st.integers(0, 13),
        "answers": st.lists(st.booleans(), min_size=3, max_size=3),
    }
)


@pytest.fixture(scope="module")
def small_window(park):
    return Planner(park)


def state_of(park, plan, drawn):
    """The park at `START`, its stores and its CAES plant anywhere they may be found."""
    at = plan.start + timedelta(minutes=15 * START + drawn["into_min"])
    state = initial_state(park, at)
    mw = {0: -0.6, 1: -40.6, 2: 60.0, 3: -5.0, 4: 5.0}[drawn["mode"]]
    own = {
        "BESS1": {"e_mwh": drawn["battery_soc"] * park.devices["BESS1"].e_full_mwh},
        "CAES1": {
            "e_mwh": drawn["air_soc"] * park.devices["CAES1"].e_air_mwh,
            "mode_code": float(drawn["mode"]),
            "mode_min": drawn["mode_min"],
            "trains": float(drawn["mode"] == 1),
            "p_mw": mw,
        },
        "H2S": {"h2_kg": drawn["h2_kg"]},
    }
    for name, answers in zip(("BESS1", "ALK1", "WF"), drawn["answers"], strict=True):
        own[name] = own.get(name, {}) | {"available": float(answers)}
    resources = {name: dict(values) | own.get(name, {}) for name, values in state.resources.items()}
    return replace(state, resources=resources)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=states)
def test_every_state_gets_a_plan_that_the_checker_passes(park, small_window, plan, forecast, drawn):
    state = state_of(park, plan, drawn)
    released = small_window.plan(state, forecast, steps=STEPS, deadline_s=GUARD_S)
    assert check(park, released.plan, forecast).ok
    assert released.plan.steps == STEPS


def short(park, forecast, planner=None):
    state = initial_state(park, forecast.start + timedelta(hours=12))
    return (planner or Planner(park)).plan(state, forecast, steps=40, deadline_s=GUARD_S).plan


def gross(plan):
    return sum(abs(cny) for cny in plan.cost_breakdown_cny.values())


def with_import(park, mw):
    return replace(park, contracts=replace(park.contracts, tie=replace(park.contracts.tie, import_max_mw=mw)))


def test_each_widening_of_the_import_never_costs_more(park, forecast):
    plans = [short(with_import(park, mw), forecast) for mw in (20.0, 45.0, 70.0, 150.0)]
    assert plans[0].cost_cny > plans[-1].cost_cny
    for narrow, wide in pairwise(plans):
        assert wide.cost_cny <= narrow.cost_cny + 2 * GROSS_GAP * gross(wide)


def test_the_order_of_devices_does_not_change_the_cost(park, forecast):
    turned = replace(
        park,
        resources=dict(reversed(park.resources.items())),
        devices=dict(reversed(park.devices.items())),
        loads=dict(reversed(park.loads.items())),
    )
    one, other = short(park, forecast), short(turned, forecast)
    assert one.cost_cny == pytest.approx(other.cost_cny, abs=2 * GROSS_GAP * gross(one))


def test_the_same_inputs_give_the_same_plan(park, forecast):
    one, other = short(park, forecast), short(park, forecast)
    assert one.cost_cny == other.cost_cny
    for owner, series in one.series.items():
        for name, values in series.items():
            assert np.array_equal(values, other.series[owner][name]), (owner, name)
