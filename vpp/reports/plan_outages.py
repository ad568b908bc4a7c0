"""What a plan says of its outages, as rows of the report and columns of the CSV."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vpp.types import Array, OutageClass, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRow:
    """One class of outages in the report; text is ready to print."""

    kind: str
    outages: int
    worst: str
    """Highest loading after any of them, where and at which step; empty where it is not solved."""
    voltages: str
    lost: str
    left: int
    """Violations that some dispatch might cure."""
    held: tuple[str, ...]
    """Limits that no dispatch keeps, each with its worst value."""
    actions: tuple[str, ...]
    """Armed actions, per outage who moves and how far at most."""


def outage_rows(plan: Plan) -> list[OutageRow]:
    """Return one row per class, in the park's order."""
    return [_row(own) for own in plan.contingencies]


def outage_columns(plan: Plan) -> Iterator[tuple[str, Array | tuple[str, ...]]]:
    """Yield (heading, values per step) of every class."""
    for own in plan.contingencies:
        kind = f"outages {own.kind}"
        if len(own.worst_percent):
            yield f"{kind}.worst_percent [%]", own.worst_percent
            yield f"{kind}.worst", own.worst
            yield f"{kind}.vm_min_pu [pu]", own.vm_min_pu
            yield f"{kind}.vm_max_pu [pu]", own.vm_max_pu
            yield f"{kind}.lost_load_mw [MW]", own.lost_load_mw
        yield f"{kind}.lost_supply_mw [MW]", own.lost_supply_mw


def _row(own: OutageClass) -> OutageRow:
    solved = len(own.worst_percent) > 0
    step = int(np.argmax(own.worst_percent)) if solved else 0
    worst = f"{own.worst_percent[step]:.1f} %, {own.worst[step]}" if solved else ""
    load = f"{own.lost_load_mw.max():.1f} MW of demand, " if solved else ""
    return OutageRow(
        kind=own.kind,
        outages=len(own.outages),
        worst=worst,
        voltages=f"{own.vm_min_pu.min():.3f} to {own.vm_max_pu.max():.3f}" if solved else "",
        lost=f"{load}{own.lost_supply_mw.max():.1f} MW of supply",
        left=len(own.left),
        held=tuple(_held(own)),
        actions=tuple(_actions(own)),
    )


def _held(own: OutageClass) -> Iterator[str]:
    worst: dict[str, float] = {}
    for b in own.held:
        name = f"{b.limit.split(':', 1)[1]} after {b.outage}"
        worst[name] = max(worst.get(name, 0.0), b.found)
    for name, found in worst.items():
        yield f"{name}: {found:.4g}"


def _actions(own: OutageClass) -> Iterator[str]:
    most: dict[str, dict[str, float]] = defaultdict(dict)
    steps: dict[str, int] = defaultdict(int)
    for action in own.actions:
        steps[action.outage] += 1
        for name, mw in action.moves_mw.items():
            known = most[action.outage].get(name, 0.0)
            most[action.outage][name] = mw if abs(mw) > abs(known) else known
    for outage, moves in most.items():
        asked = ", ".join(f"{name} {mw:+.1f} MW" for name, mw in moves.items())
        yield f"{outage}: {asked} at most, in {steps[outage]} steps"
