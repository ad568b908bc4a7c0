"""Moves of banks and taps over a day: few, each worth its wear, each judged by AC power flow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from network.ac_states import AcStates
from network.powerflow import Oracle
from network.reactive_descent import Quadratics, descend, objective, part_of
from network.reactive_rows import Limits, Slopes, values_of
from vpp.types import Array

MOVE_CNY = {"shunt": 100.0, "tap": 60.0}
"""Wear of one switching of a bank or one step of a tap changer; assumption. Steers, is in no bill."""
MOST_MOVES = {"shunt": 4, "tap": 8}
"""Moves of one bank, steps of one tap changer within a plan's window and within a day (assumption)."""
NEVER = 1e9
"""Moves left where nothing wears."""
FORBIDDEN_CNY = 1e9
"""Price of a move on a day that has none left: no gain pays for it."""
LEAST_GAIN_CNY = 1.0
"""A promise below this is not worth an AC check."""
GLANCE = 15
"""Iterations of a descent that only ranks moves; the one that is taken is judged by AC power flow."""
MOST_ASKED = 6
"""Groups that are asked for relief, those first that pull most at what is broken."""
REACH = 4
"""Positions to either side of the present course that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Moves that are left to each actuator."""

    day: npt.NDArray[np.int64]
    """(steps,) the day of each step, counted from 0."""
    left: Array
    """(days, actuators) in positions."""

    def used(self, at: Array, start: Array) -> Array:
        """Return (days, actuators) the moves of positions (steps, actuators) from `start` on."""
        moves = np.abs(np.diff(np.vstack([start, at]), axis=0))
        used = np.zeros_like(self.left)
        np.add.at(used, self.day, moves)
        return used

    def held(self, at: Array, start: Array) -> Array:
        """Return the same positions, but what has no move left for its day stays where it stands."""
        if (self.used(at, start) <= self.left).all():
            return at
        found, here, left = at.copy(), start.astype(np.float64), self.left.copy()
        for step, day in enumerate(self.day):
            move = np.clip(at[step] - here, -left[day], left[day])
            here, left[day] = here + move, left[day] - np.abs(move)
            found[step] = here
        return found


def budget_of(oracle: Oracle, day: npt.NDArray[np.int64], moved: Mapping[str, float]) -> Budget:
    """Return what a day allows, less what was `moved` on day 0 by actuator."""
    kinds = [oracle.park.actuators[name].kind for name in oracle.actuators]
    most = np.array([float(MOST_MOVES.get(kind, NEVER)) for kind in kinds])
    left = np.tile(most, (int(day.max(initial=0)) + 1, 1))
    spent = np.array([moved.get(name, 0.0) for name in oracle.actuators])
    left[0] = np.maximum(0.0, np.floor(most - spent))
    return Budget(day=day, left=left)


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
    budget: Budget
    loss_cny_per_mwh: float


def moved(oracle: Oracle, p_mw: Array, q_mvar: Array, positions: Array, moving: Moving) -> Array:
    """Return positions (steps, actuators) with the moves that pay, the best group first.

    A group's course is the cheapest path over its positions by the linear model; it is kept only where
    the AC power flow of all steps says that it pays, and no group is asked twice.
    """
    at, states = positions, oracle.solve(p_mw, q_mvar, positions)
    cost = cost_cny(oracle, at, states, moving)
    asked = set(range(len(moving.groups)))
    while asked:
        gains = {g: _course(oracle, at, states, moving, g) for g in asked}
        best = max(gains, key=lambda g: gains[g][0])
        if gains[best][0] <= LEAST_GAIN_CNY:
            break
        asked.discard(best)
        tried = at.copy()
        tried[:, moving.groups[best]] += gains[best][1][:, None]
        after = oracle.solve(p_mw, q_mvar, tried)
        now = cost_cny(oracle, tried, after, moving)
        if now < cost:
            at, states, cost = tried, after, now
    return at


def relieving(
    oracle: Oracle, positions: Array, moving: Moving, problem: Quadratics, banned: Collection[int]
) -> tuple[int, Array] | None:
    """Return (group, positions) of the single-position move that relieves most, or None.

    In steps that break a limit the sources answer the move, by a descent in the linear model, so this
    sees relief that a source at work against a limit hides. `problem` is that of the present plan.
    """
    bad = np.asarray((problem.room < 0).any(axis=1), dtype=np.bool_)
    reference = moving.slopes.reference
    along = moving.slopes.rows[reference, :, -len(moving.groups) :] / moving.limits.scale[:, None]
    lost = moving.loss_cny_per_mwh * moving.slopes.losses[reference, -len(moving.groups) :]
    pull = np.abs(np.einsum("trg,tr->tg", along, problem.weight * np.maximum(0.0, -problem.room))).sum(axis=0)
    asked = [g for g in np.argsort(-pull) if g not in banned and pull[g] > 0][:MOST_ASKED]
    best: tuple[float, int, Array] | None = None
    for g in asked:
        group = moving.groups[g]
        allowed = _allowed(oracle, positions, group, np.arange(-1, 2))
        cost: Array = np.where(allowed, 0.0, np.inf)
        for k in range(3):
            if allowed[:, k].any():
                cost[:, k] += _answered(problem, bad, (k - 1) * along[:, :, g]) + (k - 1) * lost[:, g]
        gain, path = _cheapest(oracle, positions, moving, group, cost * moving.hours[:, None])
        if gain > LEAST_GAIN_CNY and (best is None or gain > best[0]):
            best = (gain, int(g), path)
    if best is None:
        return None
    tried = positions.copy()
    tried[:, moving.groups[best[1]]] += best[2][:, None]
    return best[1], tried


