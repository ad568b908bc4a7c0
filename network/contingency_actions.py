"""Armed actions after a corrective outage: who moves by how much until no branch is overloaded."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from network.contingency import Breach, Operation, OutageFlows
from network.contingency_rows import slopes
from network.strains import throng_of
from vpp.types import Array

ROUNDS = 6
SPENT_MW = 1e-3
"""Moves smaller than this are no progress: whoever could move has moved."""
MARGIN_PERCENT = 0.3
"""Actions aim this far inside the continuous rating."""
WEAK = 0.3
"""Elements less effective than this share of the best are asked only when the others are used up, the most
effective first: the fewest MW."""
FAINT = 0.05
"""Elements less effective than this share of the best act last of all (NERC IRO-006 curtails nobody below
5 %): each MW at the best place is twenty at theirs, and a whole park would be moved for one branch."""
ORDER: Mapping[str, int] = {"bess": 0, "electrolyzer": 1, "caes": 2, "pv": 3, "wind": 3}
"""Who moves first: what costs least; interruptible loads last (assumption)."""


Case = tuple[str, int]
"""Outage and step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far each element can go, (steps, elements), MW of injection."""

    low: Array
    high: Array

    def at(self, steps: npt.NDArray[np.int64]) -> "Reach":
        """Return these steps alone, in this order."""
        return Reach(low=self.low[steps], high=self.high[steps])


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
    next worst. All cases (outage, step) are handled side by side.
    """
    rating = dict(zip(flows.rows, flows.short_time, strict=True))
    cases = tuple(dict.fromkeys((b.outage, b.step) for b in overloads))
    if not cases:
        return ()
    steps = np.array([step for _, step in cases], dtype=np.int64)
    bench = _Bench(flows, cases, before.at(steps))
    urgent = [replace(b, limit=rating[b.row]) for b in overloads if not b.value <= rating[b.row]]
    fast, too_much = _cured(bench, urgent, at_once.at(steps), flows.short_time)
    given_up = {(b.outage, b.step) for b in too_much}
    moved = bench.moved(fast)
    again = {(b.outage, b.step) for b in urgent} - given_up
    rest = [b for b in overloads if (b.outage, b.step) not in given_up | again]
    rest += moved.overloads(again, flows.continuous)
    slow, left = _cured(moved, rest, later.at(steps), flows.continuous)
    known = {(b.outage, b.step, b.row) for b in too_much}
    others = [
        b for b in moved.overloads(given_up, flows.continuous) if (b.outage, b.step, b.row) not in known
    ]
    by_case: defaultdict[Case, list[Breach]] = defaultdict(list)
    for b in (*left, *too_much, *others):
        by_case[b.outage, b.step].append(b)
    return tuple(
        Action(
            step=step,
            outage=outage,
            moves_mw=_named(flows, fast[k] + slow[k]),
            left=tuple(by_case[outage, step]),
            at_once_mw=_named(flows, fast[k]),
        )
        for k, (outage, step) in enumerate(cases)
    )


