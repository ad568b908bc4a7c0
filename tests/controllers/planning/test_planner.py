"""What a plan promises: certified, AC-clean, consistent when solved again, never dearer with more room."""

from dataclasses import replace
from datetime import date, timedelta

import pandapower as pp
import pytest

from controllers.planning import check, due, initial_state
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
    expected = without_starts(plan) - passed_cny(planner.park, plan, k)
    assert without_starts(again) == pytest.approx(expected, abs=5e-4 * gross(plan))


def gross(plan):
    return sum(abs(cny) for cny in plan.cost_breakdown_cny.values())


def without_starts(plan):
    return plan.cost_cny - plan.cost_breakdown_cny["starts"]


def passed_cny(park, plan, k):
    """What the first k steps of a plan cost, starts apart, from its series."""
    contract, hours = park.contracts, plan.step_min / 60
    head = {owner: {key: v[:k] for key, v in s.items()} for owner, s in plan.series.items()}
    carbon = contract.carbon.price_cny_per_t * contract.carbon.grid_kg_per_kwh
    wear = park.devices["BESS1"].params.degradation_cny_per_mwh_discharged
    cny = head["tie"]["import_mw"] @ (head["tie"]["price_cny_per_mwh"] + carbon)
    cny += wear * head["BESS1"]["discharge_mw"].sum()
    cny += park.devices["CAES1"].params.vom_cny_per_mwh_dis * head["CAES1"]["discharge_mw"].sum()
    curtailed = sum(s["curtailed_mw"].sum() for s in head.values() if "curtailed_mw" in s)
    cny += contract.curtailment.price_cny_per_mwh * curtailed
    cny -= contract.hydrogen.price_cny_per_kg * head["H2S"]["delivery_kg_per_h"].sum()
    return cny * hours


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


def test_what_silent_devices_cost_is_not_searched_again_at_each_replan(park, planner, plan, after, forecast):
    def without_reserve(state):
        silent = {"available": 0.0, "p_mw": 0.0, "mode_code": 0.0}
        own = {name: {**state.resources[name], **silent} for name in ("BESS1", "CAES1", "ALK1")}
        return replace(state, resources={**state.resources, **own})

    first = planner.plan(without_reserve(after(plan, 70)), forecast, steps=26, deadline_s=3.0, previous=plan)
    assert "reserve_up" in {r.limit for r in first.plan.relaxations}
    state = without_reserve(after(first.plan, 1))
    again = planner.plan(state, forecast, steps=25, deadline_s=3.0, previous=first.plan).plan
    assert again.status == "optimal for the commitments of the previous plan"


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
