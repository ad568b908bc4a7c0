"""How a limit after an outage moves with each MW: rows for the planner, directions for actions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from network import tangent
from network.contingency import Breach, Operation, OutageFlows
from network.security import STEP_MW, Cut, limit_values, rows
from vpp.types import Array, TieSensitivity

ALIKE_PERCENT, ALIKE_PU = 4.0, 0.004
"""A point borrows the slopes of another whose tangent foretells its value this well (assumption)."""
KEPT_ANCHORS = 6
"""Tangents of one limit that are kept for later points, the latest first."""
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A tangent: value and slopes of a limit at a point."""

    value: float
    coeff: Array
    p_mw: Array


@lru_cache(maxsize=8)
def _anchors(flows: OutageFlows) -> defaultdict[str, list[_Anchor]]:
    """Return the tangents seen so far, by `Breach.name`."""
    return defaultdict(list)


def slopes(
    flows: OutageFlows, breaches: Sequence[Breach], before: Operation, rows: Index | None = None
) -> Array:
    """Return (breaches, elements): change of each broken limit per MW of each element.

    `rows[k]` is the row of `before` at which breach k was found; without it that of its step. The
    reactive power moves by each element's rule. Tangents are taken at the worst point of each limit;
    points that one foretells borrow it, all others get slopes of their own. Tangents stay for later
    calls, where they are borrowed by the same rule.
    """
    at = np.array([b.step for b in breaches], dtype=np.int64) if rows is None else rows
    found = np.zeros((len(breaches), before.p_mw.shape[1]))
    open_: defaultdict[str, list[int]] = defaultdict(list)
    for k, b in enumerate(breaches):
        if np.isfinite(b.value):
            open_[b.name].append(k)
    known, points = _anchors(flows), before.p_mw[at]
    waiting = {name: _borrowed(known[name], breaches, own, points, found) for name, own in open_.items()}
    worst = {max(own, key=lambda k: breaches[k].value) for own in waiting.values() if own}
    _fill(flows, breaches, sorted(worst), before, at=at, found=found)
    strange = []
    for name, own in waiting.items():
        others = [k for k in own if k not in worst]
        strange += _borrowed(known[name], breaches, others, points, found)
    _fill(flows, breaches, strange, before, at=at, found=found)
    return found


def _borrowed(
    anchors: Sequence[_Anchor], breaches: Sequence[Breach], own: Sequence[int], points: Array, found: Array
) -> list[int]:
    """Write the slopes of the nearest tangent that foretells each breach; return those without one."""
    if not anchors or not own:
        return list(own)
    coeff = np.array([a.coeff for a in anchors])
    moved = (points[own][:, None, :] - np.array([a.p_mw for a in anchors])) * coeff
    value = np.array([breaches[k].value for k in own])
    off = np.abs(np.array([a.value for a in anchors]) + moved.sum(axis=2) - value[:, None])
    alike = off <= (ALIKE_PERCENT if breaches[own[0]].row.startswith("branch:") else ALIKE_PU)
    nearest = np.where(alike, np.abs(moved).sum(axis=2), np.inf).argmin(axis=1)
    borrows = alike.any(axis=1)
    found[np.array(own)[borrows]] = coeff[nearest[borrows]]
    return [k for k, any_ in zip(own, borrows, strict=True) if not any_]


def _fill(
    flows: OutageFlows,
    breaches: Sequence[Breach],
    wanted: Sequence[int],
    before: Operation,
    *,
    at: Index,
    found: Array,
) -> None:
    """Write the slopes of the wanted breaches into `found`, each at its own point, and keep them."""
    column = {name: r for r, name in enumerate(flows.rows)}
    by_outage: defaultdict[str, list[int]] = defaultdict(list)
    for k in wanted:
        by_outage[breaches[k].outage].append(k)
    for outage, own in by_outage.items():
        points = np.unique(at[own])
        way = _tangent if tangent.has_tangent(flows.after(outage)) else _differences
        moved = np.nan_to_num(way(flows, outage, before.at(points)))
        for k in own:
            b = breaches[k]
            found[k] = moved[np.searchsorted(points, at[k]), :, column[b.row]]
            kept = _anchors(flows)[b.name]
            kept.insert(0, _Anchor(b.value, found[k].copy(), before.p_mw[at[k]].copy()))
            del kept[KEPT_ANCHORS:]


def _tangent(flows: OutageFlows, outage: str, point: Operation) -> Array:
    """Return (points, elements, rows); what is lost with the outage moves nothing."""
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
    """Return one row in MW for each limit, broken or near, over the elements that the caller may move.

    Named as `Breach.name`; one without a solution, or that none of them moves, yields none.
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
    return rows(models, elements)
