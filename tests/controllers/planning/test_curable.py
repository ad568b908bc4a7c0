"""A limit is called incurable only where every device at its best still breaks it."""

from dataclasses import replace

import pytest

from controllers.planning import curable, initial_state
from controllers.planning.situation import situation
from controllers.planning.slots import axis
from network.security import Cut


@pytest.fixture(scope="module")
def now(park, forecast):
    own = axis(park, 96)
    state = initial_state(park, forecast.start)
    return situation(park, own, first=own.history, steps=96, state=state, forecast=forecast)


def charging(upper):
    """At most `upper` MW drawn by the battery at noon."""
    return Cut(step=48, name="branch:T_BESS", coeff={"BESS1": -1.0}, upper=upper, margin_mw=0.1)


def test_a_battery_can_do_no_more_than_its_rating(now):
    assert curable.is_curable(now, charging(-39.0))
    assert not curable.is_curable(now, charging(-41.0))


def test_a_device_that_does_not_answer_cures_nothing(park, now):
    silent = {**now.state.resources["BESS1"], "available": 0.0}
    state = replace(now.state, resources={**now.state.resources, "BESS1": silent})
    assert not curable.is_curable(replace(now, state=state), charging(-1.0))


def test_demand_that_is_never_interrupted_cures_nothing(park, now, forecast):
    demand = forecast.load_mw["LD_ESS"][48]
    row = Cut(step=48, name="voltage_min:FDR10", coeff={"LD_ESS": -1.0}, upper=0.9 * demand, margin_mw=0.0)
    assert not curable.is_curable(now, row)
    assert curable.resting(now, row).upper == pytest.approx(demand)
