"""A year of the generator against the figures it was set to."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from forecasts import available_mw
from forecasts.noise import ar1_day, smooth_ar1_day
from forecasts.solar import clear_sky
from forecasts.weather import clearness, cloud_state, wind_speed_ms

YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)
FIRST_DAY = int(YEAR.timestamp() // 86400)
DAYS = range(FIRST_DAY, FIRST_DAY + 365)


def year_of(park, resource):
    starts = [YEAR + timedelta(minutes=15 * k) for k in range(365 * 96)]
    return available_mw(park, resource, starts, 900.0) / park.resources[resource].p_max_mw


def test_a_year_of_sun(park):
    seed, site = park.generated.seed, park.site
    days_w_m2 = (clear_sky(site, d).ghi_w_m2 * clearness(seed, "PV", site.zone, d) for d in DAYS)
    ghi = sum(day.mean() * 0.024 for day in days_w_m2)
    assert ghi == pytest.approx(1509, rel=0.07), "kWh/m2; a year of clouds scatters by about 4 %"
    share = year_of(park, "PV").mean()
    # clouds taken out: yield per irradiance
    assert share / ghi == pytest.approx(0.204 / 1509, rel=0.03)
    assert share * 8760 / 1.2 == pytest.approx(1493, rel=0.08), "full-load hours per DC kilowatt"


def test_a_year_of_wind(park):
    power = year_of(park, "WF")
    # 0.333 belongs to a low-wind turbine's curve; the logistic curve of the reference park lies above
    assert 0.32 < power.mean() < 0.41
    assert np.percentile(np.abs(np.diff(power)), 99) == pytest.approx(0.078, rel=0.1)


def test_wind_speeds_are_weibull_with_the_stated_mean():
    speeds = np.concatenate(
        [wind_speed_ms(seed, "WF", "Asia/Shanghai", d) for seed in range(6) for d in DAYS[::2]]
    )
    assert speeds.mean() == pytest.approx(7.4, rel=0.04)
    # k = 2: std / mean = 0.523, a little more with seasons and hours
    assert speeds.std() / speeds.mean() == pytest.approx(0.54, abs=0.03)


def test_wind_farms_share_their_weather():
    a, b = (np.concatenate([wind_speed_ms(3, farm, "UTC", d) for d in DAYS]) for farm in ("A", "B"))
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0.85, abs=0.05)


def test_clouds_follow_their_chain():
    days = [cloud_state(seed, 739000 + d) for seed in range(12) for d in range(365)]
    share = np.bincount(days, minlength=3) / len(days)
    # stationary distribution of the transition table
    assert share == pytest.approx([0.5405, 0.3176, 0.1419], abs=0.03)


def test_noise_has_unit_variance_and_its_correlation_time():
    ar = np.concatenate([ar1_day(1, ("x",), d, 45.0) for d in range(400)])
    assert ar.std() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(ar[:-9], ar[9:])[0, 1] == pytest.approx(np.exp(-1), abs=0.03), "45 minutes later"
    smooth = np.concatenate([smooth_ar1_day(s, ("x",), d, 720.0, 90.0) for s in range(4) for d in range(400)])
    assert smooth.std() == pytest.approx(1.0, abs=0.05)


def test_noise_is_seamless_from_day_to_day():
    jumps = [abs(ar1_day(1, ("x",), d + 1, 720.0)[0] - ar1_day(1, ("x",), d, 720.0)[-1]) for d in range(200)]
    inside = np.abs(np.diff(ar1_day(1, ("x",), 5, 720.0)))
    assert np.mean(jumps) == pytest.approx(inside.mean(), rel=0.25)
