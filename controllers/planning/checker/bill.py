"""Rules of money: what a plan says it costs is what its own series cost, whatever made it.

Every item is summed again from the series; the value of what is left in store too. Slack is money only
for the solver: it is judged by whether a limit was given up.
"""

import math
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning.checker.caes import CHARGING, CONDENSER, DISCHARGING
from controllers.planning.checker.seen import Seen
from vpp.devices import Ammonia, Bess, Caes, Chp, Electrolyzer, H2Store, electrolyzer
from vpp.park import share_of_loops
from vpp.park.pins import local_midnight
from vpp.park.worth import refill_cny_per_mwh, stored_worth
from vpp.types import Array, Violation

CLOSE_CNY = 1.0
BY_SHARE = 0.05
"""Stacks by which hot starts, planned by share, may miss what the loads need: solver tolerance."""
MACHINE_BEFORE = {1: CHARGING, 2: DISCHARGING, 3: CHARGING, 4: DISCHARGING}
"""Register `mode_code` -> what runs or is about to."""
SLACKS = ("tie_import", "tie_export", "reserve_up", "island_soc")
"""Limits that are given up at a price."""


def bill(view: Seen) -> list[Violation]:
    """Rules `cost`, `demand_peak` and `declared_curve`: items and their sum against the series."""
    costs, plan = view.plan.cost_breakdown_cny, view.plan
    hours, price = view.dt_h, plan.series["tie"]["price_cny_per_mwh"]
    found = _off("cost", "sum", sum(costs.values()), plan.cost_cny)
    known = {
        "energy": float(plan.series["tie"]["import_mw"] * price @ hours),
        "curtailment": float(_summed(view, "curtailed_mw") @ hours)
        * view.park.contracts.curtailment.price_cny_per_mwh,
        "interruption": _interruption(view),
        "hydrogen": _hydrogen(view),
        "ammonia": _ammonia(view),
        "terminal": _terminal(view),
        **_emitted_and_worn(view),
    }
    for item, cny in known.items():
        found += _off("cost", item, costs.get(item, 0.0), cny)
    starts, unsure = _starts(view)
    found += _off("cost", "starts", costs.get("starts", 0.0), starts, CLOSE_CNY + unsure)
    found += _demand_peak(view) + _declared(view) + _hot_starts(view) + _slack(view)
    for item in plan.cost_breakdown_cny if plan.cost_by_owner_cny else ():
        owned = sum(items.get(item, 0.0) for items in plan.cost_by_owner_cny.values())
        found += _off("cost", item, owned, costs[item])
    return found


def _summed(view: Seen, key: str) -> Array:
    """Return (n,) the sum of a series over all resources that have it."""
    series = [view.plan.series[name] for name in view.park.resources]
    return sum((own[key] for own in series if key in own), np.zeros(view.n))


def _emitted_and_worn(view: Seen) -> dict[str, float]:
    """Return CNY of carbon, fuel and degradation."""
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
    return {"carbon": emitted, "fuel": fuel, "degradation": worn}


