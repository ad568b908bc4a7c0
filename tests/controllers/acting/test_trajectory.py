"""A plan followed through the trajectory gives the plan's energies, charge and discharge apart."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting.trajectory import (
    mirrored_mw,
    target_h2_kg_per_h,
    target_mw,
    target_warm_stacks,
)
from vpp.devices import DEVICE_TYPES, Command, Initial, caes
from vpp.devices.expected import expected_mw
from vpp.park import load_park
from vpp.types import Plan, PlanLabel, PlantState

PARK = load_park("small10")
START = datetime(2026, 3, 16, 16, tzinfo=timezone.utc)
STEP_S = 900
CAES, BESS, ALK = (PARK.devices[name] for name in ("CAES1", "BESS1", "ALK1"))
RATES = [(1, 1, 0.005), (10, 10, 0.005), (1, 60, 0.01), (60, 60, 0.01)]
"""(step s, seconds between two looks at the plan, allowed error)."""


def plan(name, p_mw, **series):
    steps = len(p_mw)
    powers = {"p_mw": np.asarray(p_mw, dtype=float)} | {k: np.asarray(v, float) for k, v in series.items()}
    return Plan(
        id="hand",
        park=PARK.name,
        made_at=START,
        start=START,
        step_min=STEP_S // 60,
        steps=steps,
        valid_until=START + timedelta(days=2),
        label=PlanLabel.OPTIMAL,
        status="by hand",
        gap=0.0,
        cost_cny=0.0,
        cost_breakdown_cny={},
        series={name: powers},
        initial=PlantState(at=START, resources={}, calls={}, month_peak_mw=0.0),
        curtailment_cause={},
        vm_pu={},
        loading_percent={},
        relaxations=(),
        certificate=None,
        solve_s=0.0,
    )


def follow(device, day, *, dt_s, look_s, soc=0.5, drive=None):
    of = DEVICE_TYPES[device.resource.kind]
    first = day.series[device.resource.id]["p_mw"][0]
    state = of.initial(device, Initial(soc=soc, p_mw=float(first) if device is not CAES else 0.0))
    for at_s in range(0, day.steps * STEP_S, dt_s):
        if at_s % look_s == 0:
            now = START + timedelta(seconds=at_s)
            stacks = target_warm_stacks(device, day, now) if device is ALK else None
            command = Command(p_mw=target_mw(device, day, now), warm_stacks=stacks)
        state = of.step(device, state, command, dt_s, 0.0 if drive is None else drive[at_s // STEP_S])
    return state


def energies(p_mw):
    hours = STEP_S / 3600
    return np.maximum(p_mw, 0).sum() * hours, np.maximum(-np.asarray(p_mw), 0).sum() * hours


def blocks(*levels, rest=0.0):
    return np.array([level - rest for level, steps in levels for _ in range(steps)], dtype=float)


def caes_day(*levels):
    return blocks(*levels, rest=CAES.params.standby_aux_mw)


CAES_DAYS = {
    "three starts of each, full and part load, one idle step between the modes": caes_day(
        (0, 8), (-77, 8), (0, 1), (100, 8), (0, 6), (-75, 6), (0, 1), (60, 6), (30, 2), (0, 8),
        (-40, 4), (-28, 4), (-60, 4), (0, 3), (100, 2), (0, 25),
    ),
    "one and two trains": caes_day(
        (0, 4), (-28, 4), (-74, 4), (-40, 4), (-56, 4), (-28, 2), (0, 1), (30, 4), (100, 4), (45, 4), (0, 61)
    ),
    "discharge first, then charge after one idle step": caes_day(
        (30, 0), (0, 2), (30, 3), (0, 1), (-75, 12), (0, 1), (100, 9), (0, 1), (-28, 6), (0, 62)
    ),
}  # fmt: skip


@pytest.mark.parametrize("day", CAES_DAYS.values(), ids=CAES_DAYS.keys())
@pytest.mark.parametrize(("dt_s", "look_s", "allowed"), RATES)
def test_a_caes_day_has_the_energies_of_its_plan(day, dt_s, look_s, allowed):
    state = follow(CAES, plan("CAES1", day), dt_s=dt_s, look_s=look_s)
    out, into = energies(day)
    assert state.energy_out_mwh == pytest.approx(out, rel=allowed)
    assert state.energy_in_mwh == pytest.approx(into, rel=allowed)
    modes = np.sign(np.where(np.abs(day) < 1, 0, day))
    assert state.starts_turbine == np.sum((modes[1:] == 1) & (modes[:-1] != 1))
    assert state.starts_compressor == np.sum((modes[1:] == -1) & (modes[:-1] != -1))


CHARGE_RUNS = [(1,), (2,), (1, 2), (2, 1)]
"""Trains on; each number is kept for two steps and more, a train's minimum up time."""


