"""The lower rungs of the ladder: the previous plan moved on, and a plan by rule.

Both are walks through the steps with plain arithmetic: what a device is asked is cut to what it can
do from where it stands, so they need neither solver nor time.
"""

import math
from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from controllers.planning.blocks.caes_history import CHARGE, DISCHARGE, history
from controllers.planning.limits import USED
from controllers.planning.problem import COST_ITEMS
from controllers.planning.release import by_name, tie_series
from controllers.planning.security import NETWORK_RULES, reactive
from controllers.planning.slots import Situation
from network.powerflow import AcStates, Oracle
from network.security import violations
from vpp.devices import Bess, Caes, Electrolyzer, H2Store, bess, caes, electrolyzer
from vpp.types import Array, Plan, PlanLabel, Relaxation

BALANCED_MW = 1e-3
Wishes = Mapping[str, Array]
"""Resource -> asked p_mw, (steps,)."""


def shifted_plan(oracle: Oracle, now: Situation) -> Plan | None:
    """Return the previous plan from the present step on, cut to what state and forecast allow.

    None without a previous plan or where it ends before the window does.
    """
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

    Storage rests, electrolysers stand by, hydrogen is delivered evenly while there is any; surplus
    goes to electrolysers, then batteries, then is curtailed; batteries cover import beyond the limit.
    """
    span = now.window.span
    rest = np.zeros(now.window.end - now.window.first)
    demand = sum((mw[span] for mw in now.load_mw.values()), rest)
    supply = sum((mw[span] for mw in now.available_mw.values()), rest)
    wishes = {name: mw[span] for name, mw in now.available_mw.items()}
    surplus, lack = supply - demand, demand - supply - now.import_max_mw[span]
    for name, device in now.park.devices.items():
        if isinstance(device, Electrolyzer):
            taken = np.clip(surplus, device.standby_mw, device.load_max_mw)
            wishes[name], surplus = -taken, surplus - taken
    for name, device in now.park.devices.items():
        if isinstance(device, Bess):
            asked = np.where(lack > 0, lack, np.minimum(0.0, -surplus)) - device.aux_mw * (lack <= 0)
            wishes[name] = np.clip(asked, device.resource.p_min_mw, device.resource.p_max_mw)
        elif isinstance(device, Caes):
            wishes[name] = rest - device.params.standby_aux_mw
        elif isinstance(device, H2Store):
            wishes[name] = rest
    contract = now.park.contracts.hydrogen
    per_h = contract.pipeline_daily_min_kg / 24 if contract is not None else 0.0
    deliveries = {n: rest + per_h for n, d in now.park.devices.items() if isinstance(d, H2Store)}
    return _walked(oracle, now, wishes, deliveries, PlanLabel.RULE, words="merit order without optimisation")


def _walked(
    oracle: Oracle, now: Situation, wishes: Wishes, deliveries: Wishes, label: PlanLabel, *, words: str
) -> Plan:
    series: dict[str, dict[str, Array]] = {}
    for name in now.park.loads:
        series[name] = _load(now, name)
    made = np.zeros(now.window.end - now.window.first)
    for name, device in now.park.devices.items():
        if isinstance(device, Bess):
            series[name] = _battery(now, name, device, wishes[name])
        elif isinstance(device, Caes):
            series[name] = _caes(now, name, device, wishes[name])
        elif isinstance(device, Electrolyzer):
            series[name] = _electrolyser(now, name, device, wishes[name])
            made = made + series[name]["h2_kg"]
        elif not isinstance(device, H2Store):
            series[name] = _renewable(now, name, wishes[name])
    for name, device in now.park.devices.items():
        if isinstance(device, H2Store):
            series[name] = _hydrogen(now, name, device, made, deliveries.get(name, np.zeros_like(made)))
    states = _curtail(oracle, now, series)
    series = {name: series[name] for name in oracle.elements} | tie_series(now, states)
    return _plan(now, series, states, label, words)


def _load(now: Situation, name: str) -> dict[str, Array]:
    """Return a load whose open blocks stay open for the rest of their call, as the block holds."""
    load, ledger = now.park.loads[name], now.state.calls.get(name, {})
    demand = now.load_mw[name][now.window.span]
    opened = np.zeros(len(demand))
    if ledger.get("open_blocks", 0.0) > 0 and load.blocks:
        left = load.max_shed_min - ledger.get("running_min", 0.0)
        opened[: max(1, int(left // now.window.axis.step_min))] = ledger["open_blocks"]
    shed = demand * load.interruptible_share * opened / load.blocks if load.blocks else 0.0 * demand
    return {"p_mw": shed - demand, "load_mw": demand, "shed_mw": shed, "open_blocks": opened}


def _renewable(now: Situation, name: str, wish: Array) -> dict[str, Array]:
    most = np.minimum(now.available_mw[name][now.window.span], now.park.resources[name].p_max_mw)
    most = most * now.is_available(name)
    p = np.clip(wish, 0.0, most)
    return {"p_mw": p, "available_mw": most, "curtailed_mw": most - p}


def _battery(now: Situation, name: str, device: Bess, wish: Array) -> dict[str, Array]:
    on, params = float(now.is_available(name)), device.params
    e = now.state.resources[name]["e_mwh"]
    low, high = min(params.soc_min * device.e_full_mwh, e), max(params.soc_max * device.e_full_mwh, e)
    rows = []
    for p, hours in zip(wish, now.window.dt_h[now.window.span], strict=True):
        kept = e * bess.retention(device, hours * 3600)
        asked = (p + device.aux_mw) * on
        room_out = max(0.0, kept - low) * params.eta_dis / hours
        room_in = max(0.0, high - kept) / params.eta_ch / hours
        out = min(max(asked, 0.0), device.discharge_max_mw, room_out)
        into = min(max(-asked, 0.0), device.charge_max_mw, room_in)
        e = kept + hours * (params.eta_ch * into - out / params.eta_dis)
        rows.append((out - into - device.aux_mw * on, into, out, e))
    p, into, out, energy = (np.array(column) for column in zip(*rows, strict=True))
    return {"p_mw": p, "charge_mw": into, "discharge_mw": out, "e_mwh": energy}


def _caes(now: Situation, name: str, device: Caes, wish: Array) -> dict[str, Array]:
    """Return a plant that carries on or stops what runs: turn-rounds and starts are not taken over."""
    on, params = float(now.is_available(name)), device.params
    e = now.state.resources[name]["e_mwh"]
    past = history(device, now)
    machine, trains = past.machine, past.trains
    held = _held_steps(now, device, name, machine)
    rows = []
    for k, (p, hours) in enumerate(zip(wish, now.window.dt_h[now.window.span], strict=True)):
        kept = e * caes.retention(device, hours * 3600)
        asked = p + params.standby_aux_mw
        into = out = 0.0
        if machine == DISCHARGE and (asked > params.turbine.p_min_mw / 2 or k < held):
            most = caes.discharge_max_mw(
                device, max(device.e_min_mwh, kept - params.turbine.p_rated_mw * hours / params.eta_discharge)
            )
            out = min(max(asked, params.turbine.p_min_mw), most)
        elif machine == CHARGE and (-asked > params.compressor.p_min_mw / 2 or k < held):
            low, high = trains * params.compressor.p_min_mw, trains * params.compressor.p_rated_mw
            into = min(max(-asked, low), high, caes.charge_max_mw(device, e))
        flow = (
            caes.air_mwh_per_h(device, -into, trains)
            if into
            else caes.air_mwh_per_h(device, out, 0)
            if out
            else 0.0
        )
        after = kept + hours * flow
        if not min(device.e_min_mwh, e) <= after <= max(device.e_max_mwh, e):
            into = out = 0.0
            after = kept
        if not (into or out):
            machine, trains = 0, 0
        e = after
        rows.append((on * (out - into - params.standby_aux_mw), into, out, e, machine, trains if into else 0))
    names = ("p_mw", "charge_mw", "discharge_mw", "e_mwh", "mode_code", "trains")
    return {
        key: np.array(column, dtype=float) for key, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _held_steps(now: Situation, device: Caes, name: str, machine: int) -> int:
    spec = device.params.turbine if machine == DISCHARGE else device.params.compressor
    left = spec.min_up_time_min - now.state.resources[name].get("mode_min", math.inf)
    return max(0, math.ceil(left / now.window.axis.step_min)) if machine and left > 0 else 0


def _electrolyser(now: Situation, name: str, device: Electrolyzer, wish: Array) -> dict[str, Array]:
    load = np.clip(-wish, device.standby_mw, device.load_max_mw)
    running = load >= (device.standby_mw + device.load_min_mw) / 2
    load = np.where(running, np.maximum(load, device.load_min_mw), device.standby_mw) * now.is_available(name)
    hours = now.window.dt_h[now.window.span]
    return {
        "p_mw": -load,
        "load_mw": load,
        "stacks": np.array([float(electrolyzer.best_stacks(device, mw)) for mw in load]),
        "h2_kg": np.array([electrolyzer.h2_kg_per_h(device, mw) for mw in load]) * hours,
    }


def _hydrogen(now: Situation, name: str, device: H2Store, made_kg: Array, wish: Array) -> dict[str, Array]:
    kg, rows = now.state.resources[name]["h2_kg"], []
    most = device.params.pipeline_max_kg_per_h * now.is_available(name)
    for made, asked, hours in zip(made_kg, wish, now.window.dt_h[now.window.span], strict=True):
        out = min(min(asked, most) * hours, max(0.0, kg + made - device.min_kg))
        vented = max(0.0, kg + made - out - max(device.params.usable_kg, kg))
        kg += made - out - vented
        p = -device.params.compressor_kwh_per_kg / 1000 * made / hours
        rows.append((p, kg, out / hours, vented / hours))
    names = ("p_mw", "h2_kg", "delivery_kg_per_h", "vented_kg_per_h")
    return {key: np.array(column) for key, column in zip(names, zip(*rows, strict=True), strict=True)}


def _curtail(oracle: Oracle, now: Situation, series: dict[str, dict[str, Array]]) -> AcStates:
    """Curtail wind and PV in proportion until nothing beyond the export limit is left; fill in Q."""
    allowed = now.export_max_mw[now.window.span]
    for _ in range(4):
        p = np.column_stack([series[name]["p_mw"] for name in oracle.elements])
        q = reactive(now.park, oracle.elements, p)
        states = oracle.solve(p, q)
        over = np.maximum(0.0, -states.p_tie_mw - allowed)
        fed = sum((series[name]["p_mw"] for name in now.available_mw), np.zeros(len(over)))
        if not (over > BALANCED_MW).any():
            break
        share = np.clip(1 - (over + BALANCED_MW / 2) / np.maximum(fed, 1e-9), 0.0, 1.0)
        for name in now.available_mw:
            series[name]["p_mw"] = series[name]["p_mw"] * np.where(over > 0, share, 1.0)
            series[name]["curtailed_mw"] = series[name]["available_mw"] - series[name]["p_mw"]
    for k, name in enumerate(oracle.elements):
        series[name]["q_mvar"] = q[:, k]
    return states


def _plan(
    now: Situation, series: dict[str, dict[str, Array]], states: AcStates, label: PlanLabel, words: str
) -> Plan:
    window, park = now.window, now.park
    hours, tie = window.dt_h[window.span], series["tie"]
    costs = dict.fromkeys(COST_ITEMS, 0.0)
    costs["energy"] = float(np.sum(tie["import_mw"] * tie["price_cny_per_mwh"] * hours))
    curtailed = sum((series[name]["curtailed_mw"] for name in now.available_mw), np.zeros(len(hours)))
    costs["curtailment"] = float(curtailed @ hours) * park.contracts.curtailment.price_cny_per_mwh
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
        cost_cny=sum(costs.values()),
        cost_breakdown_cny=costs,
        series=series,
        initial=now.state,
        curtailment_cause=causes,
        vm_pu=by_name(states.buses, states.vm_pu),
        loading_percent=by_name(states.branches, states.loading_percent),
        relaxations=_declared(now, series, states),
        certificate=None,
        solve_s=0.0,
        notes=("costs are those of energy and curtailment alone",),
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
    over("reserve_up", np.full(len(tie["import_mw"]), contract.reserve.up_mw), "MW")
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
