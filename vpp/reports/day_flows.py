"""What flowed in a day, by quarter hour: the one form that meter and plan are both brought into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from vpp.devices import Ammonia, Bess, Caes, Device, Electrolyzer
from vpp.park.model import Park
from vpp.types import Array, Plan

QUARTER_S = 900
CONDENSER = 6.0
"""Code of the point `mode_code` (docs/architecture.md)."""
DECLARED = ("declared_mw", "import_max_mw", "export_max_mw")
NOTHING: Mapping[str, Array] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """A day in bins of a quarter hour; arrays have shape (bins,) and hold energies or masses per bin."""

    start: datetime
    bins: int
    seconds: Array
    """Plant seconds of each bin that are known."""
    series: Mapping[str, Mapping[str, Array]]
    """By quantity and id. MWh: `import, export` (id `tie`), `fed, drawn` (terminals of resources),
    `discharge, charge` (stores without own use), `available, curtailed` (wind, PV), `demand, cut,
    trimmed` (loads; `cut` behind open breakers and trimmed), `declared` (`tie`, import positive, of plans).
    `made_kg`, `delivered_kg`, `ammonia_t`. Hours: `condenser_h` (CAES as synchronous condenser)."""
    content: Mapping[str, tuple[float, float]]
    """By store what it held at the first and the last known moment, MWh or kg."""
    starts: Mapping[str, Mapping[str, int]]
    """By device `turbine`, `train`, `hot` and `cold` (electrolyser stacks from standby, and from cold)."""
    reclosed: Mapping[str, int] = field(default_factory=dict)
    """By load the breakers that closed again."""

    def of(self, quantity: str) -> Mapping[str, Array]:
        """Return a quantity by id; empty where nothing of it is known."""
        return self.series.get(quantity, NOTHING)

    def total(self, quantity: str) -> float:
        """Return the sum of a quantity over all ids and bins."""
        return float(sum(float(values.sum()) for values in self.of(quantity).values()))

    def by_bin(self, quantity: str) -> Array:
        """Return a quantity summed over ids, shape (bins,)."""
        return sum(self.of(quantity).values(), np.zeros(self.bins))

    @property
    def starts_at(self) -> list[datetime]:
        """Starts of the bins."""
        return [self.start + timedelta(seconds=QUARTER_S * k) for k in range(self.bins)]

    @property
    def known_h(self) -> float:
        """Hours that are known."""
        return float(self.seconds.sum()) / 3600


def own_use_mw(device: Device) -> float:
    """Return what a store draws besides charging, MW."""
    if isinstance(device, Bess):
        return device.aux_mw
    return device.params.standby_aux_mw if isinstance(device, Caes) else 0.0


InForce = Mapping[tuple[str, int], Array]
"""By plan and step the seconds of each bin in which control followed it."""


def planned_flows(
    park: Park, plans: Mapping[str, Plan], in_force: InForce, start: datetime, bins: int
) -> Flows:
    """Return what the plans in force asked for, each for the seconds in which it was followed."""
    series: dict[str, dict[str, Array]] = {}
    seconds = np.zeros(bins)

    def add(quantity: str, name: str, amount: Array) -> None:
        row = series.setdefault(quantity, {})
        row[name] = row.get(name, np.zeros(bins)) + amount

    ordered = sorted(in_force, key=lambda key: _begin(plans[key[0]], key[1]))
    for plan_id, step in ordered:
        hours = in_force[plan_id, step] / 3600
        seconds = seconds + in_force[plan_id, step]
        for quantity, name, per_h in _rates(park, plans[plan_id], step):
            add(quantity, name, per_h * hours)
    return Flows(
        start=start,
        bins=bins,
        seconds=seconds,
        series=series,
        content=_planned_content(park, plans, ordered),
        starts=_planned_starts(park, plans, ordered),
    )


def _begin(plan: Plan, step: int) -> tuple[datetime, datetime]:
    return plan.start + timedelta(minutes=plan.step_min * step), plan.made_at


def _rates(park: Park, plan: Plan, step: int) -> list[tuple[str, str, float]]:
    """Return (quantity, id, amount per hour) of one step."""
    out = [
        ("import", "tie", float(plan.series["tie"]["import_mw"][step])),
        ("export", "tie", float(plan.series["tie"]["export_mw"][step])),
    ]
    words = {
        "discharge_mw": "discharge",
        "charge_mw": "charge",
        "available_mw": "available",
        "curtailed_mw": "curtailed",
        "delivery_kg_per_h": "delivered_kg",
        "shed_mw": "cut",
        "modulated_mw": "cut",
    }
    if "declared_mw" in plan.series["tie"]:
        # what was declared beyond an order counts as declared at it
        at, most, least = (float(plan.series["tie"][key][step]) for key in DECLARED)
        out.append(("declared", "tie", min(max(at, -least), most)))
    for name in (*park.resources, *park.loads):
        values = plan.series.get(name, {})
        if isinstance(park.devices.get(name), Caes) and "mode_code" in values:
            out.append(("condenser_h", name, float(round(values["mode_code"][step]) == CONDENSER)))
        if "modulated_mw" in values:
            out.append(("trimmed", name, float(values["modulated_mw"][step])))
        out += [(words[key], name, float(values[key][step])) for key in words if key in values]
        if "load_mw" in values and name in park.loads:
            out.append(("demand", name, float(values["load_mw"][step])))
        for kind, key, quantity in ((Electrolyzer, "h2_kg", "made_kg"), (Ammonia, "nh3_t", "ammonia_t")):
            if isinstance(park.devices.get(name), kind) and key in values:
                out.append((quantity, name, float(values[key][step]) / _owned_h(plan, step)))
        if name in park.resources:
            p_mw = float(values["p_mw"][step]) if "p_mw" in values else 0.0
            out += [("fed", name, max(p_mw, 0.0)), ("drawn", name, max(-p_mw, 0.0))]
    return out


def _owned_h(plan: Plan, step: int) -> float:
    """Return the hours of a step that its masses are of: a plan made inside its first step owns the rest."""
    late_h = max(0.0, (plan.initial.at - plan.start).total_seconds() / 3600) if step == 0 else 0.0
    return plan.step_min / 60 - late_h


def _planned_content(
    park: Park, plans: Mapping[str, Plan], ordered: list[tuple[str, int]]
) -> dict[str, tuple[float, float]]:
    """Return by store the content with which the first plan begins and the last one in force ends."""
    if not ordered:
        return {}
    first, (last_id, step) = plans[ordered[0][0]], ordered[-1]
    last, out = plans[last_id], {}
    for name, resource in park.resources.items():
        key = {"bess": "e_mwh", "caes": "e_mwh", "h2_store": "h2_kg"}.get(resource.kind, "")
        end = last.series.get(name, {}).get(key)
        begin = first.initial.resources.get(name, {}).get(key)
        if end is not None and begin is not None:
            out[name] = (float(begin), float(end[step]))
    return out


def _planned_starts(
    park: Park, plans: Mapping[str, Plan], ordered: list[tuple[str, int]]
) -> dict[str, dict[str, int]]:
    """Return starts as the plans in force have them, from one followed step to the next."""
    out: dict[str, dict[str, int]] = {}
    for name, device in park.devices.items():
        if isinstance(device, Caes):
            turbine = [float(_at(plans, key, name, "mode_code") == 2.0) for key in ordered]
            trains = [_at(plans, key, name, "trains") for key in ordered]
            out[name] = {"turbine": _rises(turbine), "train": _rises(trains)}
        elif isinstance(device, Electrolyzer):
            on, warm = ([_at(plans, key, name, x) for key in ordered] for x in ("stacks", "warm_stacks"))
            cold = [max(0.0, round(b) - round(a)) for a, b in pairwise(warm)]
            hot = [max(0.0, round(b) - round(a) - c) for (a, b), c in zip(pairwise(on), cold, strict=True)]
            out[name] = {"hot": int(sum(hot)), "cold": int(sum(cold))}
    return out


def _at(plans: Mapping[str, Plan], key: tuple[str, int], name: str, column: str) -> float:
    values = plans[key[0]].series.get(name, {}).get(column)
    return float(values[key[1]]) if values is not None else 0.0


def _rises(values: list[float]) -> int:
    return int(sum(max(0.0, round(b) - round(a)) for a, b in pairwise(values)))
