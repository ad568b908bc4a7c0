"""How losses and limits move with a MW fed in at any bus, whether an element stands there or not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from network.contingency import AFTER, Operation, OutageFlows
from network.powerflow import Oracle
from network.security import DEAF_PER_MW, Cut, derivatives
from vpp.types import Array

CHUNK = 24
"""Steps that are linearised at once: what they take of memory grows with elements, buses and branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSlopes:
    """Derivatives by a MW fed in at each bus with no Mvar; 0 where there is no solution or no source."""

    losses: Array
    """(steps, buses), MW of losses per MW."""
    cuts: Array
    """(cuts, buses), what a MW adds to the left side of each cut, in the cut's own scale."""


def slopes_at(flows: OutageFlows, before: Operation, cuts: Sequence[Cut], buses: Sequence[str]) -> BusSlopes:
    """Return the derivatives at `buses` around an operation; cuts may be of limits after outages.

    A cut's row is the limit's slope by its scale, which the slope of its loudest element tells here.
    """
    n, column = len(flows.oracle.elements), {name: r for r, name in enumerate(flows.rows)}
    losses = np.zeros((len(before.p_mw), len(buses)))
    found = np.zeros((len(cuts), len(buses)))
    own: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for k, cut in enumerate(cuts):
        row, _, outage = cut.name.partition(AFTER)
        own[outage].append((k, row))
    asked = {"": np.arange(len(before.p_mw))} | {
        outage: np.unique([cuts[k].step for k, _ in rows]) for outage, rows in own.items() if outage
    }
    for outage, steps in asked.items():
        for at, limits, lost in _moved(flows, outage, before, steps, buses):
            if not outage:
                losses[at] = lost[:, n:]
            place = {int(step): i for i, step in enumerate(at)}
            for k, row in own[outage]:
                if cuts[k].step in place:
                    slope = limits[place[cuts[k].step], :, column[row]]
                    found[k] = _scaled(flows.oracle.elements, cuts[k], slope)
    return BusSlopes(losses=losses, cuts=found)


def _scaled(elements: tuple[str, ...], cut: Cut, slope: Array) -> Array:
    """Return (buses,) the cut's coefficients; `slope` is that of its limit by elements, then buses."""
    loudest = max(cut.coeff, key=lambda name: abs(cut.coeff[name]))
    scale = slope[elements.index(loudest)] / cut.coeff[loudest]
    buses = slope[len(elements) :]
    return buses / scale if scale > DEAF_PER_MW else np.zeros_like(buses)


def _moved(
    flows: OutageFlows, outage: str, before: Operation, steps: npt.NDArray[np.int64], buses: Sequence[str]
) -> Iterator[tuple[npt.NDArray[np.int64], Array, Array]]:
    """Yield (steps, derivatives of limits (steps, elements and buses, rows), of losses) part by part."""
    kept = ~flows.gone(outage) if outage else np.ones(len(flows.oracle.elements), dtype=np.bool_)
    rest = flows.after(outage) if outage else flows.oracle
    none = np.zeros(len(buses))
    follows = np.concatenate([flows.mvar_per_mw, none])
    for grid, own in _grids(rest, steps):
        probing = grid.probing(buses)
        for first in range(0, len(own), CHUNK):
            at = own[first : first + CHUNK]
            point = before.at(at)
            beside = np.zeros((len(at), len(buses)))
            p, q = (np.hstack([x * kept, beside]) for x in (point.p_mw, point.q_mvar))
            _, limits, losses = derivatives(probing, (p, q, point.positions), np.arange(len(at)), follows)
            yield at, np.nan_to_num(limits), np.nan_to_num(losses)


def _grids(oracle: Oracle, steps: npt.NDArray[np.int64]) -> Iterator[tuple[Oracle, npt.NDArray[np.int64]]]:
    """Yield each grid of a window with its steps: planned outages leave different ones."""
    if oracle.rests is None:
        yield oracle, steps
        return
    whole = copy(oracle)
    whole.rests = None
    out = oracle.rests.out
    for names in sorted({out[step] for step in steps}, key=sorted):
        own = np.array([step for step in steps if out[step] == names], dtype=np.int64)
        yield oracle.rests.flows.get(names, whole), own
