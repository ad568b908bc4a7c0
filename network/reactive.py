"""The reactive plan: Q of inverters, machines and statcoms, steps of banks, taps, for a given P.

Inverters and machines answer first, in every step for itself (`reactive_descent`): voltages, loadings
and the tie's power factor inside their limits, then least losses. Banks and taps move only for what is
left, or where a move saves more than it costs (`reactive_moves`). Every choice is judged by AC power flow.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from network.model import q_mvar
from network.powerflow import Oracle
from network.reactive_ease import (
    LOSS_CNY_PER_MWH,
    MARGINS,
    VarPlan,
    eased,
    problem_of,
    source_of,
    weights_of,
)
from network.reactive_moves import Budget, Moving, budget_of, cost_cny, moved, relieving
from network.reactive_rows import (
    Columns,
    Limits,
    Slopes,
    limits_of,
    slopes,
    values_of,
)
from vpp.devices import q_limits
from vpp.park.model import Park
from vpp.types import Array

USED = 0.9
"""Share of a device's reactive span that is planned: forecast and tie control move its P (assumption)."""
CHOICE_MVAR = 1e-6
"""A span wider than this leaves a choice."""
TRIALS = 6
"""Moves that are tried to let sources off, each with a descent and an AC check."""
EXCESS = 0.5
"""Excess over the margins, in units of `Limits.scale`, that asks for a move of banks or taps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """What each element can give in each step, (steps, elements), Mvar."""

    low: Array
    high: Array


def q_spans(
    park: Park, elements: tuple[str, ...], p_mw: Array, modes: Mapping[str, Array], dead: Collection[str] = ()
) -> Spans:
    """Return the reactive spans of elements at `p_mw` (steps, elements).

    `modes` holds the planned mode code of CAES plants; `dead` are devices that do not answer and keep
    at 0 Mvar. Loads, and what else has no choice, have a span of one point.
    """
    low, high = np.empty_like(p_mw), np.empty_like(p_mw)
    for k, name in enumerate(elements):
        device = park.devices.get(name)
        if device is None:
            low[:, k] = high[:, k] = q_mvar(park, name, p_mw[:, k])
        elif name in dead:
            low[:, k] = high[:, k] = 0.0
        else:
            codes = modes.get(name, np.zeros(len(p_mw)))
            spans = [q_limits(device, p, c) for p, c in zip(p_mw[:, k].tolist(), codes.tolist(), strict=True)]
            low[:, k], high[:, k] = np.array(spans).T if spans else np.empty((2, 0))
    return Spans(low=low, high=high)


def ruled(oracle: Oracle, p_mw: Array) -> VarPlan:
    """Return the plan by fixed rules: Q by power factor, banks and taps at rest."""
    q = np.column_stack([q_mvar(oracle.park, name, p_mw[:, k]) for k, name in enumerate(oracle.elements)])
    at = np.tile(oracle.at_rest, (len(p_mw), 1))
    return VarPlan(q_mvar=q, positions=at, states=oracle.solve(p_mw, q, at))


def kept(oracle: Oracle, p_mw: Array, spans: Spans, near: tuple[Array, Array]) -> VarPlan:
    """Return (q_mvar, positions) cut to other spans, positions unchanged, with the states at `p_mw`."""
    q, at = np.clip(near[0], spans.low, spans.high), near[1]
    return VarPlan(q_mvar=q, positions=at, states=oracle.solve(p_mw, q, at))


def reactive_plan(
    oracle: Oracle,
    p_mw: Array,
    spans: Spans,
    *,
    start: Array,
    movable: npt.NDArray[np.bool_],
    hours: Array,
    near: tuple[Array, Array] | None = None,
    budget: Budget | None = None,
) -> VarPlan:
    """Return the reactive plan for injections `p_mw` (steps, elements).

    `start` is where actuators stand before the first step and `movable` which of them answer, both
    (actuators,); `hours` the length of each step. With `near`, (q_mvar, positions) for similar
    injections, banks and taps keep those positions unless limits ask for a move. `budget` holds the moves
    that each day has left; without it all steps are of one day on which nothing moved yet.
    """
    columns = _columns(oracle, spans, movable)
    x_low, x_high = _box(oracle, columns, spans)
    q, at = near if near is not None else (np.zeros_like(p_mw), np.tile(start, (len(p_mw), 1)))
    budget = budget or budget_of(oracle, np.zeros(len(p_mw), dtype=np.int64), {})
    at = budget.held(np.where(movable, at, start), start)
    q = np.clip(q, spans.low, spans.high)
    q, at = columns.into(np.clip(columns.of(q, at), x_low, x_high), q, at)
    now = VarPlan(q_mvar=q, positions=at, states=oracle.solve(p_mw, q, at))
    box = (x_low, x_high)
    now = eased(oracle, p_mw, now, columns, box)
    limits = limits_of(oracle, now.states, margins=MARGINS)
    excess = (values_of(now.states, limits) - limits.upper) / limits.scale
    groups = tuple(group for group in _groups(oracle) if movable[group].all())
    if groups and (near is None or excess.max(initial=0.0) > EXCESS):
        at = _moved(oracle, p_mw, now, columns, groups, start=start, hours=hours, budget=budget)
        if not np.array_equal(at, now.positions):
            now = VarPlan(q_mvar=now.q_mvar, positions=at, states=oracle.solve(p_mw, now.q_mvar, at))
            now = eased(oracle, p_mw, now, columns, box)
        now = _relieved(
            oracle, p_mw, now, columns, box=box, groups=groups, start=start, hours=hours, budget=budget
        )
    return now


def _columns(oracle: Oracle, spans: Spans, movable: npt.NDArray[np.bool_]) -> Columns:
    free = np.flatnonzero((spans.high - spans.low).max(axis=0, initial=0.0) > CHOICE_MVAR)
    kinds = np.array([oracle.park.actuators[a].kind for a in oracle.actuators], dtype=str)
    return Columns(elements=free, statcoms=np.flatnonzero((kinds == "statcom") & movable))


def _box(oracle: Oracle, columns: Columns, spans: Spans) -> tuple[Array, Array]:
    steps, at = len(spans.low), columns.statcoms
    low = np.hstack([spans.low[:, columns.elements], np.tile(oracle.position_min[at], (steps, 1))])
    high = np.hstack([spans.high[:, columns.elements], np.tile(oracle.position_max[at], (steps, 1))])
    middle, half = (low + high) / 2, USED * (high - low) / 2
    return middle - half, middle + half


@lru_cache(maxsize=4)
def _groups(oracle: Oracle) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the actuators that move as one: parallel transformers together, banks each for itself."""
    trafos = {trafo.name: trafo for trafo in oracle.park.grid.trafos}
    groups: dict[tuple[str, ...], list[int]] = {}
    for k, name in enumerate(oracle.actuators):
        row = oracle.park.actuators[name]
        if row.kind == "tap":
            trafo = trafos[row.element]
            groups.setdefault((trafo.hv_bus, trafo.lv_bus), []).append(k)
        elif row.kind == "shunt":
            groups[(row.element,)] = [k]
    return tuple(np.array(group, dtype=np.int64) for group in groups.values())


