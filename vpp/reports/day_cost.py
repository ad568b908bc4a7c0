"""What a day cost, item by item: one function for what was metered and for what was planned.

Items are those of a plan's cost breakdown; revenue is negative.
"""

import numpy as np

from vpp.devices import Ammonia, Bess, Caes, Chp, Electrolyzer, H2Store
from vpp.park import periods, price_cny_per_mwh
from vpp.park.model import Park
from vpp.park.worth import refill_cny_per_mwh, stored_worth
from vpp.reports.day_flows import QUARTER_S, Flows
from vpp.types import Array

WHOLE_DAY_H = 23.75
"""A day known for less is not judged by its daily obligations: hydrogen and ammonia owed."""


def day_costs(
    park: Park, flows: Flows, peak_mw: float, peak_before_mw: float, outside: Array
) -> dict[str, float]:
    """Return CNY by item.

    energy: import x tariff of the hour; exported energy earns nothing (tariff of the case).
    demand_charge: what the day adds to the month's highest quarter-hour mean (two-part tariff), above
    the larger of the peak so far and the contract's expected peak, as the plan prices it.
    deviation: energy `outside` the declared band (`outside_mwh`) x price of the hour x the contract's factor.
    carbon: import x grid factor + CHP power x its factor, at the carbon price; fuel: CHP.
    starts, degradation, curtailment, interruption, hydrogen, ammonia: quantities x the name plates' and
    contracts' prices. stores: what less is held at the end than at the beginning, at the cost of
    putting it there again.
    """
    carbon = park.contracts.carbon
    imported = flows.by_bin("import")
    chp = {n: d for n, d in park.devices.items() if isinstance(d, Chp)}
    fed = {n: float(flows.of("fed").get(n, np.zeros(1)).sum()) for n in chp}
    emitted_t = float(imported.sum()) * carbon.grid_kg_per_kwh
    emitted_t += sum(fed[n] * d.params.co2_t_per_mwh for n, d in chp.items())
    top = max(peak_before_mw, park.contracts.tie.expected_month_peak_mw)
    added = max(0.0, peak_mw - top) if np.isfinite(peak_mw) else 0.0
    costs = {
        "energy": float(imported @ price_cny_per_mwh(park, flows.starts_at)),
        "demand_charge": 1000 * park.contracts.tie.demand_charge_cny_per_kw_month * added,
        "deviation": _deviation(park, flows, outside),
        "starts": _starts(park, flows),
        "degradation": _degradation(park, flows),
        "fuel": sum(fed[n] * d.params.fuel_cny_per_mwh for n, d in chp.items()),
        "carbon": emitted_t * carbon.price_cny_per_t,
        "curtailment": flows.total("curtailed") * park.contracts.curtailment.price_cny_per_mwh,
        "interruption": _interruption(park, flows),
        "hydrogen": _hydrogen(park, flows),
        "ammonia": _ammonia(park, flows),
        "stores": _stores(park, flows),
    }
    return {item: cny + 0.0 for item, cny in costs.items()}


def outside_mwh(park: Park, flows: Flows, planned: Flows) -> Array:
    """Return by quarter hour what crossed the tie outside declared x (1 +- the contract's band), MWh.

    `planned` holds what was declared (the plans in force say it). Only quarter hours that meter and plan
    both know wholly are judged, by their mean.
    """
    if "tie" not in planned.of("declared"):
        return np.zeros(flows.bins)
    declared = planned.of("declared")["tie"]
    off = np.abs(flows.by_bin("import") - flows.by_bin("export") - declared)
    known = (flows.seconds >= QUARTER_S - 1) & (planned.seconds >= QUARTER_S - 1)
    over = np.maximum(0.0, off - park.contracts.tie.declared_deviation_band * np.abs(declared))
    return np.where(known, over, 0.0)


def _deviation(park: Park, flows: Flows, outside: Array) -> float:
    price = np.maximum(0.0, price_cny_per_mwh(park, flows.starts_at))
    return float(outside @ price) * park.contracts.tie.deviation_price_factor


def energy_by_period(park: Park, flows: Flows) -> dict[str, tuple[float, float]]:
    """Return by tariff period (MWh imported, CNY)."""
    out: dict[str, tuple[float, float]] = {}
    for period, mwh in zip(periods(park, flows.starts_at), flows.by_bin("import"), strict=True):
        energy, cny = out.get(period.name, (0.0, 0.0))
        out[period.name] = (energy + float(mwh), cny + float(mwh) * 1000 * period.price_cny_per_kwh)
    return out


def _starts(park: Park, flows: Flows) -> float:
    total = 0.0
    for name, begun in flows.starts.items():
        device = park.devices[name]
        if isinstance(device, Caes):
            total += begun.get("turbine", 0) * device.params.turbine.start_cost_cny
            total += begun.get("train", 0) * device.params.compressor.start_cost_cny
        elif isinstance(device, Electrolyzer):
            params = device.params
            total += begun.get("hot", 0) * params.start_cost_cny_per_mw_hot * params.stack_mw
            total += begun.get("cold", 0) * params.start_cost_cny_per_mw_cold * params.stack_mw
    return total


def _degradation(park: Park, flows: Flows) -> float:
    total = 0.0
    for name, mwh in flows.of("discharge").items():
        device = park.devices[name]
        if isinstance(device, Bess):
            total += float(mwh.sum()) * device.params.degradation_cny_per_mwh_discharged
        elif isinstance(device, Caes):
            total += float(mwh.sum()) * device.params.vom_cny_per_mwh_dis
            spun = flows.of("condenser_h").get(name, np.zeros(1))
            total += float(spun.sum()) * device.params.condenser.wear_cny_per_h
    return total


def _interruption(park: Park, flows: Flows) -> float:
    cut = flows.of("cut")
    energy = sum(
        1000 * park.loads[n].contract_energy_cny_per_kwh * float(mwh.sum()) for n, mwh in cut.items()
    )
    return energy + sum(park.loads[n].restart_cost_cny * k for n, k in flows.reclosed.items())


def _hydrogen(park: Park, flows: Flows) -> float:
    contract = park.contracts.hydrogen
    if contract is None or not any(isinstance(d, H2Store) for d in park.devices.values()):
        return 0.0
    kg = flows.total("delivered_kg")
    missed = max(0.0, contract.pipeline_daily_min_kg - kg) if flows.known_h >= WHOLE_DAY_H else 0.0
    return missed * contract.shortfall_cny_per_kg - kg * contract.price_cny_per_kg


def _ammonia(park: Park, flows: Flows) -> float:
    contract = park.contracts.ammonia
    if contract is None or not any(isinstance(d, Ammonia) for d in park.devices.values()):
        return 0.0
    made_t = flows.total("ammonia_t")
    missed_t = max(0.0, contract.daily_min_t - made_t) if flows.known_h >= WHOLE_DAY_H else 0.0
    return missed_t * contract.shortfall_cny_per_t - made_t * contract.price_cny_per_t


def _stores(park: Park, flows: Flows) -> float:
    low = refill_cny_per_mwh(park, flows.starts_at)

    return sum(
        (stored_worth(park, name, low) or 0.0) * (begin - end) for name, (begin, end) in flows.content.items()
    )
