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


def undeclared(plan):
    """The same plan with nothing declared at the tie: what is left is the price of leaving it."""
    tie = dict(plan.series["tie"]) | {"declared_mw": np.full(plan.steps, np.nan)}
    return replace(plan, series={**plan.series, "tie": tie})


def outside_band_mwh(new, old, park):
    """(steps,) of a plan's energy outside the band around what the one before it declared."""
    declared = old.series["tie"]["declared_mw"][old.steps - new.steps :]
    off = np.abs(new.series["tie"]["import_mw"] - new.series["tie"]["export_mw"] - declared)
    band = park.contracts.tie.declared_deviation_band * np.abs(declared)
    return np.maximum(0.0, off - band) / 4


@pytest.mark.parametrize("k", [28, 70])
def test_a_little_other_energy_and_wind_hardly_move_the_stores(planner, plan, after, forecast, k):
    for mwh, share in ((0.1, 1.01), (-0.1, 0.99)):
        state, wind = richer(after(plan, k), mwh), windier(forecast, share)
        again = planner.plan(state, wind, steps=96 - k, deadline_s=DEADLINE_S, previous=undeclared(plan)).plan
        assert max(moved_mw(again, plan, name).mean() for name in STORES) < 0.3


def test_where_a_curve_is_declared_they_move_to_keep_the_tie_in_its_band(
    planner, plan, after, forecast, park
):
    state, wind = richer(after(plan, 70), 0.1), windier(forecast, 1.01)
    held, free = (
        planner.plan(state, wind, steps=26, deadline_s=DEADLINE_S, previous=before).plan
        for before in (plan, undeclared(plan))
    )
    assert outside_band_mwh(free, plan, park).sum() > 1.0
    assert outside_band_mwh(held, plan, park).sum() < 0.01
    # by no more than what the wind brings
    brought = float((wind.available_mw["WF"] - forecast.available_mw["WF"])[70:].mean())
    assert max(moved_mw(held, plan, name).mean() for name in STORES) < brought


def test_an_order_moves_the_stores_all_the_same(planner, plan, after, forecast, park):
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
    bound = {"steps": 96 - k, "deadline_s": DEADLINE_S, "orders": (order,)}
    again = planner.plan(after(plan, k), forecast, previous=undeclared(plan), **bound).plan
    assert again.label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE)
    assert (again.series["tie"]["import_mw"][hour] <= limit + 0.05).all()
    assert sum(moved_mw(again, plan, name)[hour].mean() for name in STORES) > 10.0
    declared = planner.plan(after(plan, k), forecast, previous=plan, **bound).plan
    # what the order takes is no deviation: a declared curve costs only what is moved to other hours
    outside = outside_band_mwh(declared, plan, park)
    assert outside[hour].sum() > 5.0
    price = park.contracts.tie.deviation_price_factor * declared.series["tie"]["price_cny_per_mwh"]
    elsewhere = float((price * outside).sum() - (price * outside)[hour].sum())
    assert declared.cost_breakdown_cny["deviation"] == pytest.approx(elsewhere, abs=20.0)


def test_leaving_a_plan_is_on_nobodys_bill(planner, plan, after, forecast):
    state, wind = after(plan, 28), windier(forecast, 1.3)
    first = planner.plan(state, wind, steps=68, deadline_s=DEADLINE_S, previous=undeclared(plan)).plan
    second = planner.plan(state, wind, steps=68, deadline_s=DEADLINE_S, previous=first).plan
    assert sum(moved_mw(first, plan, name).sum() for name in STORES) > 300.0
    assert second.cost_cny == pytest.approx(first.cost_cny, abs=50.0)
    assert first.cost_cny == pytest.approx(sum(first.cost_breakdown_cny.values()))
