"""No limit of the park is bought by what one step can earn."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, initial_state, limits
from controllers.planning.bill import gross_cny
from controllers.planning.slots import Axis
from controllers.planning.stakes import slack_prices
from vpp.park import load_park

GUARD_S = 30.0


@pytest.mark.parametrize("name", ["small10", "chifeng96"])
@pytest.mark.parametrize("step_min", [5, 15, 60])
def test_every_price_is_above_the_months_peak_and_they_give_way_in_order(name, step_min):
    park = load_park(name)
    prices = slack_prices(park, Axis(history=1, steps=4, step_min=step_min))
    step_h, contract = step_min / 60, park.contracts.tie
    peak_cny = 1000 * contract.demand_charge_cny_per_kw_month
    call_cny = max(
        load.restart_cost_cny * load.blocks / max(load.p_peak_mw, 1.0) for load in park.loads.values()
    )
    assert prices.reserve * step_h > peak_cny + call_cny
    # a MWh in one step is 1 / step_h MW
    assert prices.island * step_h > peak_cny / step_h
    assert prices.reserve < prices.tie < prices.outage < prices.pin < prices.network


@pytest.fixture(scope="module")
def eager(park, forecast):
    """A calm evening with one step of much demand, a month's peak to keep and much reserve to hold."""
    park = replace(
        park, contracts=replace(park.contracts, reserve=replace(park.contracts.reserve, up_mw=60.0))
    )
    load = {name: mw.copy() for name, mw in forecast.load_mw.items()}
    load[max(load, key=lambda name: load[name].max())][80] += 25.0
    forecast = replace(
        forecast,
        load_mw=load,
        available_mw={name: np.zeros_like(mw) for name, mw in forecast.available_mw.items()},
    )
    state = initial_state(park, forecast.start + timedelta(hours=17))
    low = {"BESS1": {**state.resources["BESS1"], "e_mwh": 22.0}}
    return park, replace(state, resources={**state.resources, **low}), forecast


def planned(eager):
    park, state, forecast = eager
    return Planner(park).plan(state, forecast, steps=24, deadline_s=GUARD_S).plan


def lacking(plan):
    return sum(r.amount for r in plan.relaxations if r.limit == "reserve_up")


def test_reserve_is_kept_where_a_step_would_have_paid_for_giving_it_up(eager, monkeypatch):
    kept = planned(eager)
    assert lacking(kept) == 0

    def cheap(park, axis):
        return replace(slack_prices(park, axis), reserve=2000.0)

    monkeypatch.setattr(limits, "slack_prices", cheap)
    assert lacking(planned(eager)) > 1.0


def test_a_battery_found_below_its_island_energy_comes_back_without_a_new_peak(park, forecast):
    still = {name: np.zeros_like(mw) for name, mw in forecast.available_mw.items()}
    calm = replace(forecast, available_mw=still)
    state = initial_state(park, calm.start + timedelta(hours=17))
    least = limits.island_mwh(park, park.devices["BESS1"])
    low = {**state.resources["BESS1"], "e_mwh": least - 4.0}
    plan = (
        Planner(park)
        .plan(replace(state, resources={**state.resources, "BESS1": low}), calm, steps=24, deadline_s=GUARD_S)
        .plan
    )
    assert plan.series["tie"]["import_mw"].max() <= park.contracts.tie.expected_month_peak_mw + 0.1
    given = [r for r in plan.relaxations if r.limit == "island_soc:BESS1"]
    assert given
    assert all(r.amount <= 4.0 + 1e-3 and r.step < 8 for r in given)
    assert plan.cost_breakdown_cny["slack"] > 0
    assert gross_cny(plan.cost_breakdown_cny) == gross_cny({**plan.cost_breakdown_cny, "slack": 0.0})
