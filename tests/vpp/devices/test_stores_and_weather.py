"""Battery, hydrogen store, wind and PV, and the motion and curves under them."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vpp.devices import Command, Initial, bess, curve, h2_store, weather_driven
from vpp.devices.approach import Lag, approach, approach_parts
from vpp.park import load_park

DEVICES = load_park("small10").devices
BESS, H2S, WF = DEVICES["BESS1"], DEVICES["H2S"], DEVICES["WF"]
power = st.floats(-100, 100)


lags = st.builds(Lag, st.floats(0, 5), st.floats(0.5, 50), st.floats(0.5, 50))


@given(power, power, lags, st.floats(0.01, 30))
def test_the_closed_form_of_lag_and_ramp_is_what_small_steps_give(p_mw, target, limits, dt_s):
    end, area = approach(p_mw, target, limits, dt_s)
    half, first = approach(p_mw, target, limits, dt_s / 2)
    again, second = approach(half, target, limits, dt_s / 2)
    assert end == pytest.approx(again, abs=1e-6)
    assert area == pytest.approx(first + second, abs=1e-6 * (1 + dt_s))
    assert -limits.down * dt_s - 1e-9 <= end - p_mw <= limits.up * dt_s + 1e-9


@given(power, power, lags, st.floats(0.01, 30), st.floats(-20, 20))
def test_parts_above_and_below_a_level_sum_to_the_whole(p_mw, target, limits, dt_s, level):
    _, area = approach(p_mw, target, limits, dt_s)
    _, above, below = approach_parts(p_mw, target, limits, dt_s, level)
    assert above >= 0
    assert below >= 0
    assert above - below == pytest.approx(area - level * dt_s, abs=1e-6 * (1 + dt_s))


def test_a_battery_answers_within_a_second_and_pays_both_efficiencies():
    state = bess.initial(BESS, Initial(soc=0.5))
    charged = state
    for _ in range(600):
        charged = bess.step(BESS, charged, Command(p_mw=-20.0), 1.0, 0.0)
    assert charged.p_mw == pytest.approx(-20.0)
    stored = (20.0 - BESS.aux_mw) / 6 * BESS.params.eta_ch
    assert charged.e_mwh - state.e_mwh == pytest.approx(stored, rel=2e-3)
    back = charged
    for _ in range(600):
        back = bess.step(BESS, back, Command(p_mw=20.0), 1.0, 0.0)
    taken = (20.0 + BESS.aux_mw) / 6 / BESS.params.eta_dis
    assert charged.e_mwh - back.e_mwh == pytest.approx(taken, rel=2e-3)


@pytest.mark.parametrize(("p_mw", "edge"), [(-40.0, 0.95), (39.68, 0.08)])
@pytest.mark.parametrize("dt_s", [1.0, 60.0, 3600.0])
def test_a_battery_stops_exactly_at_the_edges_of_its_window(p_mw, edge, dt_s):
    state = bess.initial(BESS, Initial(soc=0.5))
    for _ in range(int(3 * 3600 / dt_s)):
        state = bess.step(BESS, state, Command(p_mw=p_mw), dt_s, 0.0)
        assert state.e_mwh / BESS.e_full_mwh <= 0.95 + 1e-12
        assert state.e_mwh / BESS.e_full_mwh >= 0.08 - 1e-12
    assert state.e_mwh / BESS.e_full_mwh == pytest.approx(edge, abs=1e-3)
    turned = state.energy_in_mwh if p_mw < 0 else state.energy_out_mwh
    usable = abs(edge - 0.5) * BESS.e_full_mwh
    converter = usable / BESS.params.eta_ch if p_mw < 0 else usable * BESS.params.eta_dis
    own = BESS.aux_mw * converter / 40.0
    assert turned == pytest.approx(converter + 3 * BESS.aux_mw if p_mw < 0 else converter - own, rel=0.01)


@given(
    kg=st.floats(300, 5000), inflow=st.floats(0, 2000), asked=st.floats(0, 2000), dt_s=st.floats(0.1, 7200)
)
def test_no_hydrogen_is_lost_or_made(kg, inflow, asked, dt_s):
    state = h2_store.initial(H2S, Initial(h2_kg=kg))
    after = h2_store.step(H2S, state, Command(p_mw=0.0, h2_kg_per_h=asked), dt_s, inflow)
    came = inflow * dt_s / 3600
    assert after.h2_kg + after.delivered_kg + after.vented_kg == pytest.approx(state.h2_kg + came)
    assert H2S.min_kg - 1e-9 <= after.h2_kg <= H2S.params.usable_kg
    assert after.delivery_kg_per_h <= H2S.params.pipeline_max_kg_per_h + 1e-9
    kept = came - after.vented_kg
    assert after.energy_in_mwh == pytest.approx(H2S.params.compressor_kwh_per_kg * kept / 1000)


def test_a_full_store_vents_and_an_empty_one_delivers_what_comes_in():
    full = h2_store.initial(H2S, Initial(h2_kg=1e9))
    after = h2_store.step(H2S, full, Command(p_mw=0.0), 3600.0, 500.0)
    assert (after.vented_kg, after.p_mw) == (500.0, 0.0)
    empty = h2_store.initial(H2S, Initial(h2_kg=0.0))
    after = h2_store.step(H2S, empty, Command(p_mw=0.0, h2_kg_per_h=800.0), 3600.0, 200.0)
    assert after.delivered_kg == pytest.approx(200.0)


def test_wind_follows_its_cap_by_lag_and_ramp_and_the_weather_at_once():
    state = weather_driven.initial(WF, Initial(p_mw=80.0))
    capped = weather_driven.step(WF, state, Command(p_mw=20.0), 30.0, 80.0)
    assert capped.p_mw == pytest.approx(20.0, abs=0.01)
    assert weather_driven.measure(WF, capped)["curtailed_mw"] == pytest.approx(60.0, abs=0.01)
    assert weather_driven.step(WF, state, Command(p_mw=20.0), 1.0, 80.0).p_mw >= 70.0 - 1e-9
    assert weather_driven.step(WF, state, Command(p_mw=100.0), 0.1, 15.0).p_mw == 15.0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 2)), min_size=2, max_size=6, unique_by=lambda p: p[0])
)
def test_cuts_never_exceed_a_curve_and_a_hull_never_lies_below(points):
    points = tuple(sorted(points))
    assume(all(b[0] - a[0] > 1e-3 for a, b in pairwise(points)))
    lines, hull = curve.cuts(points), curve.concave_hull(points)
    for x, y in points:
        assert min(a + b * x for a, b in lines) <= y + 1e-6
        assert curve.value(hull, x) >= y - 1e-9
