"""A line through knots of 5 minutes, cut into UTC days: values at instants, means over intervals."""

from collections.abc import Callable

import numpy as np

from forecasts.noise import DAY_S, KNOT_S
from vpp.types import Array

Day = Callable[[int], Array]
"""Days since 1970-01-01 UTC -> values at the day's knots."""


def at_instants(day: Day, at_epoch_s: Array) -> Array:
    """Return the values at instants (seconds since 1970 UTC), same shape."""
    times, values = _knots(day, float(at_epoch_s.min()), float(at_epoch_s.max()))
    return np.interp(at_epoch_s, times, values)


def means(day: Day, begin_epoch_s: Array, step_s: float) -> Array:
    """Return the exact means over intervals of `step_s` seconds that begin at the given seconds."""
    times, values = _knots(day, float(begin_epoch_s.min()), float(begin_epoch_s.max()) + step_s)
    integral = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2) * KNOT_S])
    upto, before = (_primitive(at, times, values, integral) for at in (begin_epoch_s + step_s, begin_epoch_s))
    return (upto - before) / step_s


def _primitive(at: Array, times: Array, values: Array, integral: Array) -> Array:
    """Return the integral of the line through the knots from the first knot to `at`."""
    k = np.clip(((at - times[0]) // KNOT_S).astype(np.int64), 0, len(times) - 2)
    part = at - times[k]
    slope = (values[k + 1] - values[k]) / KNOT_S
    return np.asarray(integral[k] + values[k] * part + slope * part * part / 2)


def _knots(day: Day, first_s: float, last_s: float) -> tuple[Array, Array]:
    """Return times and values of the knots of all days that [first, last] touches, and one more."""
    first, last = int(first_s // DAY_S), int(last_s // DAY_S)
    blocks = [day(d) for d in range(first, last + 1)]
    values = np.concatenate([*blocks, day(last + 1)[:1]])
    return first * DAY_S + KNOT_S * np.arange(len(values), dtype=np.float64), values
