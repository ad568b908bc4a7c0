import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts import available_mw, instant_mw, load_mw
from forecasts.constants import LOAD_SHAPES
from vpp.errors import InvalidInput
from vpp.park import load_park
from vpp.park.model import CsvProfile, GeneratedProfile

UTC = timezone.utc
NOON = datetime(2026, 7, 14, 4, tzinfo=UTC)  # 12:00 in Shanghai
PARK = load_park("small10")
ELEMENTS = ("WF", "PV", "DPV", "LD_ZN", "LD_SME")


def mean_mw(park, element, starts, step_s):
    return (load_mw if element in park.loads else available_mw)(park, element, starts, step_s)


def steps(start, n, step_s=900.0):
    return [start + timedelta(seconds=k * step_s) for k in range(n)]


@settings(max_examples=40, deadline=None)
@given(
    element=st.sampled_from(ELEMENTS),
    second=st.integers(0, 3 * 86400),
    step_s=st.sampled_from([60.0, 300.0, 450.0, 900.0, 3600.0]),
)
def test_the_mean_over_an_interval_is_the_mean_of_its_instants(element, second, step_s):
    start = NOON + timedelta(seconds=second)
    at = start.timestamp() + (np.arange(step_s) + 0.5)
    instants = instant_mw(PARK, element, at)
    assert mean_mw(PARK, element, [start], step_s)[0] == pytest.approx(instants.mean(), abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(element=st.sampled_from(ELEMENTS), offset=st.integers(0, 400), n=st.integers(1, 200))
def test_a_value_does_not_depend_on_what_else_is_asked(element, offset, n):
    many = mean_mw(PARK, element, steps(NOON, offset + n), 900.0)
    few = mean_mw(PARK, element, steps(NOON, offset + n)[offset:], 900.0)
    assert few == pytest.approx(many[offset:], abs=1e-9)


@pytest.mark.parametrize("element", ELEMENTS)
def test_a_quarter_of_an_hour_is_the_mean_of_its_minutes(park, element):
    quarters = mean_mw(park, element, steps(NOON, 96), 900.0)
    minutes = mean_mw(park, element, steps(NOON, 96 * 15, 60.0), 60.0)
    assert minutes.reshape(96, 15).mean(axis=1) == pytest.approx(quarters, abs=1e-9)


def test_another_process_sees_the_same_plant(park):
    code = (
        "from datetime import datetime, timezone; from vpp.park import load_park;"
        "from forecasts import available_mw;"
        "print(float(available_mw(load_park('small10'), 'WF',"
        " [datetime(2026, 7, 20, tzinfo=timezone.utc)], 900.0)[0]).hex())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # asked here after quite different questions
    available_mw(park, "WF", steps(NOON, 500), 60.0)
    here = available_mw(park, "WF", [datetime(2026, 7, 20, tzinfo=UTC)], 900.0)[0]
    assert float.fromhex(found.strip()) == here


def test_another_seed_is_another_world(park):
    other = replace(park, generated=GeneratedProfile(seed=park.generated.seed + 1))
    for element in ELEMENTS:
        a, b = (mean_mw(p, element, steps(NOON, 96), 900.0) for p in (park, other))
        assert not np.allclose(a, b), element


@pytest.mark.parametrize("element", ["WF", "PV", "DPV"])
def test_available_power_stays_within_the_rating(park, element):
    power = available_mw(park, element, steps(NOON, 96 * 40), 900.0)
    assert power.min() >= 0
    assert power.max() <= park.resources[element].p_max_mw
    assert power.max() > 0.3 * park.resources[element].p_max_mw


def test_the_sun_shines_at_noon_and_not_at_midnight(park):
    days = [NOON + timedelta(days=d) for d in range(30)]
    assert (available_mw(park, "PV", days, 900.0) > 0).all()
    assert (available_mw(park, "PV", [d + timedelta(hours=12) for d in days], 900.0) == 0).all()


@pytest.mark.parametrize("day", [NOON, datetime(2026, 5, 31, 4, tzinfo=UTC)])
def test_nothing_jumps_from_one_second_to_the_next_nor_at_the_end_of_a_month(park, day):
    at = day.timestamp() + np.arange(2 * 86400.0)
    for element in ELEMENTS:
        rating = park.loads[element].p_peak_mw if element in park.loads else park.resources[element].p_max_mw
        assert np.abs(np.diff(instant_mw(park, element, at))).max() < 0.002 * rating, element


def test_two_roofs_under_one_cloud_rise_and_fall_together(park):
    noons = [NOON + timedelta(days=d) for d in range(120)]
    pv, roof = (available_mw(park, e, noons, 3600.0) for e in ("PV", "DPV"))
    assert np.corrcoef(pv, roof)[0, 1] > 0.7


def test_demand_follows_its_shape_and_rests_at_the_weekend(park):
    monday = datetime(2026, 7, 12, 16, tzinfo=UTC)
    week = load_mw(park, "LD_SME", steps(monday, 24 * 7, 3600.0), 3600.0).reshape(7, 24)
    shape = park.loads["LD_SME"].p_peak_mw * np.array(LOAD_SHAPES["two_shift"])
    assert week[1] == pytest.approx(shape, rel=0.15)
    assert week[5:, 12].mean() / week[:5, 12].mean() == pytest.approx(0.55, abs=0.05)


def test_a_resource_without_weather_is_refused(park):
    with pytest.raises(ValueError, match="BESS1"):
        available_mw(park, "BESS1", [NOON], 900.0)


# a user's own series


def with_series(park, values, step_s=600.0):
    series = CsvProfile(
        resource="PV",
        file="profiles/pv.csv",
        start_epoch_s=NOON.timestamp(),
        step_s=step_s,
        p_mw=np.array(values, dtype=float),
    )
    return replace(park, csv_profiles={"PV": series})


def test_a_file_replaces_the_generator_and_keeps_its_energy(park):
    mine = with_series(park, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    assert available_mw(mine, "PV", [NOON], 3600.0)[0] == pytest.approx(35.0)
    assert available_mw(mine, "PV", steps(NOON, 4), 900.0) == pytest.approx(
        [40 / 3, 80 / 3, 130 / 3, 170 / 3]
    )
    assert instant_mw(mine, "PV", NOON.timestamp() + np.array([0.0, 599.0, 601.0])).tolist() == [10, 10, 20]
    untouched = steps(NOON, 4)
    assert np.array_equal(
        available_mw(mine, "WF", untouched, 900.0), available_mw(park, "WF", untouched, 900.0)
    )


def test_what_a_plant_draws_at_night_is_no_negative_sun(park):
    mine = with_series(park, [-0.2, -0.2, 30.0, 40.0, 50.0, 60.0])
    assert available_mw(mine, "PV", [NOON], 1800.0)[0] == pytest.approx(10.0)
    assert instant_mw(mine, "PV", np.array([NOON.timestamp()])).tolist() == [0.0]


@pytest.mark.parametrize("start", [NOON - timedelta(minutes=1), NOON + timedelta(minutes=46)])
def test_outside_the_span_of_a_file_is_refused_in_words(park, start):
    mine = with_series(park, [10.0] * 6)
    with pytest.raises(
        InvalidInput, match=r"profiles/pv\.csv.*PV.*2026-07-14 04:00:00Z to 2026-07-14 05:00:00Z"
    ):
        available_mw(mine, "PV", [start], 900.0)


def test_a_gap_in_a_file_is_refused_where_it_is_needed_only(park):
    mine = with_series(park, [10.0, np.nan, 30.0, 40.0, 50.0, 60.0])
    assert available_mw(mine, "PV", [NOON + timedelta(minutes=30)], 900.0)[0] == pytest.approx(130 / 3)
    with pytest.raises(InvalidInput, match="gap"):
        available_mw(mine, "PV", [NOON], 900.0)
    with pytest.raises(InvalidInput, match="gap"):
        instant_mw(mine, "PV", np.array([NOON.timestamp() + 700.0]))
