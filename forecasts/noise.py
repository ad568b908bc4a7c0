"""Random processes whose value is a function of (seed, names, time) alone.

Time is cut into UTC days of `KNOTS` knots. The white noise of a day comes from the day's own stream;
a filtered value looks back over a fixed number of days, so it does not matter what was asked before.
"""

from functools import lru_cache

import numpy as np

from vpp.seeds import generator
from vpp.types import Array

KNOT_S = 300
DAY_S = 86400
KNOTS = DAY_S // KNOT_S


@lru_cache(maxsize=4096)
def white_day(seed: int, names: tuple[str, ...], day: int) -> Array:
    """Return white noise of unit variance at the knots of a day, shape (KNOTS,)."""
    return generator(seed, *names, day).standard_normal(KNOTS)


def _memory(tau_min: float) -> float:
    return float(np.exp(-KNOT_S / 60 / tau_min))


@lru_cache(maxsize=4096)
def ar1_day(seed: int, names: tuple[str, ...], day: int, tau_min: float) -> Array:
    """Return a stationary AR(1) of unit variance at the knots of a day, shape (KNOTS,).

    `day` counts from 1970-01-01 UTC, `tau_min` is the correlation time in minutes. It starts from
    zero at least 30 `tau_min` earlier, so that what is left of the start is below 1e-13.
    """
    a = _memory(tau_min)
    x = _history(seed, names, day, tau_min)
    return _filtered((1 - a * a) ** 0.5, a, x)[-KNOTS:].copy()


@lru_cache(maxsize=4096)
def smooth_ar1_day(seed: int, names: tuple[str, ...], day: int, tau_min: float, smooth_min: float) -> Array:
    """Return an AR(1) of `tau_min` smoothed by one of `smooth_min`, unit variance, shape (KNOTS,).

    With poles a, b the smoothed variance is (1-b)^2 (1+ab) / ((1-b^2) (1-ab)), which is divided out.
    """
    a, b = _memory(tau_min), _memory(smooth_min)
    x = _history(seed, names, day, max(tau_min, smooth_min))
    slow = _filtered((1 - a * a) ** 0.5, a, x)
    variance = (1 - b) ** 2 * (1 + a * b) / ((1 - b * b) * (1 - a * b))
    return _filtered((1 - b) / variance**0.5, b, slow)[-KNOTS:].copy()


def _filtered(gain: float, pole: float, x: Array) -> Array:
    from scipy.signal import lfilter  # half a second to import

    return np.asarray(lfilter([gain], [1.0, -pole], x))


def _history(seed: int, names: tuple[str, ...], day: int, tau_min: float) -> Array:
    back = int(np.ceil(30 * tau_min * 60 / DAY_S))
    return np.concatenate([white_day(seed, names, d) for d in range(day - back, day + 1)])


@lru_cache(maxsize=4096)
def uniform_of_day(seed: int, names: tuple[str, ...], day: int) -> float:
    """Return one number in [0, 1) for a day."""
    return float(generator(seed, *names, day).random())
