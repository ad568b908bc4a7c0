"""What keeps an element from its planned energy that no plan could know: weather, demand and what follows.

The one place where "net of forecast error" is defined. A deviation net of it is the element's own: what it
fails to do of what it was asked for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vpp.journal import LoggedSnapshot
from vpp.park.interruption import demand_mw, part_mw, trim_max_mw
from vpp.park.model import Park
from vpp.types import Array, Load, Plan

FREE_MW = 1e-3
"""A planned curtailment below this is none (as in control)."""
CUTS = ("shed_mw", "modulated_mw")


@dataclass(slots=True)
class Ordered:
    """When loads stood under a shed: from its order until the last of their blocks closed again."""

    spells: dict[str, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    open_blocks: dict[str, int] = field(default_factory=dict)
    """By load the mask of breakers that its shed opened and that have not closed since."""

    def shed(self, load: str, blocks: int, at: datetime) -> None:
        """Note that a load was shed; `blocks` is the mask of the breakers that were to open."""
        if not self.open_blocks.get(load, 0):
            self.spells.setdefault(load, []).append((at, None))
        self.open_blocks[load] = self.open_blocks.get(load, 0) | blocks

    def restored(self, load: str, block: int, at: datetime) -> None:
        """Note that block 1, 2 ... of a load closed; one that no shed opened is the plan's own."""
        left = self.open_blocks.get(load, 0)
        self.open_blocks[load] = left & ~(1 << block - 1)
        if left and not self.open_blocks[load]:
            self.spells[load][-1] = (self.spells[load][-1][0], at)

    def loads(self, at: datetime, made_at: datetime) -> set[str]:
        """Return who stands under a shed at `at`, or was restored after the plan in force was made."""
        return {
            load
            for load, spells in self.spells.items()
            if any(start <= at and (end is None or min(at, made_at) <= end) for start, end in spells)
        }


def unforeseen_mw(
    park: Park, plan: Plan, step: int, at: LoggedSnapshot, ordered: Collection[str] = ()
) -> dict[str, float]:
    """Return by element what its injection differs by from its plan for no fault of its own, MW.

    Wind, PV: metered less forecast availability, as far as the plan's cap lets it through. Loads: metered
    less forecast demand, cuts apart, and what the planned cut is more or less of that demand (breakers take
    shares of it, a trim no more than its own); all of the difference while they are `ordered`
    (`Ordered.loads`), shed and restored by somebody's word. Batteries: what control asked of them beyond
    their plan, which is the fast part of those errors and what a limit of the tie needs of them. All others
    are to keep their plan whatever happens.
    """
    found: dict[str, float] = {}
    for name, resource in park.resources.items():
        series = plan.series.get(name, {})
        if "p_mw" not in series:
            continue
        planned = float(series["p_mw"][step])
        available = at.values.get(name, {}).get("available_mw")
        if resource.kind in ("wind", "pv") and available is not None and "available_mw" in series:
            capped = float(series["curtailed_mw"][step]) > FREE_MW
            found[name] = (min(available, planned) if capped else max(available, 0.0)) - planned
        elif resource.kind == "bess" and name in at.setpoints:
            found[name] = at.setpoints[name]["p_mw"] - planned
    for name, load in park.loads.items():
        values, series = at.values.get(name, {}), plan.series.get(name, {})
        if "p_mw" in values and "load_mw" in series:
            planned_mw = _forecast_mw(series, step) - sum(_at(series, k, step) for k in CUTS)
            whole_mw = _demand_mw(load, values)
            left_mw = whole_mw - _cut_mw(load, whole_mw, series, step)
            found[name] = planned_mw + (values["p_mw"] if name in ordered else -left_mw)
    return found


def _forecast_mw(series: Mapping[str, Array], step: int) -> float:
    return _at(series, "load_mw", step) + _at(series, "rebound_mw", step)


def _at(series: Mapping[str, Array], key: str, step: int) -> float:
    return float(series[key][step]) if key in series else 0.0


def _cut_mw(load: Load, whole_mw: float, series: Mapping[str, Array], step: int) -> float:
    """Return what the planned breakers and the planned trim cut of a demand of `whole_mw`, MW."""
    opened = round(_at(series, "open_blocks", step))
    trim_mw = min(_at(series, "modulated_mw", step), trim_max_mw(load, whole_mw, opened))
    return part_mw(load, whole_mw) * opened + trim_mw


def _demand_mw(load: Load, values: Mapping[str, float]) -> float:
    """Return what a load would draw uncut, by its own meter."""
    opened, trimmed = int(values.get("breakers", 0.0)).bit_count(), values.get("trimmed_mw", 0.0)
    whole = demand_mw(load, -values["p_mw"], opened, trimmed)
    return -values["p_mw"] + trimmed + part_mw(load, whole) * opened
