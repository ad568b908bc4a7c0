"""What keeps an element from its planned energy that no plan could know: weather, demand and what follows.

The one place where "net of forecast error" is defined. A deviation net of it is the element's own: what it
fails to do of what it was asked for.
"""

from collections.abc import Mapping

from vpp.journal import LoggedSnapshot
from vpp.park.interruption import demand_mw, part_mw
from vpp.park.model import Park
from vpp.types import Array, Load, Plan

FREE_MW = 1e-3
"""A planned curtailment below this is none (as in control)."""


def unforeseen_mw(park: Park, plan: Plan, step: int, at: LoggedSnapshot) -> dict[str, float]:
    """Return by element what its injection differs by from its plan for no fault of its own, MW.

    Wind, PV: metered less forecast availability, as far as the plan's cap lets it through. Loads: metered
    less forecast demand, cuts apart. Batteries: what control asked of them beyond their plan, which is the
    fast part of those errors and what a limit of the tie needs of them. All others are to keep their plan
    whatever happens.
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
            found[name] = _forecast_mw(series, step) - _demand_mw(load, values)
    return found


def _forecast_mw(series: Mapping[str, Array], step: int) -> float:
    return sum(float(series[key][step]) for key in ("load_mw", "rebound_mw") if key in series)


def _demand_mw(load: Load, values: Mapping[str, float]) -> float:
    """Return what a load would draw uncut, by its own meter."""
    opened, trimmed = int(values.get("breakers", 0.0)).bit_count(), values.get("trimmed_mw", 0.0)
    whole = demand_mw(load, -values["p_mw"], opened, trimmed)
    return -values["p_mw"] + trimmed + part_mw(load, whole) * opened
