"""Shadow prices are derivatives of the last linear problem; costs by owner and step add up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import highspy
import numpy as np
import pytest

from controllers.planning import Planner, initial_state
from forecasts import outlook
from vpp.types import DispatchOrder

STEP_MW = 0.02
SAME = 0.02
"""Relative tolerance: the solver's own is 1e-6 of costs of 1e5 CNY, over steps of STEP_MW."""
NO_INTEGERS = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def priced(park, forecast):
    """A released day with a tight tie in the morning, its model and its solver as the last solve left it."""
    planner = Planner(park)
    order = DispatchOrder(
        id="tight",
        import_max_mw=60.0,
        export_max_mw=None,
        start=forecast.start + timedelta(hours=1),
        end=forecast.start + timedelta(hours=4),
        expires_at=forecast.start + timedelta(hours=5),
    )
    state = initial_state(park, forecast.start)
    plan = planner.plan(state, forecast, steps=96, deadline_s=60.0, orders=[order]).plan
    (course,) = planner._courses.values()
    return plan, course.model, course.solver


def optimum(solver, row=None, by=0.0):
    """The optimum of the loaded problem with the right side of one row moved, by a solver of its own."""
    highs, lp = highspy.Highs(), solver.problem()
    highs.setOptionValue("output_flag", False)
    highs.passModel(lp)
    if row is not None:
        low, high = lp.row_lower_[row], lp.row_upper_[row]
        highs.changeRowBounds(row, low + by if low > -1e30 else low, high + by)
    highs.run()
    assert highs.modelStatusToString(highs.getModelStatus()) == "Optimal"
    return highs.getInfo().objective_function_value


def between(solver, row, value):
    """Whether `value` lies between the derivatives from the left and from the right."""
    here = optimum(solver)
    left = (here - optimum(solver, row, -STEP_MW)) / STEP_MW
    right = (optimum(solver, row, STEP_MW) - here) / STEP_MW
    room = SAME * max(1.0, abs(left), abs(right))
    return left - room <= value <= right + room


