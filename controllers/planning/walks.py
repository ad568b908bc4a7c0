"""Devices and loads walked through the steps of a plan with plain arithmetic.

What a device is asked is cut to what it can do from where it stands. Each function returns the series
of one element, arrays of shape (steps,).
"""

import math
from collections.abc import Mapping

import numpy as np

from controllers.planning.blocks.caes_history import CHARGE, DISCHARGE, history, power_before, power_reached
from controllers.planning.blocks.electrolyzer import on_now
from controllers.planning.blocks.load import closed_before, rebound_mw
from controllers.planning.slots import Situation
from vpp.devices import Bess, Caes, Device, Electrolyzer, H2Store, bess, caes, electrolyzer
from vpp.types import Array


def load(now: Situation, name: str) -> dict[str, Array]:
    """Return a load whose open blocks stay open for the rest of their call, as the block holds."""
    load, ledger = now.park.loads[name], now.state.calls.get(name, {})
    demand = now.load_mw[name][now.window.span]
    opened = np.zeros(len(demand))
    if ledger.get("open_blocks", 0.0) > 0 and load.blocks:
        left = load.max_shed_min - ledger.get("running_min", 0.0)
        opened[: max(1, int(left // now.window.axis.step_min))] = ledger["open_blocks"]
    shed = demand * load.interruptible_share * opened / load.blocks if load.blocks else 0.0 * demand
    part = demand * load.interruptible_share / load.blocks if load.blocks else 0.0 * demand
    slots = now.window.spread(opened)
    slots[now.window.first - 1] = ledger.get("open_blocks", 0.0)
    rebound = rebound_mw(
        load, slots, now.window.spread(part), now.window.axis.step_min, closed_before(load, now)
    )[now.window.span]
    return {
        "p_mw": shed - demand - rebound,
        "load_mw": demand,
        "shed_mw": shed,
        "modulated_mw": np.zeros_like(demand),
        "rebound_mw": rebound,
        "open_blocks": opened,
    }


def renewable(now: Situation, name: str, wish: Array) -> dict[str, Array]:
    """Return wind or PV: what is wished, at most what is available."""
    most = np.minimum(now.available_mw[name][now.window.span], now.park.resources[name].p_max_mw)
    most = most * now.is_available(name)
    p = np.clip(wish, 0.0, most)
    return {"p_mw": p, "available_mw": most, "curtailed_mw": most - p}


def battery(now: Situation, name: str, device: Bess, wish: Array) -> dict[str, Array]:
    """Return a battery that follows the wish as far as rating and stored energy allow."""
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


def air_plant(now: Situation, name: str, device: Caes, wish: Array) -> dict[str, Array]:
    """Return a plant that carries on or stops what runs: turn-rounds and starts are not taken over."""
    on, params = float(now.is_available(name)), device.params
    e = now.state.resources[name]["e_mwh"]
    past = history(device, now)
    machine, trains = past.machine, past.trains
    held = _held_steps(now, device, name, machine)
    before = power_before(device, machine, trains, now.state.resources[name].get("p_mw", 0.0), e)
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
        if k == 0:
            first_h = float(hours)
            into = min(into, power_reached(device, past, before[0], first_h))
            out = min(out, power_reached(device, past, before[1], first_h))
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


def electrolyser(now: Situation, name: str, device: Electrolyzer, wish: Array) -> dict[str, Array]:
    """Return electrolysers that run in their band or stand by, whichever is nearer to the wish.

    Stacks that are warm stay warm; none is heated.
    """
    params, standing, on = device.params, device.stack_standby_mw, now.is_available(name)
    warm = round(now.state.resources[name].get("warm_stacks", float(params.stacks))) * on
    most = min(device.load_max_mw, warm * params.stack_load_max * params.stack_mw)
    load = np.clip(-wish, warm * standing, max(most, warm * standing))
    least = params.stack_load_min * params.stack_mw + (warm - 1) * standing
    running = (load >= (warm * standing + least) / 2) & (warm > 0)
    load = np.where(running, np.maximum(load, least), warm * standing)
    hours = now.window.dt_h[now.window.span]
    stacks = np.array([float(electrolyzer.best_stacks(device, mw, warm)) for mw in load])
    before = min(on_now(device, now.state.resources[name]), warm)
    return {
        "p_mw": -load,
        "load_mw": load,
        "stacks": stacks,
        "warm_stacks": np.full(len(load), float(warm)),
        "heating_mw": np.zeros(len(load)),
        "hot_starts": np.maximum(0.0, np.diff(stacks, prepend=before)),
        "h2_kg": np.array([electrolyzer.h2_kg_per_h(device, mw, warm) for mw in load]) * hours,
    }


def hydrogen(
    now: Situation, name: str, device: H2Store, flows: tuple[Array, Array], wish: Array
) -> dict[str, Array]:
    """Return a store that delivers the wish while it lasts and vents what it cannot hold.

    `flows` are the kg made in each step, and what of them the ammonia loops leave (negative: they take
    from the store). What the loops will take is not delivered.
    """
    kg, rows = now.state.resources[name]["h2_kg"], []
    most = device.params.pipeline_max_kg_per_h * now.is_available(name)
    spare = flows[1].copy()
    for k in range(len(spare) - 2, -1, -1):
        spare[k] += min(0.0, spare[k + 1])
    steps = zip(*flows, spare, wish, now.window.dt_h[now.window.span], strict=True)
    for made, left, least, asked, hours in steps:
        out = min(min(asked, most) * hours, max(0.0, kg + least - device.min_kg))
        vented = max(0.0, kg + left - out - max(device.params.usable_kg, kg))
        kg += left - out - vented
        p = -device.params.compressor_kwh_per_kg / 1000 * made / hours
        rows.append((p, kg, out / hours, vented / hours))
    names = ("p_mw", "h2_kg", "delivery_kg_per_h", "vented_kg_per_h")
    return {key: np.array(column) for key, column in zip(names, zip(*rows, strict=True), strict=True)}


def room_up_mw(now: Situation, name: str, device: Device, own: Mapping[str, Array]) -> Array:
    """Return by how much a device that does this could raise its injection within a minute, MW."""
    if not now.is_available(name):
        return np.zeros_like(own["p_mw"])
    match device:
        case Bess():
            return device.discharge_max_mw - own["p_mw"]
        case Caes():
            runs = own["discharge_mw"] > 0
            return runs * device.params.turbine.p_rated_mw - own["discharge_mw"] + own["charge_mw"]
        case Electrolyzer():
            standing = own["heating_mw"] + device.stack_standby_mw * own["warm_stacks"]
            return np.maximum(0.0, own["load_mw"] - standing)
    return np.zeros_like(own["p_mw"])
