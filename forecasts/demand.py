"""Demand of a load before any interruption."""

from datetime import date
from functools import lru_cache

import numpy as np

from forecasts import constants as c
from forecasts.noise import ar1_day, white_day
from forecasts.weather import local_time
from vpp.types import Array, Load


@lru_cache(maxsize=2048)
def load_day_mw(seed: int, zone: str, load: Load, day: int) -> Array:
    """Return the demand in MW at the knots of a UTC day, shape (KNOTS,).

    The hourly shape holds at the middle of each hour, with a line between (assumption); Saturday
    and Sunday are scaled. Batches (rolling, melting) come and go from knot to knot. KeyError for an
    unknown profile name, which the loader refuses earlier.
    """
    local = local_time(zone, day)
    hours = local.ordinal * 24.0 + local.hour
    first = int(np.floor(hours[0])) - 1
    grid = np.arange(first, int(np.floor(hours[-1])) + 3)
    levels = [_level(load.profile, int(hour)) for hour in grid]
    noise = 1 + c.LOAD_SIGMA * ar1_day(seed, ("load", load.id), day, c.LOAD_TAU_MIN)
    if load.profile == "batch":
        noise = noise + c.BATCH_PULSE / 2 * np.sign(white_day(seed, ("batch", load.id), day))
    return np.asarray(load.p_peak_mw * np.interp(hours, grid + 0.5, levels) * np.maximum(0.0, noise))


def _level(profile: str, hour: int) -> float:
    weekend = date.fromordinal(hour // 24).weekday() >= 5
    return c.LOAD_SHAPES[profile][hour % 24] * (c.WEEKEND_FACTOR[profile] if weekend else 1.0)
