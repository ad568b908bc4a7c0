"""Sums and extremes of a plan, as the report's plots and tiles show them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from vpp.devices import Bess, Caes, H2Store
from vpp.park.model import Park
from vpp.types import Array, Plan

_WORD = {"wind": "wind", "pv": "PV", "bess": "battery", "caes": "CAES"}


def supply_mw(park: Park, plan: Plan) -> dict[str, Array]:
    """Return by source the MW it feeds in, shape (steps,), >= 0; sums to all use."""
    supply: dict[str, Array] = {}
    for name, resource in park.resources.items():
        fed = np.maximum(plan.series[name]["p_mw"], 0.0)
        if fed.any():
            word = _WORD.get(resource.kind, resource.kind)
            supply[word] = supply.get(word, np.zeros(plan.steps)) + fed
    supply["import"] = plan.series["tie"]["import_mw"]
    return supply


def loads_mw(park: Park, plan: Plan) -> Array:
    """Return demand after interruption, MW, shape (steps,)."""
    total = np.zeros(plan.steps)
    for name in park.loads:
        total += plan.series[name]["load_mw"] - plan.series[name].get("shed_mw", 0.0)
    return total


def energy_mwh(plan: Plan, p_mw: Array) -> float:
    """Return the energy of a series of interval means, MWh."""
    return float(p_mw.sum()) * plan.step_min / 60


def clock(park: Park, plan: Plan, step: int) -> str:
    """Return the local time HH:MM at which a step starts; `step` may be the one behind the last."""
    at = plan.start + timedelta(minutes=plan.step_min * step)
    local = at.astimezone(ZoneInfo(park.site.zone))
    return "24:00" if step == plan.steps and local.hour == local.minute == 0 else f"{local:%H:%M}"


def step_hours(plan: Plan) -> Array:
    """Return the hours of each step that the plan owns, (steps,); its first may have begun before it."""
    hours = np.full(plan.steps, plan.step_min / 60)
    hours[0] -= max(0.0, (plan.initial.at - plan.start).total_seconds() / 3600)
    return hours


def content_percent(park: Park, plan: Plan, name: str) -> Array | None:
    """Return the content of a store at start and step ends, percent, shape (steps + 1,).

    Of what the store holds when full: a battery's DC energy, a CAES plant's air, usable hydrogen.
    """
    match park.devices[name]:
        case Bess() as battery:
            key, full = "e_mwh", battery.e_full_mwh
        case Caes() as plant:
            key, full = "e_mwh", plant.e_air_mwh
        case H2Store() as store:
            key, full = "h2_kg", store.params.usable_kg
        case _:
            return None
    if key not in plan.series[name]:
        return None
    first = plan.initial.resources.get(name, {}).get(key, plan.series[name][key][0])
    return np.concatenate([[first], plan.series[name][key]]) / full * 100


def curtailed_by_cause(plan: Plan) -> dict[str, Array]:
    """Return by cause the curtailed MW, shape (steps,); resources with the same cause add up."""
    found: dict[str, Array] = {}
    for name, causes in plan.curtailment_cause.items():
        curtailed = plan.series[name]["curtailed_mw"]
        for cause in sorted(set(causes) - {""}):
            share = np.where(np.array(causes) == cause, curtailed, 0.0)
            found[cause] = found.get(cause, np.zeros(plan.steps)) + share
    return found


def worst_branches(plan: Plan, count: int) -> list[str]:
    """Return the names of the branches with the highest loading, worst first."""
    return sorted(plan.loading_percent, key=lambda n: -float(plan.loading_percent[n].max()))[:count]
