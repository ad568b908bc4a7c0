"""A re-plan leaves its predecessor for a reason, not for another optimum among equals."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from vpp.types import DispatchOrder, PlanLabel

STORES = ("BESS1", "CAES1")
DEADLINE_S = 20.0


def richer(state, mwh):
    """The same state with a little more or less energy in each store."""
    stores = {name: dict(state.resources[name]) for name in STORES}
    for values in stores.values():
        values["e_mwh"] += mwh
    return replace(state, resources={**state.resources, **stores})


def windier(forecast, share):
    wind = forecast.available_mw["WF"] * share
    return replace(forecast, available_mw={**forecast.available_mw, "WF": wind})


def moved_mw(new, old, name):
    """(steps,) of how far a plan went from the one before it."""
    passed = round((new.start - old.start) / timedelta(minutes=old.step_min))
    return np.abs(new.series[name]["p_mw"] - old.series[name]["p_mw"][passed:])


@pytest.mark.parametrize("k", [28, 70])
def test_a_little_other_energy_and_wind_hardly_move_the_stores(planner, plan, after, forecast, k):
    for mwh, share in ((0.1, 1.01), (-0.1, 0.99)):
        state, wind = richer(after(plan, k), mwh), windier(forecast, share)
        again = planner.plan(state, wind, steps=96 - k, deadline_s=DEADLINE_S, previous=plan).plan
        # what little they move keeps the tie inside the band around its declared curve
        assert max(moved_mw(again, plan, name).mean() for name in STORES) < 0.5


def test_an_order_moves_the_stores_all_the_same(planner, plan, after, forecast):
    k, hour = 48, slice(2, 6)
    drawn = -plan.series["BESS1"]["p_mw"][k:][hour]
    limit = float(plan.series["tie"]["import_mw"][k:][hour].mean()) - 15.0
    assert drawn.max() > 30.0
    start = plan.start + timedelta(minutes=15 * (k + 2))
    order = DispatchOrder(
        id="o1",
        import_max_mw=limit,
        export_max_mw=None,
        start=start,
        end=start + timedelta(hours=1),
        expires_at=start,
    )
    again = planner.plan(
        after(plan, k), forecast, steps=96 - k, deadline_s=DEADLINE_S, previous=plan, orders=(order,)
    ).plan
    assert again.label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE)
    assert (again.series["tie"]["import_mw"][hour] <= limit + 0.05).all()
    assert sum(moved_mw(again, plan, name)[hour].mean() for name in STORES) > 5.0


def test_leaving_a_plan_is_on_nobodys_bill(planner, plan, after, forecast):
    state, wind = after(plan, 28), windier(forecast, 1.3)
    first = planner.plan(state, wind, steps=68, deadline_s=DEADLINE_S, previous=plan).plan
    second = planner.plan(state, wind, steps=68, deadline_s=DEADLINE_S, previous=first).plan
    assert sum(moved_mw(first, plan, name).sum() for name in STORES) > 200.0
    assert second.cost_cny == pytest.approx(first.cost_cny, abs=50.0)
    assert first.cost_cny == pytest.approx(sum(first.cost_breakdown_cny.values()))
