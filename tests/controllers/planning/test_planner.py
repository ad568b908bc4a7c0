"""What a plan promises: certified, AC-clean, consistent when solved again, never dearer with more room."""

from dataclasses import replace
from datetime import date, timedelta

import pandapower as pp
import pytest

from controllers.planning import Planner, check, due, initial_state
from controllers.planning.slots import first_step
from network.model import index_table, to_pandapower
from network.security import voltage_limits
from vpp.errors import InvalidInput
from vpp.types import DispatchOrder, PlanLabel

DEADLINE_S = 20.0
GOOD = (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE)


@pytest.mark.parametrize("day", [date(2026, 1, 5), date(2026, 7, 10)])
def test_a_seeded_day_is_released_clean(park, planner, forecast_of, day):
    forecast = forecast_of(day)
    released = planner.plan(initial_state(park, forecast.start), forecast, steps=96, deadline_s=3.0)
    plan = released.plan
    assert plan.label in GOOD
    assert plan.certificate is not None
    assert plan.certificate.ok
    assert plan.relaxations == ()
    assert len(released.sensitivities) == plan.steps
    assert plan.cost_cny == pytest.approx(sum(plan.cost_breakdown_cny.values()))


def test_plain_runpp_finds_the_states_that_the_plan_shows(park, plan):
    net = to_pandapower(park)
    where = index_table(net)
    signs = {"sgen": 1, "load": -1, "storage": -1}
    for step in range(0, plan.steps, 8):
        for name in (*park.resources, *park.loads):
            table, index = where[name]
            net[table].loc[index, "p_mw"] = signs[table] * plan.series[name]["p_mw"][step]
            net[table].loc[index, "q_mvar"] = signs[table] * plan.series[name]["q_mvar"][step]
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        vm = dict(zip(net.bus["name"], net.res_bus["vm_pu"], strict=True))
        for bus, (low, high) in voltage_limits(park).items():
            assert vm[bus] == pytest.approx(plan.vm_pu[bus][step], abs=1e-6)
            assert low - 1e-4 <= vm[bus] <= high + 1e-4
        assert net.res_trafo["loading_percent"].max() <= 100.1
        assert net.res_line["loading_percent"].max() <= 100.1
        tie = plan.series["tie"]["import_mw"][step] - plan.series["tie"]["export_mw"][step]
        assert net.res_ext_grid["p_mw"].sum() == pytest.approx(tie, abs=1e-3)


@pytest.mark.parametrize("k", [8, 33, 60, 85])
def test_solving_again_from_a_step_costs_the_tail(planner, plan, after, forecast, k):
    again = planner.plan(
        after(plan, k), forecast, steps=plan.steps - k, deadline_s=DEADLINE_S, previous=plan
    ).plan
    assert again.label is PlanLabel.OPTIMAL
    assert again.start == plan.start + timedelta(minutes=15 * k)
    for name in ("BESS1", "CAES1"):
        size = plan.series[name]["e_mwh"].max()
        end = plan.series[name]["e_mwh"][-1]
        assert again.series[name]["e_mwh"][-1] == pytest.approx(end, abs=0.01 * size)
    tie, tail = again.series["tie"], {key: v[k:] for key, v in plan.series["tie"].items()}
    bill = (tie["import_mw"] * tie["price_cny_per_mwh"]).sum() / 4
    expected = (tail["import_mw"] * tail["price_cny_per_mwh"]).sum() / 4
    assert bill == pytest.approx(expected, rel=0.005, abs=500)


def test_more_import_never_costs_more(park, planner, plan, forecast):
    wide = replace(
        park, contracts=replace(park.contracts, tie=replace(park.contracts.tie, import_max_mw=60.0))
    )
    state = initial_state(park, forecast.start)
    narrow = Planner(wide).plan(state, forecast, steps=96, deadline_s=4.0).plan
    gross = sum(abs(v) for v in plan.cost_breakdown_cny.values())
    assert plan.cost_cny <= narrow.cost_cny + 1e-3 * gross + 1.0


