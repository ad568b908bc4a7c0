"""Slow devices of chifeng96 followed through the trajectory give their plan's energies and masses."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting.trajectory import target_mw, target_warm_stacks
from vpp.devices import DEVICE_TYPES, Command, Initial, electrolyzer
from vpp.park import load_park
from vpp.types import Plan, PlanLabel, PlantState

PARK = load_park("chifeng96")
START = datetime(2026, 3, 16, 16, tzinfo=timezone.utc)
STEP_S, DT_S = 900, 10
CHP, LOOP, PEM, ALK = (PARK.devices[name] for name in ("CHP1", "NH3", "PEM1", "ALK3"))


def plan(name, **series):
    return Plan(
        id="hand",
        park=PARK.name,
        made_at=START,
        start=START,
        step_min=STEP_S // 60,
        steps=len(series["p_mw"]),
        valid_until=START + timedelta(days=2),
        label=PlanLabel.OPTIMAL,
        status="by hand",
        gap=0.0,
        cost_cny=0.0,
        cost_breakdown_cny={},
        series={name: {key: np.asarray(values, dtype=float) for key, values in series.items()}},
        initial=PlantState(at=START, resources={}, calls={}, month_peak_mw=0.0),
        curtailment_cause={},
        vm_pu={},
        loading_percent={},
        relaxations=(),
        certificate=None,
        solve_s=0.0,
    )


def follow(device, day, drive=0.0):
    """Return the states at the plan's beginning and end."""
    of = DEVICE_TYPES[device.resource.kind]
    powers = day.series[device.resource.id]["p_mw"]
    first = state = of.initial(device, Initial(p_mw=float(powers[0])))
    for at_s in range(0, day.steps * STEP_S, DT_S):
        now = START + timedelta(seconds=at_s)
        warm = target_warm_stacks(device, day, now) if device in (PEM, ALK) else None
        state = of.step(
            device, state, Command(p_mw=target_mw(device, day, now), warm_stacks=warm), DT_S, drive
        )
    return first, state


@st.composite
def ramped_days(draw, low, high, most):
    """Powers of a day that differ by at most `most` from step to step."""
    path = [draw(st.floats(low, high))]
    moves = draw(st.lists(st.floats(-1, 1), min_size=40, max_size=40))
    for move in moves:
        path.append(min(max(path[-1] + move * most, low), high))
    return np.array(path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(day=ramped_days(CHP.params.p_min_mw, CHP.resource.p_max_mw, CHP.ramp_mw_per_h / 4))
def test_any_chp_day_inside_its_ramp_has_the_energy_of_its_plan(day):
    _, state = follow(CHP, plan("CHP1", p_mw=day))
    assert state.energy_out_mwh == pytest.approx(day.sum() / 4, rel=0.005)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(day=ramped_days(LOOP.load_min_mw, LOOP.load_max_mw, LOOP.ramp_mw_per_h / 4))
def test_any_ammonia_day_inside_its_ramp_has_the_energy_ammonia_and_hydrogen_of_its_plan(day):
    _, state = follow(LOOP, plan("NH3", p_mw=-day), drive=1e5)
    made_t = day.sum() / 4 / LOOP.params.el_mwh_per_t
    assert state.energy_in_mwh == pytest.approx(day.sum() / 4, rel=0.005)
    assert state.nh3_t == pytest.approx(made_t, rel=0.005)
    assert state.h2_kg == pytest.approx(1000 * made_t * LOOP.params.h2_t_per_t, rel=0.005)


def test_a_loop_that_stops_by_plan_has_the_energy_of_its_plan():
    day = np.concatenate([np.full(8, 12.0), [10.75, 9.5, 8.25, 7.5], np.full(50, 2.0), np.full(20, 7.5)])
    _, state = follow(LOOP, plan("NH3", p_mw=-day), drive=1e5)
    assert state.energy_in_mwh == pytest.approx(day.sum() / 4, rel=0.005)
    assert state.nh3_t == pytest.approx(day[day > 5].sum() / 4 / LOOP.params.el_mwh_per_t, rel=0.01)


@st.composite
def stack_days(draw, device):
    """Hours of a plant: stacks kept warm, and a load that they carry; heating drawn before they are warm."""
    params, standing = device.params, device.stack_standby_mw
    lead = max(1, round(params.cold_start_min / 15))
    warm, load = [], []
    for _ in range(draw(st.integers(2, 6))):
        count = draw(st.integers(0, params.stacks))
        hours = draw(st.integers(1, 3))
        least = params.stack_load_min * params.stack_mw + (count - 1) * standing
        most = min(count * params.stack_mw, device.load_max_mw)
        works = count > 0 and draw(st.booleans())
        level = draw(st.floats(least, most)) if works else count * standing
        warm += [count] * (4 * hours)
        load += [level] * (4 * hours)
    warm, load = np.array([0] * lead + warm), np.array([0.0] * lead + load)
    made_kg = sum(electrolyzer.h2_kg_per_h(device, mw, int(n)) for mw, n in zip(load, warm, strict=True)) / 4
    heat = np.maximum(0, np.diff(warm, prepend=warm[0]))
    share = params.cold_start_min / (15 * lead)
    for j in range(1, lead + 1):
        load[:-j] += standing * share * heat[j:]
    return load, warm, made_kg


@pytest.mark.parametrize(("name", "device"), [("PEM1", PEM), ("ALK3", ALK)])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_day_of_cold_warm_and_working_stacks_has_the_energy_of_its_plan(name, device, data):
    load, warm, made_kg = data.draw(stack_days(device))
    _, state = follow(device, plan(name, p_mw=-load, warm_stacks=warm))
    # a stack that starts from standby draws its power a few minutes early or late
    assert state.energy_in_mwh == pytest.approx(load.sum() / 4, rel=0.005, abs=0.002 * device.load_max_mw)
    assert state.h2_kg == pytest.approx(made_kg, rel=0.01, abs=0.04 * device.load_max_mw)
