"""Moves of banks and taps over a day: few, each worth its wear, each judged by AC power flow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from network.powerflow import AcStates, Oracle
from network.reactive_rows import Limits, Slopes, values_of
from vpp.types import Array

MOVE_CNY = {"shunt": 100.0, "tap": 60.0}
"""Wear of one switching of a bank or one step of a tap changer; assumption. Steers, is in no bill."""
MOST_MOVES = {"shunt": 4, "tap": 8}
"""Moves of one bank, steps of one tap changer within a plan's window and within a day (assumption)."""
REACH = 4
"""Positions to either side of the present course that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What a search for moves knows."""

    groups: tuple[npt.NDArray[np.int64], ...]
    """Actuators that move as one."""
    slopes: Slopes
    """Along the groups."""
    limits: Limits
    weight: Array
    """(rows,) CNY per hour and squared unit of excess."""
    hours: Array
    """(steps,)."""
    start: Array
    """(actuators,) where they stand before the first step."""
    loss_cny_per_mwh: float


def moved(oracle: Oracle, p_mw: Array, q_mvar: Array, positions: Array, moving: Moving) -> Array:
    """Return positions (steps, actuators) with the moves that pay, the best group first.

    A group's course is the cheapest path over its positions by the linear model; it is kept only where
    the AC power flow of all steps says that it pays, and no group is asked twice.
    """
    at, states = positions, oracle.solve(p_mw, q_mvar, positions)
    cost = _cost(states, moving) + _wear(oracle, at, moving)
    asked = set(range(len(moving.groups)))
    while asked:
        gains = {g: _course(oracle, at, states, moving, g) for g in asked}
        best = max(gains, key=lambda g: gains[g][0])
        if gains[best][0] <= 0.0:
            break
        asked.discard(best)
        tried = at.copy()
        tried[:, moving.groups[best]] += gains[best][1][:, None]
        after = oracle.solve(p_mw, q_mvar, tried)
        now = _cost(after, moving) + _wear(oracle, tried, moving)
        if now < cost:
            at, states, cost = tried, after, now
    return at


def _cost(states: AcStates, moving: Moving) -> float:
    over = np.maximum(0.0, (values_of(states, moving.limits) - moving.limits.upper) / moving.limits.scale)
    over = np.where(np.isfinite(over), over, 1e3)
    per_hour = (
        moving.loss_cny_per_mwh * np.nan_to_num(states.losses_mw, nan=1e6) + 0.5 * over**2 @ moving.weight
    )
    return float(per_hour @ moving.hours)


def _price(oracle: Oracle, group: npt.NDArray[np.int64]) -> float:
    return sum(MOVE_CNY[oracle.park.actuators[oracle.actuators[k]].kind] for k in group)


def _wear(oracle: Oracle, positions: Array, moving: Moving) -> float:
    steps = np.abs(np.diff(np.vstack([moving.start, positions]), axis=0)).sum(axis=0)
    return float(sum(_price(oracle, g[:1]) * steps[g].sum() for g in moving.groups))


def _course(oracle: Oracle, at: Array, states: AcStates, moving: Moving, g: int) -> tuple[float, Array]:
    """Return (gain in CNY by the linear model, what the group adds to its positions in each step)."""
    group = moving.groups[g]
    kind = oracle.park.actuators[oracle.actuators[group[0]]].kind
    low, high = oracle.position_min[group], oracle.position_max[group]
    offsets = np.arange(-REACH, REACH + 1)
    allowed = (at[:, None, group] + offsets[None, :, None] >= low).all(axis=2)
    allowed &= (at[:, None, group] + offsets[None, :, None] <= high).all(axis=2)
    ref = moving.slopes.reference
    slope = moving.slopes.rows[ref, :, g] / moving.limits.scale
    value = (values_of(states, moving.limits) - moving.limits.upper) / moving.limits.scale
    alive = (value + REACH * np.abs(slope) > 0).any(axis=0)
    over = np.maximum(0.0, value[:, alive, None] + slope[:, alive, None] * offsets)
    cost = 0.5 * np.einsum("tro,r->to", over**2, moving.weight[alive])
    cost += moving.loss_cny_per_mwh * moving.slopes.losses[ref, g][:, None] * offsets
    cost = np.where(allowed, cost * moving.hours[:, None], np.inf)
    course = at[:, group[0]]
    price = _price(oracle, group)
    still = cost[:, REACH].sum() + price * np.abs(np.diff(course, prepend=moving.start[group[0]])).sum()
    for _ in range(6):
        total, path = _walk(cost, course, float(moving.start[group[0]]), price)
        moves = np.abs(np.diff(course + path, prepend=moving.start[group[0]])).sum()
        if moves <= MOST_MOVES[kind]:
            return float(still - total), path
        price *= 2
    return 0.0, np.zeros(len(at))


def _walk(cost: Array, course: Array, start: float, price: float) -> tuple[float, Array]:
    """Return the cheapest path of offsets over all steps (dynamic programming), and its cost."""
    steps, choices = cost.shape
    offsets = np.arange(choices) - choices // 2
    best = cost[0] + price * np.abs(course[0] + offsets - start)
    back = np.zeros((steps, choices), dtype=np.int64)
    for t in range(1, steps):
        jump = np.abs((course[t] + offsets)[None, :] - (course[t - 1] + offsets)[:, None])
        through = best[:, None] + price * jump
        back[t] = np.argmin(through, axis=0)
        best = through[back[t], np.arange(choices)] + cost[t]
    k = int(np.argmin(best))
    path = np.empty(steps)
    total = float(best[k])
    for t in range(steps - 1, -1, -1):
        path[t] = offsets[k]
        k = int(back[t, k])
    return total, path