def after_moves(
    flows: OutageFlows, moves: Mapping[Case, Mapping[str, float]], before: Operation, upper: Array
) -> tuple[Breach, ...]:
    """Return the overloads above `upper` that are left after moves (by case, then element, MW)."""
    if not moves:
        return ()
    steps = np.array([step for _, step in moves], dtype=np.int64)
    column = {e: k for k, e in enumerate(flows.oracle.elements)}
    shift = np.zeros((len(moves), len(column)))
    for k, own in enumerate(moves.values()):
        for name, mw in own.items():
            shift[k, column[name]] = mw
    return _Bench(flows, tuple(moves), before.at(steps)).moved(shift).overloads(moves, upper)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Cases side by side: a row of `now` for each."""

    flows: OutageFlows
    cases: tuple[Case, ...]
    now: Operation

    def moved(self, shift_mw: Array) -> "_Bench":
        """Return the same with injections shifted, a row per case."""
        return replace(self, now=self.now.moved(shift_mw, self.flows.mvar_per_mw))

    def rows(self, wanted: Collection[Case]) -> npt.NDArray[np.int64]:
        """Return the rows of some cases."""
        return np.array([k for k, case in enumerate(self.cases) if case in wanted], dtype=np.int64)

    def overloads(self, wanted: Collection[Case], upper: Array) -> tuple[Breach, ...]:
        """Return what is above `upper` in some cases."""
        at = self.rows(wanted)
        if not len(at):
            return ()
        names = [self.cases[k][0] for k in at]
        steps = np.array([self.cases[k][1] for k in at], dtype=np.int64)
        strains = throng_of(self.flows.oracle).solve(names, self.now.at(at))
        return self.flows.overloads(names, strains, steps, upper)


def _cured(
    bench: _Bench, over: Sequence[Breach], reach: Reach, upper: Array
) -> tuple[Array, tuple[Breach, ...]]:
    """Return (cases, elements) of moves against overloads, and the overloads they leave."""
    flows = bench.flows
    shift = np.zeros_like(bench.now.p_mw)
    order = np.array([ORDER.get(_kind(flows, e), 4) for e in flows.oracle.elements])
    row = {case: k for k, case in enumerate(bench.cases)}
    now, open_ = bench, tuple(over)
    given_up: list[Breach] = []
    for _ in range(ROUNDS):
        worst: dict[Case, Breach] = {}
        for b in open_:
            if np.isfinite(b.value) and b.value > worst.get((b.outage, b.step), b).value - 1e-12:
                worst[b.outage, b.step] = b
        given_up += [b for b in open_ if (b.outage, b.step) not in worst]
        if not worst:
            open_ = ()
            break
        asked = list(worst.values())
        at = np.array([row[case] for case in worst], dtype=np.int64)
        room = (reach.low[at] - now.now.p_mw[at], reach.high[at] - now.now.p_mw[at])
        excess = np.array([b.value - b.limit for b in asked])
        move = _least(slopes(flows, asked, now.now, at), room, excess, order)
        shift[at] += move
        now = bench.moved(shift)
        # whoever could move has moved: what stays above there is left
        stuck = [case for case, mw in zip(worst, np.abs(move).max(axis=1), strict=True) if mw < SPENT_MW]
        given_up += [b for b in open_ if (b.outage, b.step) in set(stuck)]
        open_ = now.overloads(worst.keys() - set(stuck), upper)
    return shift, (*given_up, *open_)


def _named(flows: OutageFlows, moves: Array) -> dict[str, float]:
    return {flows.oracle.elements[k]: float(moves[k]) for k in np.flatnonzero(np.abs(moves) > 1e-6)}


def _kind(flows: OutageFlows, element: str) -> str:
    resource = flows.park.resources.get(element)
    return resource.kind if resource is not None else "load"


def _least(coeff: Array, room: tuple[Array, Array], excess_percent: Array, order: Array) -> Array:
    """Return (cases, elements) moves in MW that take off the excess, first the first in order."""
    best = np.where(coeff > 0, np.minimum(room[0], 0.0), np.maximum(room[1], 0.0))
    gain = -coeff * best
    useful = gain > 1e-6
    gain = np.where(useful, gain, 0.0)
    size = np.abs(coeff)
    greatest = np.where(useful, size, 0.0).max(axis=1, keepdims=True)
    weakness = np.where(size >= WEAK * greatest, 0, np.where(size >= FAINT * greatest, 1, 2))
    ranks = np.lexsort((-size, np.where(weakness == 0, order, 0), weakness), axis=1)
    sorted_gain = np.take_along_axis(gain, ranks, axis=1)
    before = np.cumsum(sorted_gain, axis=1) - sorted_gain
    need = (excess_percent + MARGIN_PERCENT)[:, None] - before
    share = np.clip(np.divide(need, sorted_gain, out=np.zeros_like(need), where=sorted_gain > 0), 0.0, 1.0)
    move = np.zeros_like(coeff)
    np.put_along_axis(move, ranks, share * np.take_along_axis(best, ranks, axis=1), axis=1)
    return move
