"""Rule of outages: what one of them breaks is told by the plan, or ended by the actions it names."""

from collections.abc import Iterator, Mapping

import numpy as np

from controllers.planning.armed import reach_at_once, reach_later
from controllers.planning.checker.seen import POWER_MW, Seen
from network.contingency import SOLVED, Breach, Operation, OutageFlows, outage_flows
from network.contingency_actions import Case, Reach, after_moves
from network.contingency_screen import screen_of
from network.powerflow import Oracle
from network.strains import aftermaths
from vpp.types import Array, OutageAction, Violation

LOADING_PERCENT, VOLTAGE_PU = 0.1, 1e-4
"""Excess that passes: below what meters resolve (assumption, as for the intact grid)."""


def contingencies(view: Seen, oracle: Oracle) -> list[Violation]:
    """Return what outages break and the plan neither tells nor ends; one violation for each limit.

    Every outage of a solved class is run again at the plan's own numbers. Actions are applied as they
    stand in the plan: the part within seconds must end what is above a short-time rating, the whole
    what is above a continuous one, and nobody may be asked beyond its reach.
    """
    flows = outage_flows(oracle)
    if not any(event.kind in SOLVED for event in flows.outages):
        return []
    before = _operation(view, oracle)
    told = {
        (b.step, f"{b.limit} after {b.outage}")
        for own in view.plan.contingencies
        for b in (*own.left, *own.held)
    }
    acted = {
        (action.outage, action.step): action for own in view.plan.contingencies for action in own.actions
    }
    found = list(_beyond_reach(view, oracle, acted))
    broken: list[Breach] = []
    overloads: list[Breach] = []
    for after in aftermaths(oracle, screen_of(oracle).unclear(before), before):
        corrective = after.outage.kind == "corrective"
        broken += [b for b in after.breaches if not (corrective and b.row.startswith("branch:"))]
        overloads += after.overloads
    broken += _uncured(flows, acted, overloads, before)
    found += [_violation(b) for b in broken if (b.step, b.name) not in told and _counts(b)]
    return _worst_of_each(found)


def _operation(view: Seen, oracle: Oracle) -> Operation:
    series = view.plan.series
    positions = [series[name]["position"] for name in oracle.actuators]
    return Operation(
        p_mw=np.column_stack([series[name]["p_mw"] for name in oracle.elements]),
        q_mvar=np.column_stack([series[name]["q_mvar"] for name in oracle.elements]),
        positions=np.column_stack([np.empty((view.n, 0)), *positions]),
    )


def _uncured(
    flows: OutageFlows, acted: Mapping[Case, OutageAction], overloads: list[Breach], before: Operation
) -> list[Breach]:
    """Return the overloads that the plan's actions leave, at once or in the end."""
    over = {(b.outage, b.step) for b in overloads}
    at_once = {case: action.at_once_mw for case, action in acted.items() if case in over}
    in_the_end = {case: action.moves_mw for case, action in acted.items() if case in over}
    return [
        *(b for b in overloads if (b.outage, b.step) not in acted),
        *after_moves(flows, at_once, before, flows.short_time),
        *after_moves(flows, in_the_end, before, flows.continuous),
    ]


def _beyond_reach(view: Seen, oracle: Oracle, acted: Mapping[Case, OutageAction]) -> Iterator[Violation]:
    series, ids = view.plan.series, oracle.elements
    p = np.column_stack([series[name]["p_mw"] for name in ids])
    spans = (reach_at_once(view.park, series, ids), reach_later(view.park, series, ids))
    column = {name: k for k, name in enumerate(ids)}
    for (outage, step), action in acted.items():
        for moves, reach in zip((action.at_once_mw, action.moves_mw), spans, strict=True):
            for name, mw in moves.items():
                off = _off(reach, p, step, column[name], mw) if name in column else np.inf
                if off > POWER_MW:
                    words = f"step {step}: after {outage} {name} is asked {off:.2f} MW more than it can"
                    yield _told(outage, step, off, 0.0, words)


def _off(reach: Reach, p: Array, step: int, k: int, mw: float) -> float:
    there = p[step, k] + mw
    return float(max(reach.low[step, k] - there, there - reach.high[step, k]))


def _counts(breach: Breach) -> bool:
    if not np.isfinite(breach.value):
        return True
    small = LOADING_PERCENT if breach.row.startswith("branch:") else VOLTAGE_PU
    return breach.value - breach.limit > small


def _violation(breach: Breach) -> Violation:
    value, limit = abs(breach.value), abs(breach.limit)
    words = f"step {breach.step}: {breach.name} at {value:.4g}, allowed {limit:.4g}, not told"
    return _told(breach.name, breach.step, value, limit, words)


def _told(resource: str, step: int, found: float, allowed: float, text: str) -> Violation:
    return Violation(
        rule="contingency", resource=resource, step=step, found=found, allowed=allowed, text=text
    )


def _worst_of_each(found: list[Violation]) -> list[Violation]:
    worst: dict[str, Violation] = {}
    for v in found:
        known = worst.get(v.resource)
        if known is None or abs(v.found - v.allowed) > abs(known.found - known.allowed):
            worst[v.resource] = v
    return list(worst.values())
