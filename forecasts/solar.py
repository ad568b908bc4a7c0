"""Available power of a PV plant: clear sky, clouds, tilted plane, cell temperature, inverter."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forecasts.noise import DAY_S, KNOT_S, KNOTS
from forecasts.weather import clearness, temperature_c
from vpp.devices import Pv
from vpp.types import Array, Site

NOCT_RISE_K_PER_KW_M2 = 31.25
"""Cell above air temperature: (NOCT 45 - 20) K at 0.8 kW/m2."""
ALBEDO = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """Clear sky and sun at the knots of a UTC day, arrays of shape (KNOTS,)."""

    ghi_w_m2: Array
    zenith_deg: Array
    azimuth_deg: Array
    day_of_year: int
    """Of the UTC day."""


@lru_cache(maxsize=1024)
def clear_sky(site: Site, day: int) -> Sky:
    """Return the clear sky after Ineichen and Perez (2002) with pvlib's Linke turbidity table."""
    import pandas as pd
    from pvlib import atmosphere, clearsky, irradiance, solarposition

    times = pd.to_datetime(day * DAY_S + KNOT_S * np.arange(KNOTS), unit="s", utc=True)
    sun = solarposition.get_solarposition(times, site.lat, site.lon, altitude=site.alt_m)
    pressure = atmosphere.alt2pres(site.alt_m)
    airmass = atmosphere.get_absolute_airmass(
        atmosphere.get_relative_airmass(sun["apparent_zenith"]), pressure
    )
    turbidity = clearsky.lookup_linke_turbidity(times, site.lat, site.lon)
    extra = irradiance.get_extra_radiation(times)
    sky = clearsky.ineichen(sun["apparent_zenith"], airmass, turbidity, site.alt_m, extra)
    return Sky(
        ghi_w_m2=sky["ghi"].to_numpy(),
        zenith_deg=sun["apparent_zenith"].to_numpy(),
        azimuth_deg=sun["azimuth"].to_numpy(),
        day_of_year=int(times[0].dayofyear),
    )


@lru_cache(maxsize=2048)
def pv_day_mw(seed: int, site: Site, plant: Pv, day: int) -> Array:
    """Return the available MW at the knots of a UTC day, shape (KNOTS,)."""
    return _plant_mw(site, plant, day, clearness(seed, plant.resource.id, site.zone, day))


@lru_cache(maxsize=2048)
def clear_day_mw(site: Site, plant: Pv, day: int) -> Array:
    """Return what the plant would yield without clouds, MW at the knots, shape (KNOTS,)."""
    return _plant_mw(site, plant, day, np.ones(KNOTS))


def _plant_mw(site: Site, plant: Pv, day: int, kc: Array) -> Array:
    params, rating = plant.params, plant.resource.p_max_mw
    poa_kw_m2 = _plane_w_m2(clear_sky(site, day), params.tilt, kc) / 1e3
    cell_c = temperature_c(site.zone, day) + NOCT_RISE_K_PER_KW_M2 * poa_kw_m2
    derate = params.loss_factor * (1 + params.temp_coeff_pct / 100 * (cell_c - 25))
    return np.clip(rating * params.dc_ac * poa_kw_m2 * derate, 0.0, rating)


def _plane_w_m2(sky: Sky, tilt_deg: float, kc: Array) -> Array:
    """Return irradiance on a plane facing south: Erbs (1982) split, isotropic sky."""
    from pvlib import irradiance

    up = sky.zenith_deg < 89.0
    ghi = np.where(up, sky.ghi_w_m2 * kc, 0.0)
    split = irradiance.erbs(ghi, sky.zenith_deg, sky.day_of_year)
    total = irradiance.get_total_irradiance(
        tilt_deg,
        180.0,
        sky.zenith_deg,
        sky.azimuth_deg,
        split["dni"],
        ghi,
        split["dhi"],
        albedo=ALBEDO,
    )
    return np.where(up, np.nan_to_num(np.asarray(total["poa_global"])), 0.0)