@st.composite
def feasible_caes_days(draw):
    """One idle step at a change of mode, more before the same again; store between 20 and 98 %."""
    day, last, e_mwh = [0.0] * 4, "", 0.5 * CAES.e_air_mwh
    for _ in range(draw(st.integers(1, 7))):
        mode = draw(st.sampled_from(["turbine", "compressor"]))
        idle = caes.min_off_steps(CAES, mode, STEP_S / 60) if mode == last else 1
        powers = []
        for trains in draw(st.sampled_from(CHARGE_RUNS)) if mode == "compressor" else (0,):
            level = st.floats(28 * trains, 37 * trains).map(lambda x: -x) if trains else st.floats(30, 100)
            powers += [(p, trains) for p in draw(st.lists(level, min_size=2, max_size=6))]
        after = e_mwh + sum(caes.air_mwh_per_h(CAES, p, n) for p, n in powers) * STEP_S / 3600
        if 0.2 < after / CAES.e_air_mwh < 0.98:
            day += [0.0] * draw(st.integers(idle, idle + 4)) + [p for p, _ in powers]
            last, e_mwh = mode, after
    return caes_day(*((p, 1) for p in [*day, 0.0, 0.0]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(day=feasible_caes_days())
def test_any_feasible_caes_day_has_the_energies_of_its_plan(day):
    state = follow(CAES, plan("CAES1", day), dt_s=10, look_s=10)
    out, into = energies(day)
    # the own use of the ramps' outer halves counts against the other direction: 0.03 MWh a ramp
    apart = 0.03 * np.count_nonzero(np.diff(day))
    assert state.energy_out_mwh == pytest.approx(out, rel=0.005, abs=apart)
    assert state.energy_in_mwh == pytest.approx(into, rel=0.005, abs=apart)


BESS_DAY = blocks(
    (-0.32, 4), (-40, 5), (39.68, 4), (10, 4), (-0.32, 8), (-25, 8), (5, 2), (-5, 2), (30, 5), (-0.32, 54)
)  # fmt: skip


@pytest.mark.parametrize(("dt_s", "look_s", "allowed"), RATES)
def test_a_battery_day_has_the_energies_of_its_plan(dt_s, look_s, allowed):
    state = follow(BESS, plan("BESS1", BESS_DAY), dt_s=dt_s, look_s=look_s, soc=0.3)
    out, into = energies(BESS_DAY)
    assert state.energy_out_mwh == pytest.approx(out, rel=allowed)
    assert state.energy_in_mwh == pytest.approx(into, rel=allowed)


ALK_DAYS = {
    "cold, on in part and full load, cold, on again, half of it cold": (
        blocks(
            (0, 4), (-0.5, 4), (-25, 6), (-50, 8), (-15, 4), (-50, 4), (0, 4), (-0.5, 4), (-50, 20),
            (-1.95, 2), (-0.5, 4), (-20, 8), (-0.25, 4), (0, 20),
        ),
        blocks((0, 8), (10, 22), (0, 8), (10, 26), (5, 12), (0, 20)),
    ),
    "standby in the gaps": (
        blocks((-0.5, 4), (-50, 8), (-0.5, 2), (-10, 6), (-45, 6), (-0.5, 1), (-40, 8), (-0.5, 61)),
        blocks((10, 96)),
    ),
}  # fmt: skip
"""Terminal power, and stacks kept warm."""


@pytest.mark.parametrize(("day", "warm"), ALK_DAYS.values(), ids=ALK_DAYS.keys())
@pytest.mark.parametrize(("dt_s", "look_s", "allowed"), RATES)
def test_an_electrolyser_day_has_the_energy_of_its_plan(day, warm, dt_s, look_s, allowed):
    state = follow(ALK, plan("ALK1", day, warm_stacks=warm), dt_s=dt_s, look_s=look_s)
    assert state.energy_in_mwh == pytest.approx(energies(day)[1], rel=allowed)


@pytest.mark.parametrize("name", ["WF", "PV", "DPV"])
@pytest.mark.parametrize(("dt_s", "look_s", "allowed"), RATES)
def test_a_curtailed_day_has_the_energy_of_its_plan(name, dt_s, look_s, allowed):
    device = PARK.devices[name]
    rated = device.resource.p_max_mw
    available = rated * np.sin(np.linspace(0, np.pi, 96)) ** 2
    curtailed = np.where(np.arange(96) % 12 < 5, 0.3 * available, 0.0)
    day = plan(name, available - curtailed, curtailed_mw=curtailed, available_mw=available)
    state = follow(device, day, dt_s=dt_s, look_s=look_s, drive=available)
    assert state.energy_out_mwh == pytest.approx(energies(available - curtailed)[0], rel=allowed)


def test_a_cap_is_open_where_nothing_is_curtailed_and_closed_where_something_is():
    device = PARK.devices["WF"]
    day = plan("WF", [20.0, 20.0], curtailed_mw=[0.0, 5.0])
    assert target_mw(device, day, START) == device.resource.p_max_mw
    assert target_mw(device, day, START + timedelta(seconds=STEP_S)) == 20.0


def test_a_turbine_is_called_so_early_that_its_ramp_is_centred():
    day = plan("CAES1", caes_day((0, 4), (100, 4), (0, 4)))
    ramp_s = 100 / 15 * 60
    boundary = START + timedelta(seconds=4 * STEP_S)
    call = boundary - timedelta(seconds=480 + ramp_s / 2)
    assert target_mw(CAES, day, call - timedelta(seconds=1)) == -0.6
    assert target_mw(CAES, day, call + timedelta(seconds=1)) == pytest.approx(99.4)
    assert expected_mw(CAES, day, boundary) == pytest.approx(49.4)
    assert expected_mw(CAES, day, boundary - timedelta(seconds=ramp_s / 2)) == pytest.approx(-0.6)
    assert expected_mw(CAES, day, boundary + timedelta(seconds=ramp_s / 4)) == pytest.approx(74.4)


@settings(deadline=None, derandomize=True)
@given(levels=st.lists(st.floats(-40, 39), min_size=2, max_size=12), share=st.floats(0, 1))
def test_what_is_expected_keeps_each_days_energy_and_stays_between_the_levels(levels, share):
    day = plan("BESS1", levels)
    at = START + timedelta(seconds=share * STEP_S * len(levels))
    assert min(levels) <= expected_mw(BESS, day, at) <= max(levels)


@settings(deadline=None, derandomize=True)
@given(
    battery=st.lists(st.floats(-40, 39), min_size=4, max_size=4), turbine=st.sampled_from([40.0, 70.0, 99.0])
)
def test_a_battery_that_mirrors_a_ramp_keeps_its_energy_and_never_leaves_its_levels(battery, turbine):
    day = plan("BESS1", battery)
    day = replace(day, series=day.series | {"CAES1": {"p_mw": np.array([99.0, turbine, 99.0, 45.0])}})
    seconds = range(0, 4 * STEP_S, 5)
    extra = [mirrored_mw([CAES], BESS, day, START + timedelta(seconds=s + 2.5)) for s in seconds]
    assert abs(sum(extra)) * 5 / 3600 <= 0.01 * (1 + sum(map(abs, extra)) * 5 / 3600)
    for s, mw in zip(seconds, extra, strict=True):
        assert min(battery) - 1e-9 <= battery[s // STEP_S] + mw <= max(battery) + 1e-9


def test_a_battery_that_takes_over_from_a_turbine_moves_with_its_ramp():
    day = plan("BESS1", [0.0, 30.0])
    day = replace(day, series=day.series | {"CAES1": {"p_mw": np.array([80.0, 50.0])}})
    boundary = START + timedelta(seconds=STEP_S)
    for ahead_s in (-50, -30, -5):
        at = boundary + timedelta(seconds=ahead_s)
        given_up = 80.0 - expected_mw(CAES, day, at)
        assert given_up > 0
        assert mirrored_mw([CAES], BESS, day, at) == pytest.approx(given_up)
    alone = replace(day, series=day.series | {"CAES1": {"p_mw": np.array([80.0, 80.0])}})
    assert mirrored_mw([CAES], BESS, alone, boundary) == 0.0


def test_before_and_after_the_plan_its_ends_hold():
    day = plan("BESS1", [5.0, -7.0])
    assert target_mw(BESS, day, START - timedelta(hours=1)) == 5.0
    assert target_mw(BESS, day, START + timedelta(hours=9)) == -7.0


def test_hydrogen_is_delivered_by_step_and_only_by_a_store():
    day = plan("H2S", [-0.5, -0.5], delivery_kg_per_h=[250.0, 300.0])
    store = PARK.devices["H2S"]
    assert target_h2_kg_per_h(store, day, START + timedelta(seconds=STEP_S)) == 300.0
    assert target_h2_kg_per_h(BESS, plan("BESS1", [1.0]), START) == 0.0