def _answered(problem: Quadratics, bad: npt.NDArray[np.bool_], shift: Array) -> Array:
    """Return (steps,) the cost of values shifted by (steps, rows); in bad steps sources answer."""
    moved = replace(problem, room=problem.room - shift)
    cost = objective(moved, np.zeros_like(problem.slope))
    some = part_of(moved, bad)
    cost[bad] = objective(some, descend(some, np.zeros_like(some.slope), GLANCE))
    return cost


def cost_cny(oracle: Oracle, positions: Array, states: AcStates, moving: Moving) -> float:
    """Return what limits, losses and moves of a plan weigh together."""
    return _cost(states, moving) + _wear(oracle, positions, moving)


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
    offsets = np.arange(-REACH, REACH + 1)
    ref = moving.slopes.reference
    slope = moving.slopes.rows[ref, :, g] / moving.limits.scale
    value = (values_of(states, moving.limits) - moving.limits.upper) / moving.limits.scale
    alive = (value + REACH * np.abs(slope) > 0).any(axis=0)
    over = np.maximum(0.0, value[:, alive, None] + slope[:, alive, None] * offsets)
    cost = 0.5 * np.einsum("tro,r->to", over**2, moving.weight[alive])
    cost += moving.loss_cny_per_mwh * moving.slopes.losses[ref, g][:, None] * offsets
    cost = np.where(_allowed(oracle, at, group, offsets), cost * moving.hours[:, None], np.inf)
    return _cheapest(oracle, at, moving, group, cost)


def _allowed(
    oracle: Oracle, at: Array, group: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return (steps, offsets): whether the group stays in its range."""
    there = at[:, None, group] + offsets[None, :, None]
    inside = (there >= oracle.position_min[group]) & (there <= oracle.position_max[group])
    return np.asarray(inside.all(axis=2), dtype=np.bool_)


def _cheapest(
    oracle: Oracle, at: Array, moving: Moving, group: npt.NDArray[np.int64], cost: Array
) -> tuple[float, Array]:
    """Return (gain, path of offsets) by dynamic programming with few enough moves; (0, none) without."""
    kind = oracle.park.actuators[oracle.actuators[group[0]]].kind
    course = at[:, group[0]]
    price = _price(oracle, group)
    still = (
        cost[:, cost.shape[1] // 2].sum()
        + price * np.abs(np.diff(course, prepend=moving.start[group[0]])).sum()
    )
    day, left = moving.budget.day, moving.budget.left[:, group].min(axis=1)
    prices = np.where(left < 1, FORBIDDEN_CNY, price)[day]
    for _ in range(6):
        total, path = _walk(cost, course, float(moving.start[group[0]]), prices)
        tried = at.copy()
        tried[:, group] += path[:, None]
        used = moving.budget.used(tried, moving.start)[:, group].max(axis=1)
        if used.sum() <= MOST_MOVES[kind] and (used <= left).all():
            return float(still - total), path
        prices = prices * np.where(used.sum() > MOST_MOVES[kind], 2.0, np.where(used > left, 2.0, 1.0))[day]
    return 0.0, np.zeros(len(at))


def _walk(cost: Array, course: Array, start: float, price: Array) -> tuple[float, Array]:
    """Return the cheapest path of offsets over all steps (dynamic programming), and its cost.

    `price` (steps,) is that of a move into each step.
    """
    steps, choices = cost.shape
    offsets = np.arange(choices) - choices // 2
    best = cost[0] + price[0] * np.abs(course[0] + offsets - start)
    back = np.zeros((steps, choices), dtype=np.int64)
    for t in range(1, steps):
        jump = np.abs((course[t] + offsets)[None, :] - (course[t - 1] + offsets)[:, None])
        through = best[:, None] + price[t] * jump
        back[t] = np.argmin(through, axis=0)
        best = through[back[t], np.arange(choices)] + cost[t]
    k = int(np.argmin(best))
    path = np.empty(steps)
    total = float(best[k])
    for t in range(steps - 1, -1, -1):
        path[t] = offsets[k]
        k = int(back[t, k])
    return total, path
