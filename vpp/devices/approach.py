"""How power moves to its target: a first-order lag whose slope is limited.

dp/dt = (target - p) / lag, at most `up`, at least `-down`: linear while the distance exceeds
lag x ramp, exponential afterwards; both have closed forms, so any step length is exact.
"""

from math import exp, log
from typing import NamedTuple


class Lag(NamedTuple):
    """Limits of a motion."""

    lag_s: float
    up: float
    """MW/s, > 0"""
    down: float
    """MW/s, > 0"""


def approach(p_mw: float, target_mw: float, limits: Lag, dt_s: float) -> tuple[float, float]:
    """Return (power after `dt_s`, integral of the power in MW s)."""
    lag_s, up, down = limits
    gap = target_mw - p_mw
    if gap == 0.0:
        return p_mw, p_mw * dt_s
    slope = up if gap > 0 else -down
    knee = slope * lag_s
    if abs(gap) > abs(knee):
        linear_s = (gap - knee) / slope
        if linear_s >= dt_s:
            end = p_mw + slope * dt_s
            return end, 0.5 * (p_mw + end) * dt_s
        area = (p_mw + 0.5 * slope * linear_s) * linear_s
        rest_s, gap = dt_s - linear_s, knee
    else:
        area, rest_s = 0.0, dt_s
    if lag_s <= 0.0:
        return target_mw, area + target_mw * rest_s
    left = gap * exp(-rest_s / lag_s)
    return target_mw - left, area + target_mw * rest_s - lag_s * (gap - left)


def approach_parts(
    p_mw: float, target_mw: float, limits: Lag, dt_s: float, level_mw: float
) -> tuple[float, float, float]:
    """Return (power after `dt_s`, MW s above `level_mw`, MW s below it), both parts >= 0."""
    end, area = approach(p_mw, target_mw, limits, dt_s)
    excess = area - level_mw * dt_s
    if (p_mw - level_mw) * (end - level_mw) >= 0.0:
        return (end, max(0.0, excess), 0.0) if p_mw + end >= 2 * level_mw else (end, 0.0, max(0.0, -excess))
    cross_s = min(dt_s, _reach_s(p_mw, target_mw, limits, level_mw))
    _, before = approach(p_mw, target_mw, limits, cross_s)
    first = before - level_mw * cross_s
    second = excess - first
    return (
        (end, max(0.0, first), max(0.0, -second))
        if p_mw > level_mw
        else (
            end,
            max(0.0, second),
            max(0.0, -first),
        )
    )


def _reach_s(p_mw: float, target_mw: float, limits: Lag, level_mw: float) -> float:
    gap = target_mw - p_mw
    lag_s, slope = limits.lag_s, limits.up if gap > 0 else -limits.down
    knee = slope * lag_s
    if abs(gap) <= abs(knee):
        return lag_s * log(gap / (target_mw - level_mw))
    linear = gap - knee
    if abs(level_mw - p_mw) <= abs(linear):
        return (level_mw - p_mw) / slope
    return linear / slope + lag_s * log(knee / (target_mw - level_mw))
