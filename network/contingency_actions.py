"""Armed actions after a corrective outage: who moves by how much until no branch is overloaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from network.contingency import Breach, Operation, OutageFlows
from network.contingency_rows import slopes
from vpp.types import Array

ROUNDS = 6
SPENT_MW = 1e-3
"""Moves smaller than this are no progress: whoever could move has moved."""
MARGIN_PERCENT = 0.3
"""Actions aim this far inside the continuous rating."""
WEAK = 0.3
"""Elements less effective than this share of the best are asked only when the others are used up."""
ORDER: Mapping[str, int] = {"bess": 0, "electrolyzer": 1, "caes": 2, "pv": 3, "wind": 3}
"""Who moves first: what costs least; interruptible loads last (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far each element can go, (steps, elements), MW of injection."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done after an outage at one step."""

    step: int
    outage: str
    moves_mw: Mapping[str, float]
    """By element, change of injection, all in all."""
    left: tuple[Breach, ...]
    """Overloads that the actions do not cure."""
    at_once_mw: Mapping[str, float]
    """The part of it that must be done within seconds."""


def actions(
    flows: OutageFlows, overloads: Sequence[Breach], before: Operation, at_once: Reach, later: Reach
) -> tuple[Action, ...]:
    """Return the actions for each step and outage with overloads, checked by AC power flow.

    First whatever is above its short-time rating is brought inside by what reaches `at_once`, then what
    is above its continuous rating by what reaches `later`; a step that the first leaves above has no
    second. The worst overload is taken down by the first elements in `ORDER` that move it, then the
    next worst.
    """
    found: list[Action] = []
    rating = dict(zip(flows.rows, flows.short_time, strict=True))
    for outage in dict.fromkeys(b.outage for b in overloads):
        own = [b for b in overloads if b.outage == outage]
        steps = sorted({b.step for b in own})
        urgent = [replace(b, limit=rating[b.row]) for b in own if not b.value <= rating[b.row]]
        fast, too_much = _cured(flows, urgent, before, at_once, flows.short_time)
        given_up = {b.step for b in too_much}
        moved = before.moved(fast, flows.mvar_per_mw)
        again = np.array(sorted({b.step for b in urgent} - given_up), dtype=np.int64)
        rest = [b for b in own if b.step not in given_up and b.step not in again]
        if len(again):
            rest += flows.overloads(outage, flows.solve(outage, moved.at(again)), again, flows.continuous)
        slow, left = _cured(flows, rest, moved, later, flows.continuous)
        left = (*left, *_given_up(flows, too_much, moved))
        found += [
            Action(
                step=s,
                outage=outage,
                moves_mw=_named(flows, fast[s] + slow[s]),
                left=tuple(b for b in left if b.step == s),
                at_once_mw=_named(flows, fast[s]),
            )
            for s in steps
        ]
    return tuple(found)


def _given_up(flows: OutageFlows, too_much: Sequence[Breach], moved: Operation) -> tuple[Breach, ...]:
    """Return all that stays above a continuous rating where a short-time one cannot be kept."""
    if not too_much:
        return ()
    at = np.array(sorted({b.step for b in too_much}), dtype=np.int64)
    outage, known = too_much[0].outage, {(b.step, b.row) for b in too_much}
    others = flows.overloads(outage, flows.solve(outage, moved.at(at)), at, flows.continuous)
    return (*too_much, *(b for b in others if (b.step, b.row) not in known))


def after_moves(
    flows: OutageFlows, outage: str, moves: Mapping[int, Mapping[str, float]], before: Operation, upper: Array
) -> tuple[Breach, ...]:
    """Return the overloads above `upper` that are left after moves (by step, then element, MW)."""
    at = np.array(sorted(moves), dtype=np.int64)
    shift = np.array([[moves[int(s)].get(e, 0.0) for e in flows.oracle.elements] for s in at])
    states = flows.solve(outage, before.at(at).moved(shift, flows.mvar_per_mw))
    return flows.overloads(outage, states, at, upper)


def _cured(
    flows: OutageFlows, over: Sequence[Breach], before: Operation, reach: Reach, upper: Array
) -> tuple[Array, tuple[Breach, ...]]:
    """Return (steps, elements) of moves against overloads of one outage, and the overloads they leave."""
    shift = np.zeros_like(before.p_mw)
    order = np.array([ORDER.get(_kind(flows, e), 4) for e in flows.oracle.elements])
    now, left = before, tuple(over)
    for _ in range(ROUNDS):
        worst = {b.step: b for b in sorted(left, key=lambda b: b.value) if np.isfinite(b.value)}
        if not worst:
            break
        asked, stuck = list(worst.values()), [b for b in left if b.step not in worst]
        before_round = shift.copy()
        for b, coeff in zip(asked, slopes(flows, asked, now), strict=True):
            room = (reach.low[b.step] - now.p_mw[b.step], reach.high[b.step] - now.p_mw[b.step])
            shift[b.step] += _least(coeff, room, b.value - b.limit, order)
        now = before.moved(shift, flows.mvar_per_mw)
        at = np.array(sorted(worst), dtype=np.int64)
        left = (*stuck, *flows.overloads(over[0].outage, flows.solve(over[0].outage, now.at(at)), at, upper))
        if np.abs(shift - before_round).max() < SPENT_MW:
            break
    return shift, left


def _named(flows: OutageFlows, moves: Array) -> dict[str, float]:
    return {e: float(mw) for e, mw in zip(flows.oracle.elements, moves, strict=True) if abs(mw) > 1e-6}


def _kind(flows: OutageFlows, element: str) -> str:
    resource = flows.park.resources.get(element)
    return resource.kind if resource is not None else "load"


def _least(coeff: Array, room: tuple[Array, Array], excess_percent: float, order: Array) -> Array:
    """Return (elements,) moves in MW that take off the excess, first the first in order."""
    best = np.where(coeff > 0, np.minimum(room[0], 0.0), np.maximum(room[1], 0.0))
    gain = -coeff * best
    need, move = excess_percent + MARGIN_PERCENT, np.zeros(len(coeff))
    useful = gain > 1e-6
    strong = np.abs(coeff) >= WEAK * np.abs(coeff[useful]).max(initial=0.0)
    for i in np.lexsort((-np.abs(coeff), order, ~strong)):
        if need <= 0:
            break
        if useful[i]:
            share = min(1.0, need / gain[i])
            move[i], need = share * best[i], need - share * gain[i]
    return move
