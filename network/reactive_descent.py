"""Reactive power of all steps at once: a box-constrained quadratic per step, by projected Newton.

minimise  slope . x + 1/2 x' curvature x + 1/2 weight . max(0, rows x - room)^2,  low <= x <= high

Steps do not see each other, so every iteration is one batch of small dense solves (projected Newton
after Bertsekas 1982: bounds that hold and would be left are kept, the rest moves by Newton's step);
where that step brings little, as across a row's edge or out of a corner, a sweep over coordinates follows.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vpp.types import Array

ITERATIONS = 60
HALVINGS = (1.0, 0.5, 0.2, 0.05, 0.01)
"""Shares of Newton's step that are tried; the first that descends is taken."""
STILL = 1e-4
"""Mvar below which nothing moves any more."""
WORTH = 1e-9
"""A fall of the objective below this is none."""
SETTLED = 1e-4
"""A fall per iteration, CNY per hour, below which a step has settled: far below what any limit or loss
weighs (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadratics:
    """One problem per step."""

    slope: Array
    """(steps, n)."""
    curvature: Array
    """(steps, n, n) or (n, n), positive definite."""
    rows: Array
    """(steps, rows, n)."""
    room: Array
    """(steps, rows); inf where a row does not count."""
    weight: Array
    """(rows,)."""
    low: Array
    high: Array
    """(steps, n)."""


def descend(problem: Quadratics, start: Array, iterations: int = ITERATIONS) -> Array:
    """Return the minimisers, (steps, n), from `start` moved inside the box; estimates with few iterations."""
    x = np.clip(start, problem.low, problem.high)
    moving = np.ones(len(x), dtype=np.bool_)
    for _ in range(iterations):
        part = problem if moving.all() else part_of(problem, moving)
        after, fall = _stepped(part, x[moving])
        still = (np.abs(after - x[moving]).max(axis=1, initial=0.0) < STILL) | (fall < SETTLED)
        x[moving] = after
        moving[np.flatnonzero(moving)[still]] = False
        if not moving.any():
            break
    return x


def _stepped(problem: Quadratics, x: Array) -> tuple[Array, Array]:
    """Return the points after one projected Newton step, never worse than `x`, and what each saves."""
    eye = np.eye(x.shape[1], dtype=bool)
    over = np.maximum(0.0, _excess(problem, x))
    gradient = problem.slope + _times(problem.curvature, x) + _over_rows(problem, problem.weight * over)
    held = ((x <= problem.low) & (gradient > 0)) | ((x >= problem.high) & (gradient < 0))
    some = (over > 0).any(axis=0)
    active = problem.rows[:, some] * np.sqrt(problem.weight[some] * (over[:, some] > 0))[:, :, None]
    hessian = problem.curvature + active.transpose(0, 2, 1) @ active
    hessian = np.where(held[:, :, None] | held[:, None, :], eye, hessian)
    step = -np.linalg.solve(hessian, np.where(held, 0.0, gradient)[:, :, None])[:, :, 0]
    here, after = objective(problem, x), x.copy()
    there, worse = here.copy(), np.ones(len(x), dtype=np.bool_)
    for share in HALVINGS:
        tried = np.clip(x + share * step, problem.low, problem.high)
        value = objective(problem, tried)
        better = worse & (value < here - WORTH)
        after[better], there[better] = tried[better], value[better]
        worse &= ~better
        if not worse.any():
            break
    little = here - there < SETTLED
    if little.any():
        part = part_of(problem, little)
        after[little] = _swept(part, after[little])
        there[little] = objective(part, after[little])
    return after, here - there


def part_of(problem: Quadratics, some: npt.NDArray[np.bool_]) -> Quadratics:
    """Return the problems of some steps, (steps,) True."""
    curvature = problem.curvature[some] if problem.curvature.ndim == 3 else problem.curvature
    return replace(
        problem,
        slope=problem.slope[some],
        curvature=curvature,
        rows=problem.rows[some],
        room=problem.room[some],
        low=problem.low[some],
        high=problem.high[some],
    )


def _swept(problem: Quadratics, start: Array) -> Array:
    """Return the point after one sweep over the coordinates, each moved to the best of a majorant.

    Never worse than `start`; it leads out of corners in which Newton's step, cut by the box, goes uphill.
    """
    x = start.copy()
    curvature = np.broadcast_to(problem.curvature, (*x.shape, x.shape[1]))
    bend = np.diagonal(curvature, axis1=1, axis2=2) + problem.weight @ problem.rows**2
    excess, columns = _excess(problem, x), np.ascontiguousarray(problem.rows.transpose(2, 0, 1))
    for k in range(x.shape[1]):
        over = problem.weight * np.maximum(0.0, excess)
        gradient = problem.slope[:, k] + (curvature[:, k] * x).sum(axis=1) + (columns[k] * over).sum(axis=1)
        there = np.clip(x[:, k] - gradient / bend[:, k], problem.low[:, k], problem.high[:, k])
        excess += columns[k] * (there - x[:, k])[:, None]
        x[:, k] = there
    return x


def objective(problem: Quadratics, x: Array) -> Array:
    """Return (steps,), the value of each step."""
    over = np.maximum(0.0, _excess(problem, x))
    quadratic = (problem.slope + 0.5 * _times(problem.curvature, x)) * x
    value: Array = quadratic.sum(axis=1) + 0.5 * (over**2) @ problem.weight
    return value


def _excess(problem: Quadratics, x: Array) -> Array:
    moved: Array = (problem.rows @ x[:, :, None])[:, :, 0] - problem.room
    return moved


def _over_rows(problem: Quadratics, values: Array) -> Array:
    """Return (steps, n): rows weighted by (steps, rows) and added up."""
    total: Array = (values[:, None, :] @ problem.rows)[:, 0]
    return total


def _times(matrix: Array, x: Array) -> Array:
    product: Array = (matrix @ x[:, :, None])[:, :, 0]
    return product
