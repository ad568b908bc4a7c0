"""Which outages no dispatch cures, judged on the park alone before any plan is made.

Only branch ratings are judged: voltages are the business of banks, taps and the reactive plan.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandapower as pp

from network.contingency import Breach, Operation, OutageFlows
from network.contingency_rows import slopes
from network.powerflow import Oracle
from network.security import LOADING_MAX_PERCENT, limit_values
from vpp.park.model import Park
from vpp.types import Array

DESCENTS = 4
"""Steps of the descent; the limits are nearly linear in the injections, so few are enough."""
LIGHT_SHARE = 0.4
"""Share of its peak that demand has while wind and sun are full (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncurable:
    """A limit that stays broken after an outage whatever the devices and loads do."""

    outage: str
    row: str
    least_percent: float
    """The lowest loading found."""
    when: str
    """The situation it was judged in, in words."""

    @property
    def branch(self) -> str:
        """Return the name of the overloaded branch."""
        return self.row.removeprefix("branch:")


def uncurable_of(park: Park) -> tuple[Uncurable, ...] | None:
    """Return the same of a park; None where its grid has no power flow even without load."""
    try:
        oracle = Oracle(park)
    except pp.LoadflowNotConverged:
        return None
    return uncurable(OutageFlows(oracle))


def uncurable(flows: OutageFlows) -> tuple[Uncurable, ...]:
    """Return the limits that no dispatch keeps, at peak demand in a calm and at light demand in wind.

    Every device is free inside its name plate (wind and sun up to what the situation gives) and every
    load down to what may be interrupted, each for itself and for any time: a bound that no real
    dispatch beats. A limit kept at the natural corner (all feed-in and interruption in the calm, all
    curtailment in the wind) is proven curable; the others are lowered along the steepest mix of all
    elements (the method of Frank and Wolfe, 1956), each step by AC power flow. Branches of corrective
    classes are held to the continuous rating, which armed actions must reach.
    """
    found: dict[tuple[str, str], Uncurable] = {}
    for when, low, high, corner in _situations(flows.park, flows.oracle.elements):
        start = _operation(flows, corner)
        for event in flows.outages:
            if event.kind not in ("preventive", "corrective"):
                continue
            after = flows.aftermath(event.name, start, [0])
            over = {b.row: b for b in (*after.breaches, *after.overloads) if b.row.startswith("branch:")}
            for breach in over.values():
                least = _descend(flows, breach, (low, high), start)
                known = found.get((event.name, breach.row))
                if least > LOADING_MAX_PERCENT and (known is None or least > known.least_percent):
                    found[event.name, breach.row] = Uncurable(
                        outage=event.name, row=breach.row, least_percent=least, when=when
                    )
    return tuple(found.values())


def _situations(park: Park, ids: tuple[str, ...]) -> list[tuple[str, Array, Array, Array]]:
    """Return (words, least, greatest injection, corner to start from), each (elements,)."""
    n = len(park.resources)
    rows = list(park.resources.values())
    weather = np.array([row.kind in ("wind", "pv") for row in rows] + [False] * len(park.loads))
    least = np.array([row.p_min_mw for row in rows])
    most = np.array([row.p_max_mw for row in rows])
    peak = np.array([load.p_peak_mw for load in park.loads.values()])
    kept = np.array([1 - load.interruptible_share for load in park.loads.values()])
    assert ids[:n] == tuple(park.resources)
    low, high = np.append(least, -peak), np.append(most, -peak * kept)
    calm = np.where(weather, 0.0, high)
    light = np.append(np.ones(n), np.full(len(peak), LIGHT_SHARE))
    low_wind, high_wind = low * light, high * light
    return [
        ("peak demand without wind and sun", np.where(weather, 0.0, low), calm, calm),
        ("light demand, full wind and sun", low_wind, high_wind, np.where(weather, 0.0, high_wind)),
    ]


def _operation(flows: OutageFlows, p_mw: Array) -> Operation:
    p = p_mw[None, :]
    return Operation(p_mw=p, q_mvar=p * flows.mvar_per_mw)


def _descend(flows: OutageFlows, breach: Breach, box: tuple[Array, Array], start: Operation) -> float:
    """Return the least value of a limit found inside the box of injections."""
    row, best, now = flows.rows.index(breach.row), breach, start
    for _ in range(DESCENTS):
        coeff = slopes(flows, [best], now)[0]
        target = np.where(coeff > 0, box[0], np.where(coeff < 0, box[1], now.p_mw[0]))
        share = np.linspace(0.0, 1.0, 11)[:, None]
        line = now.at(np.zeros(len(share), dtype=np.int64))
        line = line.moved(share * (target - now.p_mw[0]), flows.mvar_per_mw)
        values = limit_values(flows.solve(breach.outage, line))[:, row]
        at = int(np.nanargmin(values))
        if at == 0 or values[at] <= LOADING_MAX_PERCENT:
            return float(values[at])
        now, best = line.at([at]), replace(best, value=float(values[at]))
    return best.value
