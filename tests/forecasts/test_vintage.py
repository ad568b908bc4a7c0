import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from forecasts import available_mw, load_mw, nowcast, outlook
from forecasts.constants import ERROR_REL_CAPACITY
from forecasts.vintage import error_spread
from vpp.park.model import CsvProfile, GeneratedProfile

START = datetime(2026, 7, 13, 16, tzinfo=timezone.utc)  # midnight in Shanghai
STEPS = 96


def errors(park, element, lead_h, days=250):
    """Forecast errors at noon as shares of the rating, one per day."""
    found = []
    for day in range(days):
        noon = START + timedelta(days=day, hours=12)
        forecast = outlook(park, noon - timedelta(hours=lead_h), noon, 1)
        if element in park.loads:
            true = load_mw(park, element, [noon], 900.0)
            found.append((forecast.load_mw[element] - true)[0] / park.loads[element].p_peak_mw)
        else:
            true = available_mw(park, element, [noon], 900.0)
            found.append((forecast.available_mw[element] - true)[0] / park.resources[element].p_max_mw)
    return np.array(found)


def test_an_outlook_covers_everything_and_stays_within_ratings(park):
    forecast = outlook(park, START - timedelta(hours=6), START, STEPS)
    assert forecast.available_mw.keys() == {"WF", "PV", "DPV"}
    assert forecast.load_mw.keys() == park.loads.keys()
    for element, series in forecast.available_mw.items():
        assert series.shape == (STEPS,)
        assert series.min() >= 0
        assert series.max() <= park.resources[element].p_max_mw
    assert forecast.made_at < forecast.start == START
    assert forecast.source == "generator"


def test_an_outlook_is_not_the_truth_but_near_it(park):
    forecast = outlook(park, START - timedelta(hours=6), START, STEPS)
    starts = [START + timedelta(minutes=15 * k) for k in range(STEPS)]
    for element, series in forecast.available_mw.items():
        off = np.abs(series - available_mw(park, element, starts, 900.0)) / park.resources[element].p_max_mw
        assert 0.005 < off.max() < 0.5, element


def test_the_same_moment_has_one_outlook(park):
    a, b = (outlook(park, START, START, STEPS) for _ in range(2))
    assert all(np.array_equal(a.available_mw[i], b.available_mw[i]) for i in a.available_mw)


def test_errors_grow_with_the_lead_as_stated(park):
    # the wind is often at 0, where an error is cut off: demand shows the spread unclipped
    for lead_h, spread in zip((1.0, 4.0, 24.0), ERROR_REL_CAPACITY["load"], strict=True):
        assert errors(park, "LD_PUB", lead_h).std() == pytest.approx(spread, rel=0.25)
    wind = [errors(park, "WF", lead_h).std() for lead_h in (1.0, 4.0, 24.0)]
    assert wind == sorted(wind)
    assert wind[-1] < 0.16


def test_the_spread_has_no_steps():
    lead = np.linspace(-1, 48, 5000)
    spread = error_spread("wind", lead)
    assert (np.diff(spread) >= 0).all()
    assert spread[0] == 0
    assert error_spread("wind", np.array([1.0, 4.0, 24.0, 40.0])).tolist() == [0.04, 0.08, 0.14, 0.14]


def test_the_error_is_not_drawn_from_the_weather(park):
    # the same error stream over two worlds must not be a function of the weather itself
    found = errors(park, "LD_PUB", 24.0)
    noons = [START + timedelta(days=d, hours=12) for d in range(250)]
    noise = np.concatenate([load_mw(park, "LD_PUB", [n], 900.0) for n in noons])
    weekday = np.array([n.weekday() < 5 for n in noons])
    assert abs(np.corrcoef(found[weekday], noise[weekday])[0, 1]) < 0.2


def test_an_error_lasts_for_hours_and_not_for_days(park):
    forecast = outlook(park, START - timedelta(hours=24), START, STEPS)
    starts = [START + timedelta(minutes=15 * k) for k in range(STEPS)]
    off = forecast.load_mw["LD_ZN"] - load_mw(park, "LD_ZN", starts, 900.0)
    assert np.corrcoef(off[:-1], off[1:])[0, 1] > 0.9


