"""An electrolyser plant: cold, heating, standby, on; whole stacks; one consumption table."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.devices import Command, Initial, electrolyzer, electrolyzer_step
from vpp.park import load_park

ALK = load_park("small10").devices["ALK1"]
PARAMS = ALK.params


def run(state, p_mw, seconds, dt_s=10.0):
    for _ in range(int(seconds / dt_s)):
        state = electrolyzer_step.step(ALK, state, Command(p_mw=p_mw), dt_s, 0.0)
    return state


def at(p_mw):
    return electrolyzer_step.initial(ALK, Initial(p_mw=p_mw))


def test_a_cold_plant_draws_standby_power_for_the_cold_start_and_makes_nothing():
    state = run(at(0.0), -50.0, PARAMS.cold_start_min * 60)
    assert (state.heat, state.h2_kg) == ("warm", 0.0)
    assert state.energy_in_mwh == pytest.approx(ALK.standby_mw * PARAMS.cold_start_min / 60, rel=0.02)
    state = run(state, -50.0, 200)
    assert (state.p_mw, state.on_stacks) == (-50.0, PARAMS.stacks)
    assert state.h2_kg_per_h == pytest.approx(1000 * 50 / 55.0)


def test_from_standby_a_hot_start_is_enough():
    state = run(at(-ALK.standby_mw), -20.0, PARAMS.hot_start_min * 60)
    assert state.p_mw == pytest.approx(-ALK.standby_mw)
    assert run(state, -20.0, 120).p_mw == pytest.approx(-20.0)


def test_zero_makes_it_cold_and_standby_power_keeps_it_warm():
    on = at(-30.0)
    assert run(on, 0.0, 300).heat == "cold"
    kept = run(on, -ALK.standby_mw, 300)
    assert (kept.heat, kept.on_stacks) == ("warm", 0)
    assert kept.p_mw == pytest.approx(-ALK.standby_mw)


def test_stacks_on_carry_the_rise_while_others_start():
    state = run(at(-10.0), -20.0, 60)
    assert state.on_stacks < electrolyzer.best_stacks(ALK, 20.0)
    assert state.p_mw == pytest.approx(-20.0)


@given(load=st.floats(2.0, 50.0))
def test_stacks_stay_inside_their_band(load):
    on = electrolyzer.best_stacks(ALK, load)
    share = (load - (PARAMS.stacks - on) * ALK.stack_standby_mw) / on / PARAMS.stack_mw
    assert PARAMS.stack_load_min - 1e-6 <= share <= PARAMS.stack_load_max + 1e-6


def test_a_stacks_corners_are_its_table_and_concave():
    points = electrolyzer.stack_points(ALK)
    assert points[0][0] == pytest.approx(PARAMS.stack_load_min * PARAMS.stack_mw)
    assert dict(points)[PARAMS.stack_mw] == pytest.approx(1000 * 5 / 55.0)
    slopes = [(d - b) / (c - a) for (a, b), (c, d) in pairwise(points)]
    assert all(a >= b - 1e-9 for a, b in pairwise(slopes))


@given(load=st.floats(20.0, 50.0))
def test_a_plant_with_all_stacks_on_makes_what_its_corners_say(load):
    points = electrolyzer.stack_points(ALK)
    stack = load / PARAMS.stacks
    corner = next(
        y0 + (y1 - y0) * (stack - x0) / (x1 - x0)
        for (x0, y0), (x1, y1) in pairwise(points)
        if stack <= x1 + 1e-9
    )
    assert electrolyzer.h2_kg_per_h(ALK, load) == pytest.approx(PARAMS.stacks * corner, rel=1e-6)


@given(load=st.floats(2.0, 50.0))
def test_a_settled_plant_makes_what_the_planner_reads(load):
    state = run(at(-load), -load, 60)
    assert state.h2_kg_per_h == pytest.approx(electrolyzer.h2_kg_per_h(ALK, load), rel=5e-3)


def ask(state, p_mw, stacks, seconds):
    for _ in range(int(seconds / 10)):
        state = electrolyzer_step.step(ALK, state, Command(p_mw=p_mw, warm_stacks=stacks), 10.0, 0.0)
    return state


def test_stacks_that_are_not_kept_warm_draw_nothing_and_carry_nothing():
    state = ask(at(-40.0), -40.0, 4, 300)
    assert (state.warm_stacks, state.on_stacks, state.heat) == (4, 4, "warm")
    assert -state.p_mw == pytest.approx(4 * PARAMS.stack_mw * PARAMS.stack_load_max)
    assert -ask(state, -0.2, 4, 300).p_mw == pytest.approx(4 * ALK.stack_standby_mw)


def test_cold_stacks_heat_on_standby_power_and_go_straight_on():
    state = ask(at(-40.0), -20.0, 4, 300)
    state = ask(state, -45.0, 10, PARAMS.cold_start_min * 60 - 10)
    assert (state.warm_stacks, state.heating_stacks) == (4, 6)
    assert -state.p_mw == pytest.approx(
        4 * PARAMS.stack_mw * PARAMS.stack_load_max + 6 * ALK.stack_standby_mw
    )
    state = ask(state, -45.0, 10, 60)
    assert (state.warm_stacks, state.heating_stacks) == (10, 0)
    assert -state.p_mw == pytest.approx(45.0)


def test_a_cold_start_that_is_called_off_is_lost():
    state = ask(at(-40.0), -20.0, 4, 300)
    state = ask(ask(state, -20.0, 10, 1800), -20.0, 4, 10)
    assert (state.heating_stacks, state.heating_s) == (0, 0.0)
    assert ask(state, -20.0, 10, 10).heating_s == pytest.approx(10.0)
