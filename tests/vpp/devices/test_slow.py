"""CHP units and ammonia loops: bands, ramps, stops, restarts, hydrogen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.devices import Command, Initial, ammonia, chp
from vpp.park import load_park

DEVICES = load_park("chifeng96").devices
CHP, LOOP = DEVICES["CHP1"], DEVICES["NH3"]
HOUR_S = 3600.0
PLENTY = 1e6


def loop_at(load_mw):
    return ammonia.initial(LOOP, Initial(p_mw=-load_mw))


def run(state, load_mw, hours, offered=PLENTY):
    return ammonia.step(LOOP, state, Command(p_mw=-load_mw), hours * HOUR_S, offered)


@given(asked=st.floats(-100, 200))
def test_a_chp_unit_never_leaves_its_band(asked):
    state = chp.step(CHP, chp.initial(CHP, Initial(p_mw=30.0)), Command(p_mw=asked), HOUR_S, 0.0)
    assert state.p_mw == pytest.approx(min(max(asked, 20.0), 50.0))


def test_a_chp_unit_rises_by_its_ramp():
    state = chp.step(CHP, chp.initial(CHP, Initial(p_mw=20.0)), Command(p_mw=50.0), 600.0, 0.0)
    assert state.p_mw == pytest.approx(20.0 + 10 * CHP.params.ramp_mw_per_min)
    assert state.energy_out_mwh == pytest.approx((20.0 + state.p_mw) / 2 / 6)


def test_power_and_hydrogen_are_in_proportion_to_the_ammonia_made():
    state = run(loop_at(22.0), 22.0, 1.0)
    assert state.nh3_t == pytest.approx(22.0 / 1.1)
    assert state.h2_kg == pytest.approx(178.0 * 22.0 / 1.1)
    assert LOOP.load_max_mw == pytest.approx(22.5 * 1.1)


def test_a_loop_moves_by_a_fifth_of_its_rating_in_an_hour():
    assert -run(loop_at(10.0), 25.0, 1.0).p_mw == pytest.approx(15.0)
    assert -run(loop_at(20.0), 8.0, 1.0).p_mw == pytest.approx(15.0)


def test_a_loop_that_is_asked_below_its_least_load_goes_through_it_into_hot_idle():
    state = run(loop_at(12.5), 0.0, 1.0)
    assert (state.running, -state.p_mw) == (True, pytest.approx(LOOP.load_min_mw))
    state = run(state, 0.0, 0.5)
    assert (state.running, -state.p_mw) == (False, pytest.approx(LOOP.idle_mw))


def test_a_loop_carries_its_least_load_again_only_after_its_restart_time():
    stopped = run(loop_at(7.5), 0.0, 0.5)
    assert not run(stopped, 20.0, 11.4).running
    assert run(stopped, 20.0, 11.6).running
    assert ammonia.command_bounds(LOOP, stopped, PLENTY) == (-LOOP.idle_mw, -LOOP.idle_mw)


def test_a_loop_trips_when_it_is_offered_less_hydrogen_than_it_uses():
    needed = 15.0 * LOOP.h2_kg_per_mwh
    assert run(loop_at(15.0), 15.0, 1.0, needed + 1.0).running
    tripped = run(loop_at(15.0), 15.0, 1.0, needed - 1.0)
    assert (tripped.running, tripped.nh3_t, tripped.h2_kg) == (False, 0.0, 0.0)


@settings(max_examples=60, derandomize=True)
@given(
    load=st.floats(7.5, 24.75),
    runs=st.lists(st.tuples(st.floats(0, 25), st.floats(0.01, 6), st.floats(0, 6000)), max_size=8),
)
def test_a_loop_never_uses_more_hydrogen_than_it_is_offered(load, runs):
    state = loop_at(load)
    for asked, hours, offered in runs:
        before, state = state, run(state, asked, hours, offered)
        assert state.h2_kg - before.h2_kg <= offered * hours + 1e-6
        assert LOOP.idle_mw - 1e-9 <= -state.p_mw <= LOOP.load_max_mw + 1e-9