def steps_worth_a_look(values):
    """The dearest step, the cheapest and two between."""
    order = np.argsort(values)
    return sorted({int(order[-1]), int(order[0]), int(order[len(order) // 3]), int(order[-10])})


def test_the_plan_carries_the_duals_of_what_was_solved_last(priced):
    plan, model, solver = priced
    duals = solver.run(integers=NO_INTEGERS, seconds=30.0).duals
    first = model.frame.axis.history
    energy = duals[model.prices.balance][first : first + plan.steps] / 0.25
    assert energy == pytest.approx(plan.shadow_prices["energy"], rel=1e-6, abs=1e-3)


def test_the_price_of_energy_is_what_a_mw_more_of_demand_costs(priced):
    plan, model, solver = priced
    first, prices = model.prices.balance.start + model.frame.axis.history, plan.shadow_prices["energy"]
    assert prices.min() > 0
    for step in steps_worth_a_look(prices):
        assert between(solver, first + step, prices[step] * 0.25), step


@pytest.mark.parametrize("name", ["tie_import", "reserve_up", "demand_peak"])
def test_the_value_of_a_limit_is_what_a_mw_more_of_it_saves(priced, name):
    plan, model, solver = priced
    rows = model.prices.limits["demand_charge" if name == "demand_peak" else name]
    values, hours = plan.shadow_prices[name], 1.0 if name == "demand_peak" else 0.25
    assert values.max() > 0.5, "the limit must bind for this to say anything"
    for step in steps_worth_a_look(values):
        row = rows.start + model.frame.axis.history + step
        assert between(solver, row, -values[step] * hours), step


def test_the_value_of_a_store_is_what_a_mwh_more_in_it_saves(priced, park):
    plan, model, solver = priced
    for name in ("BESS1", "CAES1", "H2S"):
        values, rows = plan.shadow_prices[f"store:{name}"], model.prices.stores[name]
        assert values.min() > 0
        for step in (10, 50, 90):
            row = rows.start + model.frame.axis.history + step - 1
            assert between(solver, row, -values[step]), (name, step)


@pytest.fixture(scope="module")
def congested(park):
    """Noon of a day on which PV's transformer is too small for its sun, and what solved it last."""
    kinds = {
        k.name: replace(k, sn_mva=0.6 * k.sn_mva) if k.sn_mva == 80 else k for k in park.grid.trafo_types
    }
    tight = replace(park, grid=replace(park.grid, trafo_types=tuple(kinds.values())))
    start = datetime(2026, 3, 17, 2, tzinfo=UTC)
    forecast = outlook(tight, start - timedelta(hours=9), start, 16)
    planner = Planner(tight)
    plan = planner.plan(initial_state(tight, start), forecast, steps=16, deadline_s=60.0).plan
    (course,) = planner._courses.values()
    return plan, course.model, course.solver


def test_the_value_of_a_network_row_is_what_a_mw_more_of_it_saves(congested):
    plan, model, solver = congested
    duals = solver.run(integers=NO_INTEGERS, seconds=30.0).duals
    lazy = range(model.prices.core, len(duals))
    bound = [row for row in lazy if duals[row] < -1.0]
    assert bound, "a row must bind for this to say anything"
    carried = sum(v.sum() for n, v in plan.shadow_prices.items() if n.startswith(("branch:", "voltage")))
    assert carried == pytest.approx(-sum(duals[row] for row in lazy) / 0.25, rel=1e-3, abs=1e-3)
    for row in bound[:3]:
        assert between(solver, row, duals[row])


def test_behind_a_branch_at_its_limit_power_is_worth_less_by_its_value(congested):
    plan, *_ = congested
    prices, value = plan.shadow_prices, plan.shadow_prices["branch:T_PV"]
    assert value.max() > 100
    curtailed = plan.series["PV"]["curtailed_mw"] > 0.1
    assert curtailed.any()
    causes = plan.curtailment_cause["PV"]
    assert all(cause.startswith("branch:T_PV") for cause, cut in zip(causes, curtailed, strict=True) if cut)
    assert prices["bus:PV35"][curtailed] == pytest.approx(-270.0, abs=1.0), "the price of curtailment"


def test_where_nothing_of_the_network_binds_buses_differ_by_losses_alone(priced, park):
    plan, *_ = priced
    prices = plan.shadow_prices
    free = np.array(
        [
            all(v[k] < 0.01 for n, v in prices.items() if n.startswith(("branch:", "voltage")))
            for k in range(96)
        ]
    )
    assert free.any()
    buses = {row.bus for row in park.resources.values()}
    for bus in buses:
        ratio = prices[f"bus:{bus}"][free] / prices["energy"][free]
        assert ((ratio > 0.9) & (ratio < 1.1)).all()
        assert (ratio != 1.0).any()


def test_costs_by_owner_and_step_add_up_to_the_plan(priced):
    plan, *_ = priced
    whole = sum(sum(items.values()) for items in plan.cost_by_owner_cny.values())
    assert whole == pytest.approx(plan.cost_cny, abs=1e-6)
    for item, cny in plan.cost_breakdown_cny.items():
        owned = sum(items.get(item, 0.0) for items in plan.cost_by_owner_cny.values())
        assert owned == pytest.approx(cny, abs=1e-6)
    for item in ("energy", "carbon", "degradation", "starts", "interruption", "curtailment"):
        assert plan.cost_by_step_cny[item].sum() == pytest.approx(plan.cost_breakdown_cny[item], abs=1e-6)
    assert "demand_charge" not in plan.cost_by_step_cny


def test_energy_at_the_tie_falls_where_it_is_imported(priced):
    plan, *_ = priced
    tie = plan.series["tie"]
    paid = tie["import_mw"] * tie["price_cny_per_mwh"] * 0.25
    assert plan.cost_by_step_cny["energy"] == pytest.approx(paid, abs=3.0)
    assert plan.cost_by_owner_cny["tie"]["energy"] == pytest.approx(plan.cost_breakdown_cny["energy"])
