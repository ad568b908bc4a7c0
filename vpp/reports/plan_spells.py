"""Spells of a plan: unbroken runs of steps in which a device does one thing, and whether it pays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vpp.park.model import Park
from vpp.reports.plan_numbers import clock, step_hours
from vpp.types import Array, Plan

RUNNING_MW = 0.05
"""Power below this is nothing."""
PAYS_CNY = 2.0
"""A spell that loses less than this per stored MWh pays: prices of a step are means (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """One run of steps of a device."""

    resource: str
    first: int
    last: int
    """Steps, both included."""
    code: str
    """Sentence that tells it."""
    values: Mapping[str, str | float]
    pays: bool
    """Whether prices alone justify it."""
    at_tie: tuple[float, float] | None = None
    """Where the tie's own price justifies it, that price (CNY/MWh) and what a stored MWh earns by it:
    a machine that runs at all lowers the price of its hours."""


def spells(park: Park, plan: Plan) -> Iterator[Spell]:
    """Yield what stores, electrolysers and interrupted loads do, element by element, in time."""
    for name in (*park.resources, *park.loads):
        series = plan.series.get(name, {})
        if "charge_mw" in series and "e_mwh" in series:
            yield from _store(park, plan, name)
        elif "h2_kg" in series and "load_mw" in series:
            yield from _electrolyser(park, plan, name)
        elif "shed_mw" in series:
            yield from _interrupted(park, plan, name)


def price_at(park: Park, plan: Plan, name: str) -> Array:
    """Return what a MWh is worth where an element stands, CNY, (steps,): its shadow price, else the tie's."""
    element = park.resources.get(name) or park.loads[name]
    known, own = plan.shadow_prices, import_cost(park, plan)
    return known.get(f"bus:{element.bus}", known.get("energy", own))


def import_cost(park: Park, plan: Plan) -> Array:
    """Return what an imported MWh costs with its carbon, CNY, (steps,)."""
    carbon = park.contracts.carbon
    price = plan.series["tie"]["price_cny_per_mwh"]
    return np.asarray(price + carbon.price_cny_per_t * carbon.grid_kg_per_kwh)


def runs(on: Array) -> list[tuple[int, int]]:
    """Return (first, last) of every unbroken run of steps in which `on` is not 0."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], (on != 0).astype(float), [0.0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


@dataclass(frozen=True, slots=True)
class _Run:
    first: int
    last: int
    ac_mwh: float
    stored_mwh: float
    """What the store gained or lost, >= 0."""
    price: float
    """Mean at the bus, weighted by power."""
    tie: float = 0.0
    """Mean cost of import, weighted by power."""

    def earned(self, price: float, wear: float) -> float:
        """Return what a stored MWh earns at a price."""
        return self.ac_mwh / max(self.stored_mwh, 1e-9) * (price - wear)


def _runs(plan: Plan, name: str, p_mw: Array, price: Array, tie: Array) -> list[_Run]:
    hours, energy = step_hours(plan), plan.series[name]["e_mwh"]
    before = plan.initial.resources.get(name, {}).get("e_mwh", float(energy[0]))
    content = np.concatenate([[before], energy])
    found = []
    for first, last in runs(np.where(p_mw > RUNNING_MW, p_mw, 0.0)):
        span = slice(first, last + 1)
        mwh = p_mw[span] * hours[span]
        moved = abs(float(content[last + 1] - content[first]))
        means = (float(mwh @ values[span] / mwh.sum()) for values in (price, tie))
        found.append(_Run(first, last, float(mwh.sum()), moved, *means))
    return found


def _store(park: Park, plan: Plan, name: str) -> Iterator[Spell]:
    series, price = plan.series[name], price_at(park, plan, name)
    tie = import_cost(park, plan)
    into = _runs(plan, name, series["charge_mw"], price, tie)
    out = _runs(plan, name, series["discharge_mw"], price, tie)
    total = sum(run.ac_mwh for run in out)
    wear = plan.cost_by_owner_cny.get(name, {}).get("degradation", 0.0) / total if total else 0.0
    worth = plan.shadow_prices.get(f"store:{name}")
    told = [_charge(park, plan, name, run, out, wear=wear) for run in into]
    for run in out:
        earned = run.earned(run.price, wear)
        kept = float(worth[run.first : run.last + 1].mean()) if worth is not None else np.nan
        values: dict[str, str | float] = {"name": name, "mwh": run.ac_mwh, "price": run.price}
        values |= {"earned": earned, "worth": kept}
        pays = bool(np.isnan(kept) or earned > kept - PAYS_CNY)
        by_tie = run.earned(run.tie, wear)
        at_tie = (run.tie, by_tie) if by_tie > kept - PAYS_CNY else None
        code = "discharge" if worth is not None else "discharge_only"
        told.append(replace(_spell(name, run, code, values, pays=pays), at_tie=at_tie))
    yield from sorted(told, key=lambda spell: spell.first)


def _charge(park: Park, plan: Plan, name: str, run: _Run, out: list[_Run], *, wear: float) -> Spell:
    """Return a charging spell with what its energy earns next, or is worth at the end."""
    cost = run.price * run.ac_mwh / max(run.stored_mwh, 1e-9)
    values: dict[str, str | float] = {"name": name, "mwh": run.ac_mwh, "price": run.price, "cost": cost}
    worth = plan.shadow_prices.get(f"store:{name}")
    later = next((use for use in out if use.first > run.last), None)
    if worth is not None and later is None:
        kept = terminal_value(plan, name)
        values["worth"], code = float(worth[-1]) if kept is None else kept, "charge_kept"
    elif later is not None:
        values["worth"] = later.earned(later.price, wear)
        values["later"], code = clock(park, plan, later.first), "charge_later"
    else:
        values["worth"], code = np.nan, "charge_only"
    gain = float(values["worth"]) - cost
    spell = _spell(name, run, code, values, pays=bool(np.isnan(gain) or gain > -PAYS_CNY))
    if later is None or later.earned(later.tie, wear) < cost - PAYS_CNY:
        return spell
    return replace(spell, at_tie=(later.tie, later.earned(later.tie, wear)))


def terminal_value(plan: Plan, name: str) -> float | None:
    """Return what a unit left in a store at the end counts, CNY per MWh or kg; None where unknown."""
    series = plan.series[name]
    left = float(series["e_mwh" if "e_mwh" in series else "h2_kg"][-1])
    value = plan.cost_by_owner_cny.get(name, {}).get("terminal")
    return None if value is None or left <= 0 else -value / left


def _electrolyser(park: Park, plan: Plan, name: str) -> Iterator[Spell]:
    series, price, hours = plan.series[name], price_at(park, plan, name), step_hours(plan)
    stores = [n for n, row in park.resources.items() if row.kind == "h2_store"]
    worth = plan.shadow_prices.get(f"store:{stores[0]}") if len(stores) == 1 else None
    for first, last in runs(np.where(series["h2_kg"] > 1e-6, 1.0, 0.0)):
        span = slice(first, last + 1)
        mwh, kg = series["load_mw"][span] * hours[span], float(series["h2_kg"][span].sum())
        mean = float(mwh @ price[span] / max(mwh.sum(), 1e-9))
        cost = float(mwh @ price[span]) / max(kg, 1e-9)
        value = float(series["h2_kg"][span] @ worth[span]) / max(kg, 1e-9) if worth is not None else np.nan
        values: dict[str, str | float] = {"name": name, "kg": kg, "price": mean, "cost": cost, "worth": value}
        pays = bool(np.isnan(value) or cost < value + 0.05 * abs(value))
        run = _Run(first, last, float(mwh.sum()), kg, mean)
        code = "electrolyser_only" if worth is None else "electrolyser"
        yield _spell(name, run, code, values, pays=pays)


def _interrupted(park: Park, plan: Plan, name: str) -> Iterator[Spell]:
    shed, price, hours = plan.series[name]["shed_mw"], price_at(park, plan, name), step_hours(plan)
    for first, last in runs(np.where(shed > RUNNING_MW, shed, 0.0)):
        span = slice(first, last + 1)
        mwh = shed[span] * hours[span]
        mean = float(mwh @ price[span] / mwh.sum())
        run = _Run(first, last, float(mwh.sum()), 0.0, mean)
        values: dict[str, str | float] = {"name": name, "mwh": run.ac_mwh, "price": mean}
        yield _spell(name, run, "interrupted", values, pays=True)


def _spell(name: str, run: _Run, code: str, values: Mapping[str, str | float], *, pays: bool) -> Spell:
    return Spell(resource=name, first=run.first, last=run.last, code=code, values=values, pays=pays)


def why_not_price(plan: Plan, spell: Spell) -> str:
    """Return the code of what explains a spell that prices alone do not: the limit that binds in it."""
    span = slice(spell.first, spell.last + 1)
    kinds = {
        "tie_import": "tie",
        "tie_export": "surplus",
        "demand_peak": "peak",
        "branch": "network",
        "voltage_max": "network",
        "voltage_min": "network",
        "reserve_up": "reserve",
    }
    dearest, found = 0.5, "machine"
    for name, values in plan.shadow_prices.items():
        word = kinds.get(name.partition(":")[0])
        if word is not None and float(values[span].max()) > dearest:
            dearest, found = float(values[span].max()), word
    curtailed = any(
        series["curtailed_mw"][span].max() > RUNNING_MW
        for series in plan.series.values()
        if "curtailed_mw" in series
    )
    return "surplus" if curtailed and found == "machine" else found
