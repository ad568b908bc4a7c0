"""A CAES plant: machines that start, load, unload and stop, on one efficiency table."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vpp.devices import Command, Initial, caes, caes_step
from vpp.park import load_park

CAES = load_park("small10").devices["CAES1"]
AUX = CAES.params.standby_aux_mw
TURBINE, TRAIN = CAES.params.turbine, CAES.params.compressor


def rest(soc=0.5):
    return caes_step.initial(CAES, Initial(soc=soc))


def run(state, p_mw, seconds, dt_s=1.0):
    for _ in range(int(seconds / dt_s)):
        state = caes_step.step(CAES, state, Command(p_mw=p_mw), dt_s, 0.0)
    return state


def code(state):
    return caes_step.measure(CAES, state)["mode_code"]


def test_at_rest_it_draws_its_own_use_and_loses_only_heat():
    state = run(rest(), 0.0, 86400, 60.0)
    assert state.p_mw == -AUX
    assert state.energy_in_mwh == pytest.approx(24 * AUX)
    assert state.e_mwh == pytest.approx(0.5 * CAES.e_air_mwh * (1 - CAES.params.tes_loss_pct_per_day / 100))


def test_the_turbine_takes_load_after_its_start_time_and_ramps():
    state = run(rest(), 99.4, TURBINE.start_time_s)
    assert (state.p_mw, code(state)) == (-AUX, 4)
    state = run(state, 99.4, 60)
    assert state.p_mw == pytest.approx(TURBINE.ramp_mw_per_min - AUX, abs=0.01)
    assert (state.starts_turbine, code(state)) == (1, 2)
    assert run(state, 99.4, 400).p_mw == pytest.approx(99.4)


def test_both_trains_start_together_and_a_second_one_joins_later():
    state = run(rest(), -77.0, TRAIN.start_time_s + 600)
    assert caes_step.measure(CAES, state)["trains"] == 2
    assert state.p_mw == pytest.approx(-77.0)
    one = run(rest(), -36.0, TRAIN.start_time_s + 600)
    assert caes_step.measure(CAES, one)["trains"] == 1
    before_joining = run(one, -70.0, TRAIN.start_time_s - 1)
    assert before_joining.p_mw == pytest.approx(-36.0)
    assert run(before_joining, -70.0, 600).p_mw == pytest.approx(-70.0)


def test_between_rest_and_least_load_a_running_machine_holds_least_load_or_stops():
    running = run(rest(), 60.0, 3600)
    assert run(running, 20.0, 600).p_mw == pytest.approx(TURBINE.p_min_mw - AUX)
    assert run(running, 10.0, 600).p_mw == -AUX


def test_the_minimum_up_time_holds_the_machine_at_least_load():
    young = run(rest(), 60.0, TURBINE.start_time_s + 300)
    assert caes_step.command_bounds(CAES, young, 0.0)[0] == TURBINE.p_min_mw - AUX
    held = run(young, 0.0, 900)
    assert held.p_mw == pytest.approx(TURBINE.p_min_mw - AUX)
    assert run(held, 0.0, TURBINE.min_up_time_min * 60).p_mw == -AUX


@settings(max_examples=20, deadline=None, derandomize=True)
@given(first=st.floats(-76, 99), second=st.floats(-74, 99))
def test_both_sides_never_carry_power_together_and_turn_round_takes_its_time(first, second):
    state = run(rest(), first, 3 * 3600, 10.0)
    ended_s = least_s = None
    direction = state.p_mw + AUX
    for k in range(3600):
        state = caes_step.step(CAES, state, Command(p_mw=second), 1.0, 0.0)
        loads = [state.turbine.p_mw > 0, any(unit.p_mw > 0 for unit in state.trains)]
        assert not all(loads)
        if code(state) == 5 and ended_s is None and any(loads):
            ended_s = k
        power = state.p_mw + AUX
        if power * direction < 0 and least_s is None:
            least = TURBINE.p_min_mw if power > 0 else TRAIN.p_min_mw
            on = caes_step.measure(CAES, state)["trains"] or 1
            if abs(power) >= least * on - 0.5:
                least_s = k
    if ended_s is not None and least_s is not None:
        assert least_s - ended_s >= CAES.params.mode_change_min_idle_s - 15


@pytest.mark.parametrize(("soc", "p_mw", "edge"), [(0.97, -77.0, 1.0), (0.10, 80.0, 0.05)])
def test_at_an_edge_of_the_window_the_machines_trip_exactly_there(soc, p_mw, edge):
    state = run(rest(soc), p_mw, 7200, 10.0)
    assert state.p_mw == -AUX
    assert state.e_mwh / CAES.e_air_mwh == pytest.approx(edge, abs=1e-3)
    assert run(state, p_mw, 7200, 10.0).starts_turbine <= 1


def test_a_full_store_delivers_its_rated_energy_at_rated_load():
    assert caes.air_mwh_per_h(CAES, TURBINE.p_rated_mw, 0) == pytest.approx(
        -TURBINE.p_rated_mw / CAES.params.eta_discharge
    )
    assert CAES.e_air_mwh * CAES.params.eta_discharge == pytest.approx(CAES.resource.e_mwh)


@given(share=st.floats(0, 1), trains=st.integers(1, 2))
def test_the_corners_given_to_the_planner_are_what_step_does(share, trains):
    for points, sign in ((caes.charge_points(CAES, trains), -1), (caes.discharge_points(CAES), 1)):
        (x0, y0), (x1, y1) = points[1], points[2]
        x = x0 + share * (x1 - x0)
        flow = abs(caes.air_mwh_per_h(CAES, sign * x, trains))
        assert flow == pytest.approx(y0 + share * (y1 - y0))


@pytest.mark.parametrize("seconds", [1800, 7200])
def test_steady_charge_stores_what_the_table_says(seconds):
    state = run(rest(0.2), -60.0, 3600, 10.0)
    later = run(state, -60.0, seconds, 10.0)
    gained = later.e_mwh - state.e_mwh * caes.retention(CAES, seconds)
    assert gained == pytest.approx(caes.air_mwh_per_h(CAES, -60.0 + AUX, 2) * seconds / 3600, rel=1e-3)


@given(soc=st.floats(0.05, 1))
def test_the_power_limits_and_their_cuts_are_one(soc):
    e_mwh = soc * CAES.e_air_mwh
    for limit, cuts in (
        (caes.charge_max_mw(CAES, e_mwh), caes.charge_max_cuts(CAES)),
        (caes.discharge_max_mw(CAES, e_mwh), caes.discharge_max_cuts(CAES)),
    ):
        assert min(a + b * e_mwh for a, b in cuts) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("charge_mw", "running", "wanted"),
    [
        (10, 0, 0),
        (20, 0, 1),
        (40, 1, 1),
        (46, 1, 1),
        (50, 1, 2),
        (50, 2, 2),
        (46, 2, 1),
        (10, 2, 0),
        (80, 0, 2),
    ],
)
def test_the_number_of_trains_follows_the_setpoint(charge_mw, running, wanted):
    assert caes.trains_for(CAES, charge_mw, running) == wanted


def test_a_setpoint_at_the_condensers_power_makes_a_standing_plant_a_synchronous_condenser():
    state = caes_step.initial(CAES, Initial(soc=0.5))
    state = caes_step.step(CAES, state, Command(p_mw=CAES.condenser_p_mw), 60.0, 0.0)
    assert (state.mode_code, state.p_mw) == (caes_step.CONDENSER, pytest.approx(CAES.condenser_p_mw))
    state = caes_step.step(CAES, state, Command(p_mw=60.0), 900.0, 0.0)
    assert (state.mode_code, state.condenser_mw) == (2, 0.0)


def test_a_plant_that_runs_is_no_condenser_before_its_machines_stand():
    state = caes_step.initial(CAES, Initial(soc=0.5, mode="discharge", p_mw=60.0))
    state = caes_step.step(CAES, state, Command(p_mw=CAES.condenser_p_mw), 60.0, 0.0)
    assert state.condenser_mw == 0.0
    for _ in range(10):
        state = caes_step.step(CAES, state, Command(p_mw=CAES.condenser_p_mw), 60.0, 0.0)
    assert state.mode_code == caes_step.CONDENSER


setpoints = st.sampled_from([0.0, 99.0, 60.0, 30.0, 14.0, -1.2, -20.0, -38.0, -60.0, -77.0])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(soc=st.sampled_from([0.06, 0.1, 0.5, 0.7, 0.95]), asked=st.lists(setpoints, min_size=4, max_size=4))
@example(soc=0.7, asked=[40.0, -63.0, 97.0, -60.0])
@example(soc=0.06, asked=[0.0, -38.0, 60.0, -77.0])
def test_a_step_of_half_an_hour_is_1800_steps_of_a_second(soc, asked):
    fine = coarse = rest(soc)
    for p_mw in asked:
        fine, coarse = run(fine, p_mw, 1800), run(coarse, p_mw, 1800, 1800.0)
        assert coarse.p_mw == pytest.approx(fine.p_mw, abs=0.01)
        assert coarse.mode_code == fine.mode_code
    assert coarse.e_mwh == pytest.approx(fine.e_mwh, abs=0.1)
    assert coarse.energy_out_mwh == pytest.approx(fine.energy_out_mwh, abs=0.1)
    assert coarse.energy_in_mwh == pytest.approx(fine.energy_in_mwh, abs=0.1)
    assert (coarse.starts_turbine, coarse.starts_compressor) == (fine.starts_turbine, fine.starts_compressor)