def _starts(view: Seen) -> tuple[float, float]:
    """Return (CNY, doubt) of machines that begin, stacks from standby, stacks that get warm or end colder.

    In doubt is what the first step begins where the state leaves open what ran before: a plant that has
    just stopped, or how many trains carry a measured load.
    """
    total = unsure = 0.0
    for name, device in view.park.devices.items():
        s, at = view.plan.series[name], view.plan.initial.resources[name]
        if isinstance(device, Caes):
            params, mode = device.params, np.round(s["mode_code"])
            before = MACHINE_BEFORE.get(int(at.get("mode_code", 0)), 0) if view.available(name) else 0
            ran = max(1.0, at.get("trains", 0.0)) if before == CHARGING else 0.0
            trains = np.where(mode == CHARGING, np.round(s["trains"]), 0.0)
            turbine = np.diff(mode == DISCHARGING, prepend=before == DISCHARGING) & (mode == DISCHARGING)
            cny = params.turbine.start_cost_cny * turbine
            cny = cny + params.compressor.start_cost_cny * np.maximum(0.0, np.diff(trains, prepend=ran))
            total += float(cny.sum())
            stopped = before == 0 and at.get("mode_min", math.inf) < params.mode_change_min_idle_s / 120
            unsure += float(cny[0]) if stopped or before == CHARGING else 0.0
        elif isinstance(device, Electrolyzer):
            warm, heating = _warm_before(view, name, device)
            cold = max(0.0, _risen(warm, s["warm_stacks"]) - heating)
            cold += max(0.0, warm + heating - float(s["warm_stacks"][-1]))
            cold_cny, hot_cny = (
                device.params.start_cost_cny_per_mw_cold,
                device.params.start_cost_cny_per_mw_hot,
            )
            total += device.params.stack_mw * (cold_cny * cold + hot_cny * float(s["hot_starts"].sum()))
    return total, unsure


def _warm_before(view: Seen, name: str, device: Electrolyzer) -> tuple[int, int]:
    """Return the stacks that are warm and that heat when the plan begins."""
    at, answers = view.plan.initial.resources[name], view.available(name)
    warm, heating = at.get("warm_stacks", float(device.params.stacks)), at.get("heating_stacks", 0.0)
    return round(warm) * answers, round(heating) * answers


def _hot_starts(view: Seen) -> list[Violation]:
    """Judge that a plan starts the stacks that its loads need: at most load, less those that heat."""
    found = []
    for name, device in view.park.devices.items():
        if not isinstance(device, Electrolyzer) or not view.available(name):
            continue
        s, at = view.plan.series[name], view.plan.initial.resources[name]
        standing, warm = device.stack_standby_mw, s["warm_stacks"]
        most = device.params.stack_load_max * device.params.stack_mw - standing
        needed = np.maximum(0.0, s["load_mw"] - s["heating_mw"] - warm * standing) / most
        was, heating = _warm_before(view, name, device)
        drawn = max(0.0, -at.get("p_mw", 0.0)) - heating * standing
        # whatever ran before runs on: beyond it the stacks that a load needs can only have been started
        on = float(electrolyzer.best_stacks(device, drawn, was))
        came = np.maximum(0.0, np.diff(warm, prepend=was))
        lacking = needed - on - np.cumsum(s["hot_starts"] + came)
        found += view.where("cost", name, lacking, BY_SHARE, "{:.2f} stacks run that nobody paid to start")
    return found


def _interruption(view: Seen) -> float:
    total = 0.0
    for name, load in view.park.loads.items():
        s, before = view.plan.series[name], view.plan.initial.calls.get(name, {}).get("open_blocks", 0.0)
        mwh = float((s["shed_mw"] + s["modulated_mw"]) @ view.dt_h)
        closings = _risen(-before, -s["open_blocks"])
        total += 1000 * load.contract_energy_cny_per_kwh * mwh + load.restart_cost_cny * closings
    return total


def _hydrogen(view: Seen) -> float:
    contract, total = view.park.contracts.hydrogen, 0.0
    for name, device in view.park.devices.items():
        if isinstance(device, H2Store) and contract is not None:
            kg = view.plan.series[name]["delivery_kg_per_h"] * view.dt_h
            so_far = view.plan.initial.resources[name].get("delivered_kg", 0.0)
            total += contract.shortfall_cny_per_kg * _missed(
                view, contract.pipeline_daily_min_kg, so_far, kg
            ) - contract.price_cny_per_kg * float(kg.sum())
    return total


def _ammonia(view: Seen) -> float:
    contract, total = view.park.contracts.ammonia, 0.0
    for name, device in view.park.devices.items():
        if isinstance(device, Ammonia) and contract is not None:
            made = view.plan.series[name]["nh3_t"]
            daily = contract.daily_min_t * share_of_loops(view.park, device)
            so_far = view.plan.initial.resources[name].get("nh3_t", 0.0)
            total += contract.shortfall_cny_per_t * _missed(view, daily, so_far, made)
            total -= contract.price_cny_per_t * float(made.sum())
    return total


