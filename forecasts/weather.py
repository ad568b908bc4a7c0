"""Weather of the site at the knots of a UTC day: local time, clouds, temperature, wind."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from math import gamma
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasts import constants as c
from forecasts.noise import DAY_S, KNOT_S, KNOTS, ar1_day, smooth_ar1_day, uniform_of_day
from vpp.types import Array

CLOUD_BACK_DAYS = 60
"""The cloud chain forgets its start at about 0.4 a day: nothing is left of it after 60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """Local calendar of the knots of a UTC day, arrays of shape (KNOTS,)."""

    hour: Array
    month: npt.NDArray[np.int64]
    day_of_year: Array
    ordinal: npt.NDArray[np.int64]
    """Proleptic ordinal of the local date."""


@lru_cache(maxsize=1024)
def local_time(zone: str, day: int) -> LocalTime:
    """Return the plant's local calendar at the knots of `day` (days since 1970-01-01 UTC)."""
    tz = ZoneInfo(zone)
    stamps = [datetime.fromtimestamp(day * DAY_S + k * KNOT_S, tz) for k in range(KNOTS)]
    return LocalTime(
        hour=np.array([s.hour + s.minute / 60 + s.second / 3600 for s in stamps]),
        month=np.array([s.month for s in stamps]),
        day_of_year=np.array([float(s.timetuple().tm_yday) for s in stamps]),
        ordinal=np.array([s.toordinal() for s in stamps]),
    )


@lru_cache(maxsize=4096)
def cloud_state(seed: int, ordinal: int) -> int:
    """Return the cloud state of a local date: 0 clear, 1 broken, 2 overcast."""
    state = 0
    for day in range(ordinal - CLOUD_BACK_DAYS, ordinal + 1):
        u = uniform_of_day(seed, ("cloud",), day)
        state = int(np.searchsorted(np.cumsum(c.CLOUD_TRANSITION[state])[:-1], u, side="right"))
    return state


def clearness(seed: int, plant: str, zone: str, day: int) -> Array:
    """Return the clear-sky index of a PV plant: state mean, month and AR(1), never below 0.02.

    The cloud state is the site's and changes at local midnight; the intraday part is the plant's.
    """
    local = local_time(zone, day)
    means = {o: c.CLOUD_MEANS[cloud_state(seed, int(o))] for o in np.unique(local.ordinal)}
    state = np.array([means[o] for o in local.ordinal])
    month = np.asarray(c.MONTHLY_KC)[local.month - 1] / c.CLOUD_MEAN_KC
    noise = c.KC_SIGMA * ar1_day(seed, ("kc", plant), day, c.KC_TAU_MIN)
    return np.asarray(np.maximum(0.02, state * month * (1 + noise)))


def temperature_c(zone: str, day: int) -> Array:
    """Return the air temperature, degrees Celsius: two cosines, no noise."""
    local = local_time(zone, day)
    annual = np.cos(2 * np.pi * (local.day_of_year - c.TEMPERATURE_MAX_DOY) / 365.25)
    daily = np.cos(2 * np.pi * (local.hour - c.TEMPERATURE_MAX_H) / 24)
    return c.TEMPERATURE_MEAN_C + c.TEMPERATURE_ANNUAL_AMP * annual + c.TEMPERATURE_DIURNAL_AMP * daily


def wind_speed_ms(seed: int, farm: str, zone: str, day: int) -> Array:
    """Return the hub-height wind speed: a Gaussian process mapped to the Weibull quantile.

    Farms share a common process so that any two correlate by `WIND_FARM_CORRELATION`.
    """
    from scipy.special import ndtr  # slow to import

    local = local_time(zone, day)
    process = [
        smooth_ar1_day(seed, names, day, c.WIND_TAU_MIN, c.WIND_SMOOTH_TAU_MIN)
        for names in (("wind",), ("wind", farm))
    ]
    rho = c.WIND_FARM_CORRELATION
    z = rho**0.5 * process[0] + (1 - rho) ** 0.5 * process[1]
    scale = c.WIND_MEAN_MS / gamma(1 + 1 / c.WEIBULL_K)
    base = scale * (-np.log(ndtr(-z))) ** (1 / c.WEIBULL_K)
    # the season holds at noon with a line between, so that the wind does not jump at a month's end
    dates = np.arange(local.ordinal[0] - 1, local.ordinal[-1] + 2)
    season = [c.WIND_MONTH[date.fromordinal(int(d)).month - 1] for d in dates]
    month = np.interp(local.ordinal + local.hour / 24, dates + 0.5, season)
    daily = 1 + c.WIND_DIURNAL_AMP * np.cos(2 * np.pi * (local.hour - c.WIND_DIURNAL_MAX_H) / 24)
    return np.asarray(base * month * daily)


def air_density(temperature: Array, alt_m: float) -> Array:
    """Return the density in kg/m3 (ICAO standard atmosphere's pressure, dry ideal gas)."""
    pressure_pa: float = 101325.0 * (1 - 2.25577e-5 * alt_m) ** 5.25588
    return pressure_pa / (287.05 * (temperature + 273.15))