def test_no_sun_is_promised_for_the_night(park):
    forecast = outlook(park, START - timedelta(hours=24), START, STEPS)
    assert (forecast.available_mw["PV"][:12] == 0).all()


def test_a_later_outlook_of_the_same_hours_errs_less(park):
    starts = [START + timedelta(minutes=15 * k) for k in range(8)]
    true = load_mw(park, "LD_ZN", starts, 900.0)
    early, late = (outlook(park, START - timedelta(hours=h), START, 8).load_mw["LD_ZN"] for h in (24, 1))
    assert np.abs(late - true).sum() < np.abs(early - true).sum()


def test_a_file_is_named_as_source(park):
    series = CsvProfile(
        resource="PV",
        file="profiles/pv.csv",
        start_epoch_s=START.timestamp(),
        step_s=900.0,
        p_mw=np.full(STEPS, 20.0),
    )
    mine = replace(park, csv_profiles={"PV": series})
    assert outlook(mine, START, START, STEPS).source == "generator, csv:profiles/pv.csv"


def test_an_outlook_of_another_seed_errs_otherwise(park):
    other = replace(park, generated=GeneratedProfile(seed=99))
    assert not np.array_equal(errors(park, "LD_ZN", 4.0, days=3), errors(other, "LD_ZN", 4.0, days=3))


# nowcast


def test_what_is_measured_now_is_believed_now_and_forgotten_later(park):
    forecast = outlook(park, START, START, STEPS)
    at = START + timedelta(hours=12)
    now = 48
    measured = {"WF": forecast.available_mw["WF"][now] + 10.0, "LD_ZN": forecast.load_mw["LD_ZN"][now] - 4.0}
    new = nowcast(park, forecast, at, measured)
    wind = new.available_mw["WF"] - forecast.available_mw["WF"]
    load = new.load_mw["LD_ZN"] - forecast.load_mw["LD_ZN"]
    assert wind[now] == pytest.approx(10.0, rel=0.1)
    assert wind[now + 8] == pytest.approx(10.0 * np.exp(-1), rel=0.1), "two hours for wind"
    assert load[now + 4] == pytest.approx(-4.0 * np.exp(-1), rel=0.15), "one hour for demand"
    assert np.abs(wind[-1]) < 0.1
    assert (wind[:now] == 0).all(), "the past is not rewritten"
    assert new.made_at == at


def test_what_is_not_measured_stays(park):
    forecast = outlook(park, START, START, STEPS)
    new = nowcast(park, forecast, START, {"WF": 50.0, "PV": float("nan")})
    for element in ("PV", "DPV"):
        assert np.array_equal(new.available_mw[element], forecast.available_mw[element])
    assert all(np.array_equal(new.load_mw[i], forecast.load_mw[i]) for i in park.loads)


def test_a_bright_moment_does_not_keep_the_sun_from_setting(park):
    forecast = outlook(park, START, START, STEPS)
    at = START + timedelta(hours=17)
    new = nowcast(park, forecast, at, {"PV": 60.0})
    assert (new.available_mw["PV"][forecast.available_mw["PV"] == 0] == 0).all()
    assert new.available_mw["PV"].max() <= 60.0
    assert new.available_mw["PV"][68] > forecast.available_mw["PV"][68]


def test_corrected_values_stay_within_ratings(park):
    forecast = outlook(park, START, START, STEPS)
    for value in (0.0, 1000.0):
        new = nowcast(park, forecast, START + timedelta(hours=3), {"WF": value, "LD_SME": value})
        assert 0 <= new.available_mw["WF"].min() <= new.available_mw["WF"].max() <= 100
        assert new.load_mw["LD_SME"].min() >= 0


def test_a_measurement_just_before_the_window_counts(park):
    forecast = outlook(park, START, START, STEPS)
    new = nowcast(park, forecast, START - timedelta(minutes=3), {"WF": forecast.available_mw["WF"][0] + 5.0})
    assert new.available_mw["WF"][0] - forecast.available_mw["WF"][0] == pytest.approx(5.0, rel=0.1)


def test_importing_forecasts_pulls_in_neither_pandas_nor_pvlib():
    code = "import sys, forecasts; print(sorted({'pandas', 'pvlib', 'scipy.signal'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
