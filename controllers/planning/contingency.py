"""Outages in the AC loop: what they break is cut off lazily, like any limit of the network.

Preventive limits become rows of the plan; what armed actions must restore after a corrective outage, the
short-time rating at once and the continuous one within its minutes, becomes a row only where they do
not reach. Limits that no dispatch keeps are held
at what they are without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from controllers.planning.armed import reach_at_once, reach_later
from controllers.planning.curable import is_curable, resting
from controllers.planning.slots import Situation
from network.contingency import Aftermath, Breach, Operation, outage_flows
from network.contingency_actions import Action, actions
from network.contingency_curable import uncurable
from network.contingency_rows import outage_cuts
from network.contingency_screen import screen_of
from network.powerflow import Oracle
from network.security import Cut
from network.strains import aftermaths
from vpp.types import Array, OutageAction, OutageBreach, OutageClass

WORSE_MARGINS = 10.0
"""So many margins of a cut (2 % of a rating, 0.005 pu) a held limit may be worse than without dispatch:
what every dispatch far away does to it by way of the voltages (assumption)."""
LEFT, HELD = "a dispatch might cure it", "no dispatch cures it, held at what it is without one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What every outage of the park does to one operation."""

    oracle: Oracle
    before: Operation
    afters: tuple[Aftermath, ...]

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """Limits broken at once that no armed action can restore: all but overloads of corrective ones."""
        return tuple(
            b
            for after in self.afters
            for b in after.breaches
            if after.outage.kind != "corrective" or not b.row.startswith("branch:")
        )

    @property
    def overloads(self) -> tuple[Breach, ...]:
        """Continuous ratings that armed actions must restore."""
        return tuple(b for after in self.afters for b in after.overloads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A review with the armed actions after corrective outages."""

    review: Review
    done: tuple[Action, ...]

    @property
    def broken(self) -> tuple[Breach, ...]:
        """Limits broken after preventive outages, and what armed actions leave after corrective ones."""
        return (*self.review.breaches, *(b for action in self.done for b in action.left))

    def curable(self, held: frozenset[tuple[int, str]]) -> tuple[Breach, ...]:
        """Return what is broken and not held."""
        return tuple(b for b in self.broken if (b.step, b.name) not in held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured:
    """Rows for what outages break, and what no dispatch keeps, as (step, row name)."""

    cuts: tuple[Cut, ...]
    held: frozenset[tuple[int, str]]


@lru_cache(maxsize=8)
def beyond_dispatch(oracle: Oracle) -> frozenset[str]:
    """Return the names of limits after outages that no dispatch of the park cures."""
    return frozenset(f"{u.row} after {u.outage}" for u in uncurable(outage_flows(oracle)))


def review(oracle: Oracle, before: Operation) -> Review:
    """Return what the outages do, solved where the screen leaves a doubt."""
    asked = screen_of(oracle).unclear(before)
    return Review(oracle=oracle, before=before, afters=aftermaths(oracle, asked, before))


def look(oracle: Oracle, before: Operation, series: Mapping[str, Mapping[str, Array]]) -> Looked:
    """Return what outages do to an operation, and the armed actions that answer."""
    found = review(oracle, before)
    return Looked(review=found, done=_armed(found, series))


def rows_for(
    situation: Situation,
    looked: Looked,
    held: frozenset[tuple[int, str]],
    movable: Sequence[str],
) -> Cured:
    """Return the rows for all that is broken and not held yet."""
    beyond = beyond_dispatch(looked.review.oracle)
    broken = (*looked.review.breaches, *(b for b in looked.review.overloads if b.name in beyond))
    fresh = [b for b in broken if (b.step, b.name) not in held]
    at_once = _cured(situation, looked.review, fresh, movable)
    later = _beyond_armed(situation, looked, held, movable)
    return Cured(cuts=(*at_once.cuts, *later.cuts), held=at_once.held | later.held)


def _cured(situation: Situation, found: Review, breaches: Sequence[Breach], movable: Sequence[str]) -> Cured:
    """Return the rows that cure these breaches; those that no dispatch keeps are held.

    A held limit gets a row only where the dispatch makes it clearly worse than it is without one.
    """
    oracle = found.oracle
    rows: list[Cut] = []
    held: set[tuple[int, str]] = set()
    beyond = beyond_dispatch(oracle)
    column = {name: k for k, name in enumerate(oracle.elements)}
    for cut in outage_cuts(outage_flows(oracle), breaches, found.before, movable):
        if cut.name not in beyond and is_curable(situation, cut):
            rows.append(cut)
            continue
        held.add((cut.step, cut.name))
        rest = resting(situation, cut)
        p = found.before.p_mw[cut.step]
        if sum(c * p[column[i]] for i, c in cut.coeff.items()) > rest.upper + WORSE_MARGINS * cut.margin_mw:
            rows.append(rest)
    # what no element moves has no row at all
    deaf = {(b.step, b.name) for b in breaches} - {(cut.step, cut.name) for cut in rows} - held
    return Cured(cuts=tuple(rows), held=frozenset(held | deaf))


def _armed(found: Review, series: Mapping[str, Mapping[str, Array]]) -> tuple[Action, ...]:
    """Return the armed actions after corrective outages, in all steps where one is needed.

    An overload that no dispatch cures asks for none.
    """
    oracle, beyond = found.oracle, beyond_dispatch(found.oracle)
    asked = [b for b in found.overloads if b.name not in beyond]
    at_once = reach_at_once(oracle.park, series, oracle.elements)
    later = reach_later(oracle.park, series, oracle.elements)
    return actions(outage_flows(oracle), asked, found.before, at_once, later)


def _beyond_armed(
    situation: Situation,
    looked: Looked,
    known: frozenset[tuple[int, str]],
    movable: Sequence[str],
) -> Cured:
    """Return rows for the overloads that armed actions leave, over the elements that have not moved.

    What has moved stands at the edge of its reach, wherever the plan puts it before the outage.
    """
    rows: list[Cut] = []
    held: set[tuple[int, str]] = set()
    found, oracle = looked.review, looked.review.oracle
    for action in looked.done:
        left = [b for b in action.left if (b.step, b.name) not in known]
        if not left:
            continue
        shift = np.zeros_like(found.before.p_mw)
        shift[action.step] = [action.moves_mw.get(e, 0.0) for e in oracle.elements]
        moved = found.before.moved(shift, outage_flows(oracle).mvar_per_mw)
        still = [e for e in movable if e not in action.moves_mw]
        own = _cured(situation, replace(found, before=moved), left, still)
        rows += own.cuts
        held |= own.held
    return Cured(cuts=tuple(rows), held=frozenset(held))


def classes(looked: Looked, held: frozenset[tuple[int, str]], import_mw: Array) -> tuple[OutageClass, ...]:
    """Return what a plan says of its outages, class by class."""
    found, done, broken, oracle = looked.review, looked.done, looked.broken, looked.review.oracle
    beyond = beyond_dispatch(oracle)
    known = {(b.step, b.name) for b in broken}
    broken += tuple(b for b in found.overloads if b.name in beyond and (b.step, b.name) not in known)
    out = []
    for kind in dict.fromkeys(event.kind for event in outage_flows(oracle).outages):
        events = [event for event in outage_flows(oracle).outages if event.kind == kind]
        names = {event.name for event in events}
        own = [_told(b, held, beyond) for b in broken if b.outage in names]
        afters = [after for after in found.afters if after.outage.name in names]
        worst, vm_min, vm_max, load, supply = _worst(afters, import_mw)
        out.append(
            OutageClass(
                kind=kind,
                outages=tuple(event.name for event in events),
                worst_percent=worst,
                worst=_where(afters),
                vm_min_pu=vm_min,
                vm_max_pu=vm_max,
                lost_load_mw=load,
                lost_supply_mw=supply,
                left=tuple(b for b in own if b.reason == LEFT),
                held=tuple(b for b in own if b.reason == HELD),
                actions=tuple(
                    OutageAction(outage=a.outage, step=a.step, moves_mw=a.moves_mw, at_once_mw=a.at_once_mw)
                    for a in done
                    if a.outage in names and a.moves_mw
                ),
            )
        )
    return tuple(out)


def _told(breach: Breach, held: frozenset[tuple[int, str]], beyond: frozenset[str]) -> OutageBreach:
    is_held = (breach.step, breach.name) in held or breach.name in beyond
    return OutageBreach(
        outage=breach.outage,
        step=breach.step,
        limit=breach.row,
        found=float(np.nan_to_num(abs(breach.value))),
        allowed=float(np.nan_to_num(abs(breach.limit))),
        reason=HELD if is_held else LEFT,
    )


def _worst(afters: Sequence[Aftermath], import_mw: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return worst loading, lowest and highest voltage, demand and feed-in lost; an island loses imports."""
    nothing = np.empty(0)
    if not afters:
        return nothing, nothing, nothing, nothing, import_mw.copy()
    worst = np.nanmax([a.worst_percent for a in afters], axis=0)
    low, high = (
        np.nanmin([a.vm_min_pu for a in afters], axis=0),
        np.nanmax([a.vm_max_pu for a in afters], axis=0),
    )
    load = np.array([a.lost_load_mw for a in afters]).max(axis=0)
    return worst, low, high, load, np.array([a.lost_supply_mw for a in afters]).max(axis=0)


def _where(afters: Sequence[Aftermath]) -> tuple[str, ...]:
    if not afters:
        return ()
    worst = np.nanargmax([a.worst_percent for a in afters], axis=0)
    return tuple(
        f"{afters[k].worst_branch[step]} after {afters[k].outage.name}" for step, k in enumerate(worst)
    )
