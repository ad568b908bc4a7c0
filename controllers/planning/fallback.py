"""The lower rungs of the ladder: the previous plan moved on, and a plan by rule.

Both walk through the steps (`walks.py`), so they need neither solver nor time.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np

from controllers.planning import slow_walks, walks
from controllers.planning.bill import bill
from controllers.planning.blocks.load import overdue
from controllers.planning.contingency import classes, look
from controllers.planning.limits import USED
from controllers.planning.reactive import NETWORK_RULES, planned, positions_of, relaxations_of
from controllers.planning.release import by_name, tie_series
from controllers.planning.slots import Situation
from network.ac_states import AcStates
from network.contingency import Operation
from network.powerflow import Oracle
from network.reactive_ease import VarPlan
from network.security import violations
from vpp.devices import Ammonia, Bess, Caes, Chp, Electrolyzer, H2Store, electrolyzer
from vpp.types import Array, Plan, PlanLabel, Relaxation

BALANCED_MW = 1e-3
Wishes = Mapping[str, Array]
"""Resource -> asked p_mw, (steps,)."""


def shifted_plan(oracle: Oracle, now: Situation) -> Plan | None:
    """Return the previous plan from the present step on, cut to what state and forecast allow.

    None without a previous plan or where it ends before the window does.
    """
    if now.previous is None:
        return None
    wishes = {}
    for name in now.park.resources:
        series = now.previous_series(name, "p_mw")
        if series is None or np.isnan(series[now.window.span]).any():
            return None
        wishes[name] = series[now.window.span]
    deliveries = {}
    for name in now.park.resources:
        series = now.previous_series(name, "delivery_kg_per_h")
        if series is not None:
            deliveries[name] = series[now.window.span]
    words = "previous plan, moved on"
    return _walked(oracle, now, wishes, deliveries, PlanLabel.SHIFTED, words=words)


def rule_plan(oracle: Oracle, now: Situation) -> Plan:
    """Return a plan by merit order without foresight.

    Storage rests, CHP units go on as they are, electrolysers make what the ammonia loops use at their
    least, hydrogen is delivered evenly while there is any; surplus goes to electrolysers, then batteries,
    then is curtailed; batteries and CHP units cover import beyond the limit.
    """
    span = now.window.span
    rest = np.zeros(now.window.end - now.window.first)
    demand = sum((mw[span] for mw in now.load_mw.values()), rest)
    supply = sum((mw[span] for mw in now.available_mw.values()), rest) + _unmoved_mw(now)
    wishes = {name: mw[span] for name, mw in now.available_mw.items()}
    surplus, lack = supply - demand, demand - supply - now.import_max_mw[span]
    for name, device in now.park.devices.items():
        if isinstance(device, Electrolyzer):
            least = np.where(lack > 0, 0.0, _feeding_mw(now, device))
            taken = np.clip(np.maximum(surplus, least), device.standby_mw, device.load_max_mw)
            wishes[name], surplus = -taken, surplus - taken
    for name, device in now.park.devices.items():
        if isinstance(device, Bess):
            asked = np.where(lack > 0, lack, np.minimum(0.0, -surplus)) - device.aux_mw * (lack <= 0)
            wishes[name] = np.clip(asked, device.resource.p_min_mw, device.resource.p_max_mw)
        elif isinstance(device, Caes):
            wishes[name] = rest - device.params.standby_aux_mw
        elif isinstance(device, Chp):
            now_mw = now.state.resources[name].get("p_mw", 0.0)
            wishes[name] = np.where(lack > 0, device.resource.p_max_mw, rest + now_mw)
        elif isinstance(device, H2Store | Ammonia):
            # a loop goes on at its least, so that the hydrogen lasts
            wishes[name] = rest
    contract = now.park.contracts.hydrogen
    per_h = contract.pipeline_daily_min_kg / 24 if contract is not None else 0.0
    deliveries = {n: rest + per_h for n, d in now.park.devices.items() if isinstance(d, H2Store)}
    return _walked(oracle, now, wishes, deliveries, PlanLabel.RULE, words="merit order without optimisation")


def _unmoved_mw(now: Situation) -> float:
    """Return what CHP units give now, less the least that ammonia loops draw."""
    total = 0.0
    for name, device in now.park.devices.items():
        if isinstance(device, Chp):
            total += now.state.resources[name].get("p_mw", 0.0)
        elif isinstance(device, Ammonia):
            total -= device.load_min_mw
    return total


def _feeding_mw(now: Situation, device: Electrolyzer) -> float:
    """Return the load at which a plant makes its share, by rating, of what the loops use at their least."""
    devices = now.park.devices.values()
    used = sum(d.load_min_mw * d.h2_kg_per_mwh for d in devices if isinstance(d, Ammonia))
    rated = sum(d.load_max_mw for d in devices if isinstance(d, Electrolyzer))
    return device.standby_mw + used * _kwh_per_kg(device) / 1000 * device.load_max_mw / rated


def _kwh_per_kg(device: Electrolyzer) -> float:
    """Return the consumption per kg at rating, the greatest of the usual loads."""
    return 1000 * device.load_max_mw / electrolyzer.h2_kg_per_h(device, device.load_max_mw)


def _walked(
    oracle: Oracle, now: Situation, wishes: Wishes, deliveries: Wishes, label: PlanLabel, *, words: str
) -> Plan:
    series: dict[str, dict[str, Array]] = {}
    for name in now.park.loads:
        series[name] = walks.load(now, name)
    made = np.zeros(now.window.end - now.window.first)
    for name, device in now.park.devices.items():
        if isinstance(device, Bess):
            series[name] = walks.battery(now, name, device, wishes[name])
        elif isinstance(device, Caes):
            series[name] = walks.air_plant(now, name, device, wishes[name])
        elif isinstance(device, Electrolyzer):
            series[name] = walks.electrolyser(now, name, device, wishes[name])
            made = made + series[name]["h2_kg"]
        elif isinstance(device, Chp):
            series[name] = slow_walks.chp_unit(now, name, device, wishes[name])
        elif not isinstance(device, H2Store | Ammonia):
            series[name] = walks.renewable(now, name, wishes[name])
    loops = slow_walks.loops(now, made, wishes)
    series |= loops
    left = made - sum((loop["h2_used_kg"] for loop in loops.values()), np.zeros_like(made))
    for name, device in now.park.devices.items():
        if isinstance(device, H2Store):
            series[name] = walks.hydrogen(
                now, name, device, (made, left), deliveries.get(name, np.zeros_like(made))
            )
    var = _curtail(oracle, now, series)
    series = {name: series[name] for name in oracle.elements} | tie_series(now, var.states)
    series |= positions_of(now.park, var)
    plan = _plan(now, series, var.states, label, words=words, given_up=relaxations_of(now.park, var))
    p = np.column_stack([series[name]["p_mw"] for name in oracle.elements])
    before = Operation(p_mw=p, q_mvar=var.q_mvar, positions=var.positions)
    told = classes(look(oracle, before, series), frozenset(), series["tie"]["import_mw"])
    return replace(plan, contingencies=told)


def _curtail(oracle: Oracle, now: Situation, series: dict[str, dict[str, Array]]) -> VarPlan:
    """Curtail wind and PV in proportion until nothing beyond the export limit is left; fill in Q."""
    allowed = now.export_max_mw[now.window.span]
    modes = {name: own["mode_code"] for name, own in series.items() if "mode_code" in own}
    near = None
    for _ in range(4):
        p = np.column_stack([series[name]["p_mw"] for name in oracle.elements])
        var = planned(oracle, now, p, modes, near)
        near = (var.q_mvar, var.positions)
        over = np.maximum(0.0, -var.states.p_tie_mw - allowed)
        fed = sum((series[name]["p_mw"] for name in now.available_mw), np.zeros(len(over)))
        if not (over > BALANCED_MW).any():
            break
        share = np.clip(1 - (over + BALANCED_MW / 2) / np.maximum(fed, 1e-9), 0.0, 1.0)
        for name in now.available_mw:
            series[name]["p_mw"] = series[name]["p_mw"] * np.where(over > 0, share, 1.0)
            series[name]["curtailed_mw"] = series[name]["available_mw"] - series[name]["p_mw"]
    for k, name in enumerate(oracle.elements):
        series[name]["q_mvar"] = var.q_mvar[:, k]
    return var


def _plan(
    now: Situation,
    series: dict[str, dict[str, Array]],
    states: AcStates,
    label: PlanLabel,
    *,
    words: str,
    given_up: tuple[Relaxation, ...],
) -> Plan:
    window, park = now.window, now.park
    relaxations = (*_declared(now, series, states), *given_up, *overdue(now))
    charged = bill(now, series, relaxations)
    causes = {
        name: tuple("surplus" if mw > 0.01 else "" for mw in series[name]["curtailed_mw"])
        for name in now.available_mw
    }
    return Plan(
        id="",
        park=park.name,
        made_at=now.state.at,
        start=window.start,
        step_min=window.axis.step_min,
        steps=window.end - window.first,
        valid_until=now.state.at + timedelta(seconds=park.horizon.plan_ttl_s),
        label=label,
        status=words,
        gap=math.nan,
        cost_cny=sum(charged.items.values()),
        cost_breakdown_cny=charged.items,
        series=series,
        initial=now.state,
        curtailment_cause=causes,
        vm_pu=by_name(states.buses, states.vm_pu),
        loading_percent=by_name(states.branches, states.loading_percent),
        relaxations=relaxations,
        certificate=None,
        solve_s=0.0,
        cost_by_owner_cny=charged.by_owner,
        cost_by_step_cny=charged.by_step,
    )


def _declared(
    now: Situation, series: dict[str, dict[str, Array]], states: AcStates
) -> tuple[Relaxation, ...]:
    """Declare what a plan without optimisation does not keep: tie, reserve, island energy, network."""
    found = []

    def over(limit: str, excess: Array, unit: str) -> None:
        for step in np.flatnonzero(excess > USED):
            reason = "planned without optimisation"
            found.append(
                Relaxation(limit=limit, step=int(step), amount=float(excess[step]), unit=unit, reason=reason)
            )

    tie, contract = series["tie"], now.park.contracts
    over("tie_import", tie["import_mw"] - tie["import_max_mw"], "MW")
    over("tie_export", tie["export_mw"] - tie["export_max_mw"], "MW")
    rest = np.zeros(len(tie["import_mw"]))
    room = sum((walks.room_up_mw(now, n, d, series[n]) for n, d in now.park.devices.items()), rest)
    over("reserve_up", contract.reserve.up_mw - room, "MW")
    for name, device in now.park.devices.items():
        if isinstance(device, Bess):
            share = max(contract.reserve.island_battery_soc, device.params.soc_reserve_for_island)
            over(f"island_soc:{name}", share * device.e_full_mwh - series[name]["e_mwh"], "MWh")
    for v in violations(now.park, states):
        if v.rule in NETWORK_RULES:
            kind = {"loading": "branch", "voltage": "voltage"}.get(v.rule, v.rule)
            amount = abs(v.found - v.allowed)
            found.append(
                Relaxation(
                    limit=f"{kind}:{v.resource}", step=v.step or 0, amount=amount, unit="", reason=v.text
                )
            )
    return tuple(found)
