"""Armed actions after a corrective outage: who moves by how much until no branch is overloaded."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from network.contingency import Breach, Operation, OutageFlows
from network.contingency_rows import slopes
from vpp.types import Array

ROUNDS = 6
MARGIN_PERCENT = 0.3
"""Actions aim this far inside the continuous rating."""
WEAK = 0.3
"""Elements less effective than this share of the best are asked only when the others are used up."""
ORDER: Mapping[str, int] = {"bess": 0, "electrolyzer": 1, "caes": 2, "pv": 3, "wind": 3}
"""Who moves first: what costs least; interruptible loads last (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done after an outage at one step."""

    step: int
    outage: str
    moves_mw: Mapping[str, float]
    """By element, change of injection."""
    left: tuple[Breach, ...]
    """Overloads that the actions do not cure."""


def actions(
    flows: OutageFlows,
    overloads: tuple[Breach, ...],
    before: Operation,
    reach: tuple[Array, Array],
) -> tuple[Action, ...]:
    """Return the actions for each step and outage with overloads, checked by AC power flow.

    Both edges of `reach` (least and greatest injection that an element can have within the minutes of
    a short-time rating) have shape (steps, elements). The worst overload is
    taken down by the first elements in `ORDER` that move it, then the next worst.
    """
    found: list[Action] = []
    for outage in dict.fromkeys(b.outage for b in overloads):
        found += _cured(flows, [b for b in overloads if b.outage == outage], before, reach)
    return tuple(found)


def after_moves(
    flows: OutageFlows, outage: str, moves: Mapping[int, Mapping[str, float]], before: Operation
) -> tuple[Breach, ...]:
    """Return the overloads that are left after moves (by step, then element, MW)."""
    at = np.array(sorted(moves), dtype=np.int64)
    shift = np.array([[moves[int(s)].get(e, 0.0) for e in flows.oracle.elements] for s in at])
    states = flows.solve(outage, before.at(at).moved(shift, flows.mvar_per_mw))
    return flows.overloads(outage, states, at)


def _cured(
    flows: OutageFlows, over: list[Breach], before: Operation, reach: tuple[Array, Array]
) -> list[Action]:
    outage, ids = over[0].outage, flows.oracle.elements
    steps = sorted({b.step for b in over})
    order = np.array([ORDER.get(_kind(flows, e), 4) for e in ids])
    now, shift = before, np.zeros_like(before.p_mw)
    left: tuple[Breach, ...] = tuple(over)
    for _ in range(ROUNDS):
        worst = {b.step: b for b in sorted(left, key=lambda b: b.value) if np.isfinite(b.value)}
        if not worst:
            break
        asked = list(worst.values())
        for b, coeff in zip(asked, slopes(flows, asked, now), strict=True):
            room = (reach[0][b.step] - now.p_mw[b.step], reach[1][b.step] - now.p_mw[b.step])
            shift[b.step] += _least(coeff, room, b.value - b.limit, order)
        now = before.moved(shift, flows.mvar_per_mw)
        at = np.array(steps, dtype=np.int64)
        left = flows.overloads(outage, flows.solve(outage, now.at(at)), at)
    return [
        Action(
            step=s,
            outage=outage,
            moves_mw={e: float(mw) for e, mw in zip(ids, shift[s], strict=True) if abs(mw) > 1e-6},
            left=tuple(b for b in left if b.step == s),
        )
        for s in steps
    ]


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