def _relieved(
    oracle: Oracle,
    p_mw: Array,
    now: VarPlan,
    columns: Columns,
    *,
    box: tuple[Array, Array],
    groups: tuple[npt.NDArray[np.int64], ...],
    start: Array,
    hours: Array,
    budget: Budget,
) -> VarPlan:
    """Return the plan after moves that let sources off which work against a limit; few are tried."""
    banned: set[int] = set()
    for _ in range(TRIALS):
        limits = limits_of(oracle, now.states, margins=MARGINS)
        if ((values_of(now.states, limits) - limits.upper) / limits.scale).max(initial=0.0) <= EXCESS:
            break
        slope = slopes(oracle, (p_mw, now.q_mvar, now.positions), columns, limits, groups)
        moving = _moving(slope, limits, groups, start=start, hours=hours, budget=budget)
        own = replace(slope, rows=slope.rows[:, :, : columns.count], losses=slope.losses[:, : columns.count])
        problem = problem_of(
            source_of(oracle, columns, own, limits, box), now.states, columns.of(now.q_mvar, now.positions)
        )
        move = relieving(oracle, now.positions, moving, problem, banned)
        if move is None:
            break
        tried = VarPlan(q_mvar=now.q_mvar, positions=move[1], states=oracle.solve(p_mw, now.q_mvar, move[1]))
        tried = eased(oracle, p_mw, tried, columns, box)
        before = cost_cny(oracle, now.positions, now.states, moving)
        if cost_cny(oracle, tried.positions, tried.states, moving) < before:
            now = tried
        else:
            banned.add(move[0])
    return now


def _moving(
    slope: Slopes,
    limits: Limits,
    groups: tuple[npt.NDArray[np.int64], ...],
    *,
    start: Array,
    hours: Array,
    budget: Budget,
) -> Moving:
    return Moving(
        groups=groups,
        slopes=slope,
        limits=limits,
        weight=weights_of(limits),
        hours=hours,
        start=start,
        budget=budget,
        loss_cny_per_mwh=LOSS_CNY_PER_MWH,
    )


def _moved(
    oracle: Oracle,
    p_mw: Array,
    now: VarPlan,
    columns: Columns,
    groups: tuple[npt.NDArray[np.int64], ...],
    *,
    start: Array,
    hours: Array,
    budget: Budget,
) -> Array:
    limits = limits_of(oracle, now.states, margins=MARGINS)
    none = Columns(elements=columns.elements[:0], statcoms=columns.statcoms[:0])
    slope = slopes(oracle, (p_mw, now.q_mvar, now.positions), none, limits, groups)
    moving = _moving(slope, limits, groups, start=start, hours=hours, budget=budget)
    return moved(oracle, p_mw, now.q_mvar, now.positions, moving)