def test_an_order_narrows_the_import_of_its_steps(park, planner, plan, forecast):
    start = plan.start + timedelta(hours=2)
    limit = float(plan.series["tie"]["import_mw"][8:10].min()) - 5.0
    order = DispatchOrder(
        id="o1",
        import_max_mw=limit,
        export_max_mw=None,
        start=start,
        end=start + timedelta(minutes=30),
        expires_at=start,
    )
    ordered = planner.plan(
        initial_state(park, plan.start),
        forecast,
        steps=96,
        deadline_s=DEADLINE_S,
        previous=plan,
        orders=(order,),
    ).plan
    assert ordered.label in GOOD
    assert (ordered.series["tie"]["import_mw"][8:10] <= limit + 0.05).all()
    assert ordered.series["tie"]["import_max_mw"][7] == park.contracts.tie.import_max_mw


def test_a_limit_that_cannot_be_kept_is_declared(park, planner, plan, forecast):
    start = plan.start
    order = DispatchOrder(
        id="o2",
        import_max_mw=0.0,
        export_max_mw=None,
        start=start,
        end=start + timedelta(hours=3),
        expires_at=start,
    )
    state = initial_state(park, start)
    relaxed = planner.plan(state, forecast, steps=96, deadline_s=DEADLINE_S, orders=(order,)).plan
    assert relaxed.label is PlanLabel.RELAXED
    assert {"tie_import"} <= {r.limit for r in relaxed.relaxations}
    assert all(r.reason for r in relaxed.relaxations)


def test_a_step_that_has_begun_counts_with_what_is_left(park, planner, plan, after, forecast):
    state = replace(after(plan, 20), at=plan.start + timedelta(minutes=15 * 20 + 10))
    late = planner.plan(state, forecast, steps=76, deadline_s=DEADLINE_S, previous=plan).plan
    assert late.start == plan.start + timedelta(minutes=15 * 20)
    assert late.certificate is not None
    assert late.certificate.ok


def test_a_silent_device_is_planned_as_standing_still(park, planner, plan, after, forecast):
    state = after(plan, 30)
    silent = dict(state.resources["BESS1"]) | {"available": 0.0, "p_mw": 0.0}
    state = replace(state, resources={**state.resources, "BESS1": silent})
    without = planner.plan(state, forecast, steps=66, deadline_s=3.0, previous=plan).plan
    assert not without.series["BESS1"]["p_mw"].any()
    assert without.certificate is not None
    assert without.certificate.ok


def test_without_time_a_labelled_certified_plan_still_comes(park, planner, plan, after, forecast):
    state = after(plan, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("controllers.planning.planner.optimised", lambda *_: iter(()))
        shifted = planner.plan(state, forecast, steps=66, deadline_s=0.0, previous=plan).plan
        ruled = planner.plan(state, forecast, steps=66, deadline_s=0.0).plan
    assert (shifted.label, ruled.label) == (PlanLabel.SHIFTED, PlanLabel.RULE)
    for fallback in (shifted, ruled):
        assert check(park, fallback, forecast, planner.oracle).ok


def test_a_forecast_that_does_not_cover_the_window_is_refused_in_words(park, planner, forecast):
    with pytest.raises(InvalidInput, match="96 steps"):
        planner.plan(initial_state(park, forecast.start), forecast, steps=97, deadline_s=1.0)


def test_a_plan_is_due_once_in_each_period(plan):
    start = plan.start
    assert due(start, None, 15)
    assert not due(start + timedelta(minutes=14), start, 15)
    assert due(start + timedelta(minutes=15), start + timedelta(minutes=1), 15)


def test_the_last_minute_of_a_step_belongs_to_the_next(plan):
    assert first_step(plan.start + timedelta(minutes=14, seconds=30), 15) == plan.start + timedelta(
        minutes=15
    )
    assert first_step(plan.start + timedelta(minutes=13), 15) == plan.start


def test_a_plan_id_says_park_time_and_kind(plan):
    assert plan.id.startswith("small10-2026-03-17T00:00+0800-d")
