"""CHP unit, ammonia loop and cold stacks in a plan: small10 with the two of chifeng96, made smaller."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from vpp.devices import ammonia
from vpp.park import Park, load_park
from vpp.types import Hold, Pin

STEPS = 48
GUARD_S = 60.0
LOOP_SHARE = 0.2
"""Size of the loop: small10 has one electrolyser of 50 MW."""


def enlarged(small: Park) -> Park:
    big = load_park("chifeng96")
    chp, loop = big.devices["CHP1"], big.devices["NH3"]
    plate = replace(loop.resource, bus="H2_10", p_min_mw=LOOP_SHARE * loop.resource.p_min_mw)
    small_loop = replace(
        loop,
        resource=plate,
        params=replace(loop.params, nh3_max_t_per_h=LOOP_SHARE * loop.params.nh3_max_t_per_h),
    )
    unit = replace(chp, resource=replace(chp.resource, bus="PARK66"))
    devices = {**small.devices, "CHP1": unit, "NH3": small_loop}
    contract = replace(big.contracts.ammonia, daily_min_t=40.0)
    return replace(
        small,
        devices=devices,
        resources={name: device.resource for name, device in devices.items()},
        contracts=replace(
            small.contracts,
            ammonia=contract,
            hydrogen=replace(small.contracts.hydrogen, pipeline_daily_min_kg=2000.0),
            initial=replace(small.contracts.initial, chp_mw=30.0),
        ),
    )


@pytest.fixture(scope="module")
def big(park):
    return enlarged(park)


@pytest.fixture(scope="module")
def maker(big):
    return Planner(big)


@pytest.fixture(scope="module")
def made(big, maker, forecast):
    return maker.plan(initial_state(big, forecast.start), forecast, steps=STEPS, deadline_s=GUARD_S).plan


def state_with(park, forecast, **changes):
    state = initial_state(park, forecast.start)
    return replace(
        state,
        resources={name: {**values, **changes.get(name, {})} for name, values in state.resources.items()},
    )


def replan(maker, forecast, state, **more):
    return maker.plan(state, forecast, steps=STEPS, deadline_s=GUARD_S, **more).plan


def test_the_plan_passes_and_keeps_bands_and_ramps(big, made, forecast):
    assert check(big, made, forecast).ok
    chp, load = made.series["CHP1"]["p_mw"], made.series["NH3"]["load_mw"]
    unit, loop = big.devices["CHP1"], big.devices["NH3"]
    assert (chp >= 20.0 - 1e-6).all()
    assert (chp <= 50.0 + 1e-6).all()
    assert np.abs(np.diff(chp)).max() <= unit.ramp_mw_per_h / 4 + 1e-6
    assert (load >= loop.load_min_mw - 1e-6).all()
    assert np.abs(np.diff(load)).max() <= loop.ramp_mw_per_h / 4 + 1e-6
    assert abs(chp[0] - 30.0) <= unit.ramp_mw_per_h / 8 + 1e-6


def test_fuel_carbon_and_ammonia_are_on_the_bill(big, made):
    fuel_mwh = made.series["CHP1"]["p_mw"].sum() / 4
    imported_mwh = made.series["tie"]["import_mw"].sum() / 4
    items, carbon = made.cost_breakdown_cny, big.contracts.carbon
    assert items["fuel"] == pytest.approx(230.0 * fuel_mwh)
    assert items["carbon"] == pytest.approx(
        carbon.price_cny_per_t * (carbon.grid_kg_per_kwh * imported_mwh + 0.85 * fuel_mwh), rel=1e-4
    )
    made_t = made.series["NH3"]["nh3_t"].sum()
    contract = big.contracts.ammonia
    missing = max(0.0, contract.daily_min_t / 2 - made_t)
    assert items["ammonia"] == pytest.approx(
        missing * contract.shortfall_cny_per_t - made_t * contract.price_cny_per_t, rel=1e-3
    )
    assert made_t > 0.9 * contract.daily_min_t / 2


def test_what_the_electrolyser_makes_is_stored_used_and_delivered(made):
    store, hours = made.series["H2S"], 0.25
    flows = (
        made.series["ALK1"]["h2_kg"]
        - made.series["NH3"]["h2_used_kg"]
        - (store["delivery_kg_per_h"] + store["vented_kg_per_h"]) * hours
    )
    start = made.initial.resources["H2S"]["h2_kg"]
    assert store["h2_kg"] == pytest.approx(start + np.cumsum(flows), abs=1.0)
    assert made.series["NH3"]["h2_used_kg"].sum() == pytest.approx(178.0 * made.series["NH3"]["nh3_t"].sum())


def test_a_loop_without_hydrogen_is_planned_in_hot_idle_from_the_step_in_which_the_store_is_empty(
    big, maker, forecast
):
    loop, store = big.devices["NH3"], big.devices["H2S"]
    state = state_with(big, forecast, ALK1={"available": 0.0, "p_mw": 0.0}, H2S={"h2_kg": store.min_kg + 600})
    found = replan(maker, forecast, state)
    assert check(big, found, forecast).ok
    running = found.series["NH3"]["nh3_t"] > 0
    first = int(np.argmin(running))
    assert 0 < first < 12
    assert not running[first:].any()
    assert found.series["NH3"]["load_mw"][first:] == pytest.approx(loop.idle_mw)
    assert found.series["H2S"]["h2_kg"][-1] >= store.min_kg - 1e-6


def test_a_loop_that_restarts_runs_from_the_first_step_after_its_restart(big, maker, forecast):
    state = state_with(big, forecast, NH3={"p_mw": -0.4, "restart_min": 100.0})
    found = replan(maker, forecast, state)
    assert check(big, found, forecast).ok
    assert list(found.series["NH3"]["nh3_t"][:8] > 0) == [False] * 7 + [True]


def test_an_outage_holds_the_must_run_unit_at_nothing_and_it_comes_back_at_its_least(big, maker, forecast):
    hour = timedelta(hours=1)
    out = Pin(
        id="CHP1 out",
        element="CHP1",
        start=forecast.start + 2 * hour,
        end=forecast.start + 4 * hour,
        hold=Hold.WITHIN,
        p_mw=0.0,
    )
    found = replan(maker, forecast, initial_state(big, forecast.start), pins=(out,))
    assert check(big, found, forecast).ok
    p = found.series["CHP1"]["p_mw"]
    assert p[8:16] == pytest.approx(0.0)
    assert 20.0 - 1e-6 <= p[16] <= 26.0 + 1e-6
    assert not found.relaxations


def test_cold_stacks_are_heated_before_they_are_used_and_the_heating_is_drawn(big, maker, forecast):
    state = state_with(
        big,
        forecast,
        ALK1={"p_mw": 0.0, "warm_stacks": 0.0, "on_stacks": 0.0},
        H2S={"h2_kg": big.devices["H2S"].min_kg + 500.0},
    )
    found = replan(maker, forecast, state)
    assert check(big, found, forecast).ok
    s = found.series["ALK1"]
    first = int(np.argmax(s["warm_stacks"] > 0))
    assert first >= 4
    assert (s["h2_kg"][:first] == 0).all()
    assert s["h2_kg"][first] > 0
    stacks = s["warm_stacks"][first]
    assert s["load_mw"][first - 4 : first] == pytest.approx(stacks * big.devices["ALK1"].stack_standby_mw)


def shifted(plan, name, key, step, by):
    values = plan.series[name][key].copy()
    values[step] += by
    return replace(plan, series={**plan.series, name: {**plan.series[name], key: values}})


DEFECTS = {
    "above its rating": ("CHP1", "p_mw", 20, 35.0, "power_limit"),
    "faster than its ramp": ("CHP1", "p_mw", 20, -14.0, "ramp"),
    "load that is not its power": ("NH3", "load_mw", 20, 1.0, "energy_balance"),
    "ammonia from nowhere": ("NH3", "nh3_t", 20, 0.1, "storage_energy"),
    "more hydrogen than it needs": ("NH3", "h2_used_kg", 20, 50.0, "storage_energy"),
    "stacks warm before a cold start is over": ("ALK1", "warm_stacks", 0, -10.0, "minimum_time"),
    "stacks that heat on nothing": ("ALK1", "warm_stacks", 20, -10.0, "energy_balance"),
    "more stacks than there are": ("ALK1", "warm_stacks", 20, 3.0, "power_limit"),
    "hydrogen from nowhere": ("H2S", "h2_kg", 20, 90.0, "storage_energy"),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS.keys())
def test_planted_defects_of_slow_devices_are_refused_by_name(big, made, forecast, defect):
    name, key, step, by, rule = defect
    found = check(big, shifted(made, name, key, step, by), forecast)
    assert not found.ok
    assert rule in {v.rule for v in found.violations if v.resource == name}


def test_a_loop_that_runs_again_too_early_is_refused(big, made, forecast):
    loop = big.devices["NH3"]
    load = made.series["NH3"]["load_mw"].copy()
    load[10:14] = loop.idle_mw
    assert ammonia.runs(loop, load[14])
    bad = replace(made, series={**made.series, "NH3": {**made.series["NH3"], "p_mw": -load, "load_mw": load}})
    rules = {v.rule for v in check(big, bad, forecast).violations if v.resource == "NH3"}
    assert "minimum_time" in rules


def test_a_plant_on_standby_works_from_the_first_step_that_a_hot_start_reaches(big, maker, forecast, made):
    standby = big.devices["ALK1"].standby_mw
    assert made.series["ALK1"]["load_mw"][0] == pytest.approx(standby)
    assert made.series["ALK1"]["load_mw"][1:8].max() > 10.0
    # control starts it ahead by the plan in force: the next plan counts on it, standby power or not
    state = initial_state(big, forecast.start + timedelta(minutes=15))
    again = maker.plan(state, forecast, steps=STEPS - 1, deadline_s=GUARD_S, previous=made).plan
    alone = maker.plan(state, forecast, steps=STEPS - 1, deadline_s=GUARD_S).plan
    assert again.series["ALK1"]["load_mw"][0] > 5.0
    assert alone.series["ALK1"]["load_mw"][0] == pytest.approx(standby)