def _missed(view: Seen, daily: float, so_far: float, given: Array) -> float:
    """Return what the local days lack: each owes by the share of it that is over when the plan leaves it."""
    days, total, step = np.array(view.days()), 0.0, timedelta(minutes=view.plan.step_min)
    first = view.plan.start.astimezone(ZoneInfo(view.park.site.zone)).date()
    for day in np.unique(days):
        begin, end = (local_midnight(view.park, first + timedelta(days=int(day) + k)) for k in (0, 1))
        over = int((days == day).sum()) * step
        if day == 0:
            over += view.plan.start - begin
        owed = max(0.0, daily * (over / (end - begin)) - (so_far if day == 0 else 0.0))
        total += max(0.0, owed - float(given[days == day].sum()))
    return total


def _terminal(view: Seen) -> float:
    end = view.plan.start + timedelta(minutes=view.plan.step_min * view.n)
    low = refill_cny_per_mwh(view.park, [end + timedelta(hours=h) for h in range(24)])
    total = 0.0
    for name, device in view.park.devices.items():
        worth = stored_worth(view.park, name, low)
        if worth is not None:
            content = "h2_kg" if isinstance(device, H2Store) else "e_mwh"
            total -= worth * float(view.plan.series[name][content][-1])
    return total


def _slack(view: Seen) -> list[Violation]:
    """Judge that limits given up are paid for, and no others."""
    given = [r for r in view.plan.relaxations if r.limit.partition(":")[0] in SLACKS and r.amount > 0]
    billed = view.plan.cost_breakdown_cny.get("slack", 0.0)
    return [] if (billed > 0) == bool(given) and billed >= 0 else _off("cost", "slack", billed, math.nan)


def _risen(before: float, counts: Array) -> float:
    return float(np.maximum(0.0, np.diff(counts, prepend=before)).sum())


def _demand_peak(view: Seen) -> list[Violation]:
    """Judge what the plan adds to the month's peak, above the contract's expected peak."""
    contract = view.park.contracts.tie
    rate = contract.demand_charge_cny_per_kw_month * 1000
    top = max(view.plan.initial.month_peak_mw, contract.expected_month_peak_mw)
    added = max(0.0, float(view.plan.series["tie"]["import_mw"].max()) - top)
    billed = view.plan.cost_breakdown_cny.get("demand_charge", 0.0)
    return _off("demand_peak", "demand_charge", billed, rate * added)


def _declared(view: Seen) -> list[Violation]:
    """Judge energy outside the band around the declared curve, at the contract's part of the price."""
    contract, tie = view.park.contracts.tie, view.plan.series["tie"]
    # what was declared beyond an order counts as declared at it
    declared = np.clip(tie["declared_mw"], -tie["export_max_mw"], tie["import_max_mw"])
    off = np.abs(tie["import_mw"] - tie["export_mw"] - declared)
    outside = np.maximum(0.0, off - contract.declared_deviation_band * np.abs(declared))
    price = contract.deviation_price_factor * np.maximum(0.0, tie["price_cny_per_mwh"]) * view.dt_h
    billed = view.plan.cost_breakdown_cny.get("deviation", 0.0)
    return _off("declared_curve", "deviation", billed, float(price @ outside))


def _off(rule: str, item: str, billed: float, owed: float, slack: float = CLOSE_CNY) -> list[Violation]:
    if abs(billed - owed) <= slack:
        return []
    words = f"{item}: the plan says {billed:,.0f} CNY, its own series {owed:,.0f}"
    resource = "tie" if rule != "cost" else item
    return [Violation(rule=rule, resource=resource, step=None, found=billed, allowed=owed, text=words)]
