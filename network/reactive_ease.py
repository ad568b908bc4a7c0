"""Continuous reactive power at its best for given banks and taps: descents and AC checks in turn."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from network.ac_states import AcStates
from network.powerflow import Oracle
from network.reactive_descent import Quadratics, descend
from network.reactive_rows import Columns, Limits, Slopes, limits_of, loss_curvature, slopes, values_of
from vpp.types import Array

MARGINS = (0.002, 0.03, 1.0)
"""How far inside a limit the plan stays: vm in pu, share of the tie's Mvar, percent of loading;
assumption, for what a forecast errs within a step."""
LOSS_CNY_PER_MWH = 400.0
"""Worth of a MWh lost, the mean price at the tie of the shipped parks; weighs, is in no bill."""
INVERTER_LOSS = 0.01
"""Own losses of a source at its full apparent rating in Q, as a share of it; assumption."""
WEIGHTS = (40.0, 100.0, 50.0)
"""CNY per hour and squared excess in mpu, Mvar, percent; far above what losses are worth."""
ROUNDS = 2
"""Descents and AC checks in turn; the second corrects what the slopes of references miss."""
SETTLED_MVAR = 0.1
"""A round that moves less ends the descents."""
NEAR = 25.0
"""Rows with more room than this in every step, in units of `Limits.scale`, wait for the next round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarPlan:
    """Reactive power and positions of all steps, and what they lead to."""

    q_mvar: Array
    """(steps, elements) in the oracle's order, injection positive."""
    positions: Array
    """(steps, actuators) in the oracle's order."""
    states: AcStates


@lru_cache(maxsize=4)
def _curvature(oracle: Oracle, elements: tuple[int, ...], statcoms: tuple[int, ...]) -> Array:
    """Return the curvature of losses, once per grid and choice of columns, with nothing injected."""
    columns = Columns(elements=np.array(elements, np.int64), statcoms=np.array(statcoms, np.int64))
    nothing = np.zeros(len(oracle.elements))
    return loss_curvature(oracle, columns, nothing, nothing, oracle.at_rest)


def _ratings(oracle: Oracle, columns: Columns) -> Array:
    park = oracle.park
    rows = [park.resources[oracle.elements[k]] for k in columns.elements]
    own = [row.s_mva or max(row.p_max_mw, -row.p_min_mw, 1.0) for row in rows]
    return np.array([*own, *np.maximum(oracle.position_max[columns.statcoms], 1.0)])


def weights_of(limits: Limits) -> Array:
    """Return (rows,) the weight of each limit's squared excess, CNY per hour."""
    vm, tie, percent = WEIGHTS
    branches = len(limits.branches)
    buses = len(limits.scale) - branches - 2
    return np.concatenate([np.full(buses, vm), np.full(2, tie), np.full(branches, percent)])


def eased(oracle: Oracle, p_mw: Array, now: VarPlan, columns: Columns, box: tuple[Array, Array]) -> VarPlan:
    """Return the plan with its continuous columns at their best, positions of banks and taps kept."""
    if columns.count == 0:
        return now
    limits = limits_of(oracle, now.states, margins=MARGINS)
    slope = slopes(oracle, (p_mw, now.q_mvar, now.positions), columns, limits)
    source = source_of(oracle, columns, slope, limits, box)
    for _ in range(ROUNDS):
        x = columns.of(now.q_mvar, now.positions)
        problem = _near(problem_of(source, now.states, x), limits)
        after = x + descend(problem, np.zeros_like(x))
        q, at = columns.into(after, now.q_mvar, now.positions)
        now = VarPlan(q_mvar=q, positions=at, states=oracle.solve(p_mw, q, at))
        if np.abs(after - x).max(initial=0.0) < SETTLED_MVAR:
            break
    return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the quadratics of all rounds share."""

    slope: Slopes
    limits: Limits
    curvature: Array
    own: Array
    """(columns,) own losses, MW per Mvar squared."""
    box: tuple[Array, Array]


def source_of(
    oracle: Oracle, columns: Columns, slope: Slopes, limits: Limits, box: tuple[Array, Array]
) -> Source:
    """Return what the descents along `columns` share."""
    return Source(
        slope=slope,
        limits=limits,
        curvature=_curvature(oracle, tuple(columns.elements.tolist()), tuple(columns.statcoms.tolist())),
        own=INVERTER_LOSS / _ratings(oracle, columns),
        box=box,
    )


def problem_of(of: Source, states: AcStates, x: Array) -> Quadratics:
    """Return the quadratics in what is added to `x`, where the power flow found `states`."""
    ref, scale = of.slope.reference, of.limits.scale
    gradient = of.slope.losses[ref] + (x - of.slope.at[ref]) @ of.curvature + 2 * of.own * x
    return Quadratics(
        slope=LOSS_CNY_PER_MWH * gradient,
        curvature=LOSS_CNY_PER_MWH * (of.curvature + np.diag(2 * of.own)),
        rows=(of.slope.rows / scale[:, None])[ref],
        room=(of.limits.upper - values_of(states, of.limits)) / scale,
        weight=weights_of(of.limits),
        low=of.box[0] - x,
        high=of.box[1] - x,
    )


def _near(problem: Quadratics, limits: Limits) -> Quadratics:
    """Return the problem without voltages and loadings that are far from their limit in every step."""
    close = np.asarray((problem.room < NEAR).any(axis=0), dtype=np.bool_)
    first = len(limits.scale) - len(limits.branches) - 2
    close[first : first + 2] = True
    return replace(
        problem, rows=problem.rows[:, close], room=problem.room[:, close], weight=problem.weight[close]
    )
