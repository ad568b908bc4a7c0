"""Available power of a wind farm."""

from functools import lru_cache

import numpy as np

from forecasts import constants as c
from forecasts.weather import air_density, temperature_c, wind_speed_ms
from vpp.devices import Wind
from vpp.types import Array, Site


@lru_cache(maxsize=2048)
def wind_day_mw(seed: int, site: Site, farm: Wind, day: int) -> Array:
    """Return the available MW at the knots of a UTC day, shape (KNOTS,)."""
    speed = wind_speed_ms(seed, farm.resource.id, site.zone, day)
    density = air_density(temperature_c(site.zone, day), c.HUB_ALT_M)
    return farm.resource.p_max_mw * power_share(speed, density, farm.params.farm_loss)


def power_share(speed_ms: Array, density_kg_per_m3: Array, farm_loss: float) -> Array:
    """Return the share of the rating at a wind speed; the farm loss lies inside the curve.

    The speed is brought to standard density by the cube root of the ratio (IEC 61400-12-1); the
    logistic curve is an assumption.
    """
    v = speed_ms * (density_kg_per_m3 / 1.225) ** (1 / 3)
    curve = (1 - farm_loss) / (1 + np.exp(-(v - c.CURVE_MID_MS) / c.CURVE_WIDTH_MS))
    return np.where((v >= c.CUT_IN_MS) & (v < c.CUT_OUT_MS), curve, 0.0)
