"""What can be known of the truth at a moment: day-ahead outlook and nowcast."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from forecasts import constants as c
from forecasts.curve import at_instants
from forecasts.noise import smooth_ar1_day
from forecasts.profiles import available_mw, load_mw
from forecasts.solar import clear_day_mw
from vpp.devices import Pv, Wind
from vpp.park.model import Park
from vpp.types import Array, Forecast


def outlook(park: Park, made_at: datetime, start: datetime, steps: int) -> Forecast:
    """Return a forecast as it could have been made at `made_at`: the truth plus a seeded error.

    The error is a smooth process of the target time, of another stream than the weather, times a
    spread that grows with the lead time; so a later vintage of the same hour errs the same way by
    less. Values stay within [0, rating] (demand: [0, 1.1 peak]); PV errs in proportion to its clear
    sky and so never at night. InvalidInput where a CSV profile does not reach.
    """
    step_s = park.horizon.step_min * 60.0
    starts = [start + timedelta(seconds=k * step_s) for k in range(steps)]
    middle = np.array([s.timestamp() for s in starts]) + step_s / 2
    lead_h = (middle - made_at.timestamp()) / 3600
    weather = {i: d for i, d in park.devices.items() if isinstance(d, Wind | Pv)}
    available = {}
    for i, device in weather.items():
        rating = device.resource.p_max_mw
        error = rating * _error(park, i, _kind(device), middle, lead_h)
        if isinstance(device, Pv):
            error *= _clear_share(park, device, middle)
        available[i] = np.clip(available_mw(park, i, starts, step_s) + error, 0.0, rating)
    loads = {}
    for i, load in park.loads.items():
        error = load.p_peak_mw * _error(park, i, "load", middle, lead_h)
        loads[i] = np.clip(load_mw(park, i, starts, step_s) + error, 0.0, 1.1 * load.p_peak_mw)
    files = sorted({profile.file for profile in park.csv_profiles.values()})
    return Forecast(
        made_at=made_at,
        start=start,
        step_min=park.horizon.step_min,
        available_mw=available,
        load_mw=loads,
        source=", ".join(["generator", *(f"csv:{file}" for file in files)]),
    )


def nowcast(park: Park, forecast: Forecast, at: datetime, measured: Mapping[str, float]) -> Forecast:
    """Return the forecast with the error measured at `at` fading out over the next hours.

    `measured` holds available power and demand in MW by id; ids without a measurement and values
    that are no numbers leave their series as it was. Wind and demand carry the difference on, PV
    the ratio to its forecast (at most a factor of 3), so that the sun still sets.
    """
    step_s = forecast.step_min * 60.0
    steps = len(next(iter({**forecast.available_mw, **forecast.load_mw}.values())))
    ahead_h = (forecast.start.timestamp() - at.timestamp() + step_s * (np.arange(steps) + 0.5)) / 3600
    now = int(np.clip(-(forecast.start - at).total_seconds() // step_s, 0, steps - 1))

    def corrected(element: str, series: Array) -> Array:
        value = measured.get(element, float("nan"))
        if not np.isfinite(value):
            return series
        device = park.devices.get(element)
        kind = "load" if device is None else _kind(device)
        fade = np.where(
            ahead_h > -step_s / 7200, np.exp(-np.maximum(ahead_h, 0.0) / c.NOWCAST_TAU_H[kind]), 0.0
        )
        rating = 1.1 * park.loads[element].p_peak_mw if device is None else device.resource.p_max_mw
        if kind == "pv":
            believed = series[now]
            ratio = np.clip(value / believed, 1 / 3, 3.0) if believed > 0.01 * rating else 1.0
            return np.clip(series * (1 + (ratio - 1) * fade), 0.0, rating)
        return np.asarray(np.clip(series + (value - series[now]) * fade, 0.0, rating))

    return replace(
        forecast,
        made_at=at,
        available_mw={i: corrected(i, s) for i, s in forecast.available_mw.items()},
        load_mw={i: corrected(i, s) for i, s in forecast.load_mw.items()},
    )


def error_spread(kind: str, lead_h: Array) -> Array:
    """Return the standard deviation of the error as a share of the rating, by lead time in hours.

    Linear between the leads of `ERROR_LEADS_H`, a square root below the first, constant after the
    last; 0 for the past.
    """
    spread = c.ERROR_REL_CAPACITY[kind]
    early = spread[0] * np.sqrt(np.clip(lead_h, 0.0, 1.0))
    return np.where(lead_h < c.ERROR_LEADS_H[0], early, np.interp(lead_h, c.ERROR_LEADS_H, spread))


def _error(park: Park, element: str, kind: str, at_s: Array, lead_h: Array) -> Array:
    def day(d: int) -> Array:
        names = ("forecast error", element)
        return smooth_ar1_day(park.generated.seed, names, d, c.ERROR_TAU_MIN, c.ERROR_SMOOTH_TAU_MIN)

    return np.asarray(error_spread(kind, lead_h) * at_instants(day, at_s))


def _clear_share(park: Park, plant: Pv, at_s: Array) -> Array:
    return at_instants(lambda d: clear_day_mw(park.site, plant, d), at_s) / plant.resource.p_max_mw


def _kind(device: object) -> str:
    return "wind" if isinstance(device, Wind) else "pv"
