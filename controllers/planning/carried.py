"""Limits after outages that one plan met, as rows of the next from its first solve on.

Only what a limit is called is carried; its row is taken anew at the dispatch of the previous plan under
present weather and demand, so that no row grows stale. What else is broken, a look finds.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import numpy as np

from controllers.planning.contingency import beyond_dispatch
from controllers.planning.curable import is_curable
from controllers.planning.problem import Model
from controllers.planning.reactive import previous_of
from controllers.planning.security import Secured, movable
from controllers.planning.slots import Situation
from network.contingency import AFTER, Breach, Operation, outage_flows
from network.contingency_rows import outage_cuts
from network.powerflow import Oracle
from network.security import LOADING_MAX_PERCENT, Cut
from network.strains import throng_of

NEAR_PERCENT = 10.0
"""A limit that the last plan met has a row again within this of breaking (assumption)."""
Limits = frozenset[tuple[datetime, str]]
"""Start of a step and `Breach.name`."""


def limits_of(now: Situation, secured: Secured) -> Limits:
    """Return the limits after outages that a solution has rows for."""
    first = now.window.first
    return frozenset((now.window.slot_start(first + c.step), c.name) for c in secured.cuts if AFTER in c.name)


def carried(model: Model, oracle: Oracle, now: Situation, limits: Limits) -> tuple[Cut, ...]:
    """Return the rows of those limits that are broken or near, and that some dispatch can keep."""
    step, steps = timedelta(minutes=now.window.axis.step_min), now.window.end - now.window.first
    at = [(round((begin - now.window.start) / step), name) for begin, name in sorted(limits)]
    before = _continued(model, oracle, now)
    if before is None:
        return ()
    flows, beyond = outage_flows(oracle), beyond_dispatch(oracle)
    found = _near(oracle, before, [(k, name) for k, name in at if 0 <= k < steps and name not in beyond])
    cuts = outage_cuts(flows, found, before, movable(model))
    return tuple(cut for cut in cuts if is_curable(now, cut))


def _continued(model: Model, oracle: Oracle, now: Situation) -> Operation | None:
    """Return what the previous plan does in this window under present weather and demand."""
    var, rest = previous_of(oracle, now), np.zeros(now.window.axis.n)
    if var is None:
        return None
    columns = []
    for name in oracle.elements:
        known = now.previous_series(name, "p_mw")
        p = rest if known is None else np.nan_to_num(known)
        if name in now.load_mw and not model.blocks[name].integers:
            p = -now.load_mw[name]
        columns.append(np.minimum(p, now.available_mw.get(name, np.inf))[now.window.span])
    return Operation(p_mw=np.column_stack(columns), q_mvar=var[0], positions=var[1])


def _near(oracle: Oracle, before: Operation, limits: Collection[tuple[int, str]]) -> tuple[Breach, ...]:
    """Return those limits of branches after preventive outages that are broken or near."""
    flows = outage_flows(oracle)
    column = {name: r for r, name in enumerate(flows.rows)}
    found = []
    for step, name in limits:
        row, _, out = name.partition(AFTER)
        if row.startswith("branch:") and out in flows.by_name and flows.by_name[out].kind == "preventive":
            found.append(Breach(step=step, outage=out, row=row, value=np.nan, limit=LOADING_MAX_PERCENT))
    if not found:
        return ()
    steps = np.array([b.step for b in found], dtype=np.int64)
    percent = throng_of(oracle).solve([b.outage for b in found], before.at(steps)).loading_percent
    values = [float(percent[k, column[b.row]]) for k, b in enumerate(found)]
    return tuple(
        Breach(step=b.step, outage=b.outage, row=b.row, value=value, limit=b.limit)
        for b, value in zip(found, values, strict=True)
        if value > b.limit - NEAR_PERCENT
    )
