"""Rules of money: what a plan says it costs is what its own series cost.

Items that a series alone decides are summed again. A plan that was not optimised bills energy and
curtailment alone (it says so in its notes); its other items are not judged.
"""

import numpy as np

from controllers.planning.checker.caes import CONDENSER
from controllers.planning.checker.seen import Seen
from vpp.devices import Bess, Caes, Chp
from vpp.types import Array, PlanLabel, Violation

TIE_MW, TIE_SHARE = 0.1, 0.005
"""The bill is of the linear tie power, the series of the AC one: between them passes the larger of both, the
share of the greatest import; a loop that its deadline ended leaves some tenths of a MW (measured)."""
CLOSE_CNY = 1.0
BILLED_WHOLE = (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE, PlanLabel.RELAXED)


def bill(view: Seen) -> list[Violation]:
    """Rules `cost`, `demand_peak` and `declared_curve`: items and their sum against the series."""
    costs, plan = view.plan.cost_breakdown_cny, view.plan
    hours, price = view.dt_h, plan.series["tie"]["price_cny_per_mwh"]
    curtailed = _summed(view, "curtailed_mw")
    found = _off("cost", "sum", sum(costs.values()), plan.cost_cny, CLOSE_CNY)
    energy = float(plan.series["tie"]["import_mw"] * price @ hours)
    lost = float(curtailed @ hours) * view.park.contracts.curtailment.price_cny_per_mwh
    known = {"energy": (energy, float(np.abs(price) @ hours) * _tie_mw(view)), "curtailment": (lost, 0.0)}
    if plan.label in BILLED_WHOLE:
        known |= _emitted_and_worn(view)
        found += _demand_peak(view) + _declared(view)
        for item in plan.cost_breakdown_cny if plan.cost_by_owner_cny else ():
            owned = sum(items.get(item, 0.0) for items in plan.cost_by_owner_cny.values())
            found += _off("cost", item, owned, costs[item], CLOSE_CNY)
    for item, (cny, slack) in known.items():
        found += _off("cost", item, costs.get(item, 0.0), cny, CLOSE_CNY + slack)
    return found


def _tie_mw(view: Seen) -> float:
    return max(TIE_MW, TIE_SHARE * float(view.plan.series["tie"]["import_mw"].max()))


def _summed(view: Seen, key: str) -> Array:
    """Return (n,) the sum of a series over all resources that have it."""
    series = [view.plan.series[name] for name in view.park.resources]
    return sum((own[key] for own in series if key in own), np.zeros(view.n))


def _emitted_and_worn(view: Seen) -> dict[str, tuple[float, float]]:
    """Return (CNY, tolerance) of carbon, fuel and degradation."""
    series, hours, carbon = view.plan.series, view.dt_h, view.park.contracts.carbon
    per_mwh = carbon.price_cny_per_t * carbon.grid_kg_per_kwh
    emitted = float(series["tie"]["import_mw"] @ hours) * per_mwh
    fuel = worn = 0.0
    for name, device in view.park.devices.items():
        mwh = float(series[name]["p_mw"] @ hours)
        match device:
            case Chp(params=p):
                fuel += p.fuel_cny_per_mwh * mwh
                emitted += p.co2_t_per_mwh * carbon.price_cny_per_t * mwh
            case Bess(params=p):
                worn += p.degradation_cny_per_mwh_discharged * float(series[name]["discharge_mw"] @ hours)
            case Caes(params=p):
                worn += p.vom_cny_per_mwh_dis * float(series[name]["discharge_mw"] @ hours)
                spins = np.round(series[name]["mode_code"]) == CONDENSER
                worn += p.condenser.wear_cny_per_h * float(spins @ hours)
    return {
        "carbon": (emitted, per_mwh * float(hours.sum()) * _tie_mw(view)),
        "fuel": (fuel, 0.0),
        "degradation": (worn, 0.0),
    }


def _demand_peak(view: Seen) -> list[Violation]:
    """Judge what the plan adds to the month's peak, above the contract's expected peak."""
    contract = view.park.contracts.tie
    rate = contract.demand_charge_cny_per_kw_month * 1000
    top = max(view.plan.initial.month_peak_mw, contract.expected_month_peak_mw)
    added = max(0.0, float(view.plan.series["tie"]["import_mw"].max()) - top)
    billed = view.plan.cost_breakdown_cny.get("demand_charge", 0.0)
    return _off("demand_peak", "demand_charge", billed, rate * added, CLOSE_CNY + rate * _tie_mw(view))


def _declared(view: Seen) -> list[Violation]:
    """Judge energy outside the band around the declared curve, at the contract's part of the price."""
    contract, tie = view.park.contracts.tie, view.plan.series["tie"]
    # what was declared beyond an order counts as declared at it
    declared = np.clip(tie["declared_mw"], -tie["export_max_mw"], tie["import_max_mw"])
    off = np.abs(tie["import_mw"] - tie["export_mw"] - declared)
    outside = np.maximum(0.0, off - contract.declared_deviation_band * np.abs(declared))
    price = contract.deviation_price_factor * np.maximum(0.0, tie["price_cny_per_mwh"]) * view.dt_h
    billed = view.plan.cost_breakdown_cny.get("deviation", 0.0)
    slack = CLOSE_CNY + float(price.sum()) * _tie_mw(view)
    return _off("declared_curve", "deviation", billed, float(price @ outside), slack)


def _off(rule: str, item: str, billed: float, owed: float, slack: float) -> list[Violation]:
    if abs(billed - owed) <= slack:
        return []
    words = f"{item}: the plan says {billed:,.0f} CNY, its own series {owed:,.0f}"
    resource = "tie" if rule != "cost" else item
    return [Violation(rule=rule, resource=resource, step=None, found=billed, allowed=owed, text=words)]
