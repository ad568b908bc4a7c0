"""Which network limits a dispatch can keep at all, judged on the linear row of the limit alone.

A row is incurable when it stays broken with every device and load at the better end of what it may
do, each for itself: a bound that no real dispatch beats, so the word is proven (for the linear network).
"""

from collections.abc import Mapping
from dataclasses import replace

from controllers.planning.slots import Situation
from network.security import Cut
from vpp.types import Violation

Span = tuple[float, float]


def spans_mw(situation: Situation, step: int) -> Mapping[str, Span]:
    """Return by element the least and greatest injection that ratings, weather and demand allow, MW."""
    park, slot = situation.park, situation.window.first + step
    spans: dict[str, Span] = {}
    for name, row in park.resources.items():
        most = (
            min(situation.available_mw[name][slot], row.p_max_mw) if name in situation.available_mw else None
        )
        low, high = (row.p_min_mw, row.p_max_mw) if most is None else (0.0, most)
        spans[name] = (low, high) if situation.is_available(name) else (0.0, 0.0)
    for name, load in park.loads.items():
        demand = situation.load_mw[name][slot]
        spans[name] = (-demand, -demand * (1 - load.interruptible_share))
    return spans


def is_curable(situation: Situation, cut: Cut) -> bool:
    """Return whether the limit itself, without the cut's margin, is inside what elements may do."""
    spans = spans_mw(situation, cut.step)
    least = sum(min(c * edge for edge in spans[name]) for name, c in cut.coeff.items())
    return least <= cut.upper + cut.margin_mw


def resting_mw(situation: Situation, cut: Cut) -> float:
    """Return the row's value without dispatch: weather fed in, demand served, all else at 0 MW."""
    slot = situation.window.first + cut.step
    known = {name: mw[slot] for name, mw in situation.available_mw.items()}
    known |= {name: -mw[slot] for name, mw in situation.load_mw.items()}
    return float(sum(c * known.get(name, 0.0) for name, c in cut.coeff.items()))


def resting(situation: Situation, cut: Cut) -> Cut:
    """Return the cut that forbids to make an incurable limit worse than without dispatch."""
    return replace(cut, upper=max(cut.upper, resting_mw(situation, cut)))


def rows_of(violation: Violation) -> tuple[str, ...]:
    """Return the names of the rows that a network violation can have."""
    kinds = {"loading": ("branch",), "voltage": ("voltage_max", "voltage_min")}.get(violation.rule, ())
    return tuple(f"{kind}:{violation.resource}" for kind in kinds)


def is_held(held: frozenset[tuple[int, str]], violation: Violation) -> bool:
    """Return whether a violation is among the incurable rows, given as (step, row name)."""
    return any((violation.step, row) in held for row in rows_of(violation))
