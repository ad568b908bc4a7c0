"""How a limit after an outage moves with each MW: rows for the planner, directions for actions."""

from collections.abc import Sequence

import numpy as np

from network import tangent
from network.contingency import Breach, Operation, OutageFlows
from network.security import STEP_MW, Cut, cuts, limit_values
from vpp.types import Array, TieSensitivity

ALIKE_PERCENT, ALIKE_PU = 4.0, 0.004
"""A step borrows the slopes of another whose tangent foretells its value this well (assumption)."""


def slopes(flows: OutageFlows, breaches: Sequence[Breach], before: Operation) -> Array:
    """Return (breaches, elements): change of each broken limit per MW of each element.

    The reactive power moves by each element's rule. Slopes are taken at the worst step of each limit;
    steps that its tangent foretells borrow them, all others get slopes of their own.
    """
    p_mw = before.p_mw
    found = np.zeros((len(breaches), p_mw.shape[1]))
    for outage in dict.fromkeys(b.outage for b in breaches):
        own = [k for k, b in enumerate(breaches) if b.outage == outage and np.isfinite(b.value)]
        worst: dict[str, int] = {}
        for k in own:
            b = breaches[k]
            if b.row not in worst or b.value > breaches[worst[b.row]].value:
                worst[b.row] = k
        _fill(flows, breaches, list(worst.values()), before, found)
        strange = []
        for k in own:
            b, at = breaches[k], worst[breaches[k].row]
            foretold = breaches[at].value + found[at] @ (p_mw[b.step] - p_mw[breaches[at].step])
            near = ALIKE_PERCENT if b.row.startswith("branch:") else ALIKE_PU
            found[k] = found[at]
            if abs(foretold - b.value) > near:
                strange.append(k)
        _fill(flows, breaches, strange, before, found)
    return found


def _fill(
    flows: OutageFlows, breaches: Sequence[Breach], wanted: Sequence[int], before: Operation, found: Array
) -> None:
    """Write the slopes of the wanted breaches, all of one outage, into `found`."""
    if not wanted:
        return
    outage = breaches[wanted[0]].outage
    steps = sorted({breaches[k].step for k in wanted})
    point = before.at(np.array(steps, dtype=np.int64))
    way = _tangent if tangent.has_tangent(flows.after(outage)) else _differences
    moved = np.nan_to_num(way(flows, outage, point))
    row = {name: r for r, name in enumerate(flows.rows)}
    for k in wanted:
        found[k] = moved[steps.index(breaches[k].step), :, row[breaches[k].row]]


def _tangent(flows: OutageFlows, outage: str, point: Operation) -> Array:
    """Return (steps, elements, rows); what is lost with the outage moves nothing."""
    kept = ~flows.gone(outage)
    found = tangent.slopes(
        flows.after(outage),
        point.p_mw * kept,
        point.q_mvar * kept,
        point.positions,
        q_per_p=flows.mvar_per_mw,
    )
    return np.concatenate([found.loading, found.vm, -found.vm], axis=2) * kept[None, :, None]


def _differences(flows: OutageFlows, outage: str, point: Operation) -> Array:
    """Return the same from forward differences of `STEP_MW`."""
    k, n = point.p_mw.shape
    nudge = STEP_MW * np.vstack([np.zeros((1, n)), np.eye(n)])
    nudged = point.at(np.repeat(np.arange(k), n + 1)).moved(np.tile(nudge, (k, 1)), flows.mvar_per_mw)
    values = limit_values(flows.solve(outage, nudged)).reshape(k, n + 1, -1)
    return np.asarray((values[:, 1:] - values[:, :1]) / STEP_MW)


def outage_cuts(
    flows: OutageFlows, breaches: Sequence[Breach], before: Operation, elements: Sequence[str]
) -> tuple[Cut, ...]:
    """Return one row in MW for each breach, over the elements that the caller may move.

    Named as `Breach.name`; a breach without a solution, or that none of them moves, yields none.
    """
    known = [b for b in breaches if np.isfinite(b.value)]
    ids = flows.oracle.elements
    models = [
        TieSensitivity(
            step=b.step,
            p_mw=dict(zip(ids, before.p_mw[b.step].tolist(), strict=True)),
            rows={b.name: dict(zip(ids, coeff.tolist(), strict=True))},
            value={b.name: b.value},
            limit={b.name: b.limit},
        )
        for b, coeff in zip(known, slopes(flows, known, before), strict=True)
    ]
    return cuts(models, elements)
