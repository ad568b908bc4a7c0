"""CAES: compressor trains and turbine with commitment, part load and stored air.

Formulation after the measured day-ahead MILP: on/off, start and stop variables per machine, a binary
of its own for each train, efficiency as the convex hull of its segments in perspective form, limits
that depend on stored air as linear cuts.
"""

from datetime import timedelta
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.caes_history import (
    CHARGE,
    CONDENSER,
    DISCHARGE,
    commitments_of,
    history,
    on_before,
    power_before,
    power_reached,
)
from controllers.planning.blocks.caes_plant import Plant, Unit, plant_of
from controllers.planning.blocks.caes_rounding import nearest, rules_of, wishes_of
from controllers.planning.blocks.hull import chord, lower_hull, upper_hull
from controllers.planning.slots import Frame, Situation
from vpp.devices import Caes, caes
from vpp.park.model import Park
from vpp.types import Array

EDGE_SHARE = 1e-3
"""Largest share of the store by which a plan may pass an edge of the air window (assumption: half of
what the checker allows)."""
EDGE_CNY_PER_MWH_H = 2_000.0
"""Price of that: far above what the air is worth."""


def loss_per_h(device: Caes) -> float:
    """Return the share of stored energy lost in an hour; the device's own loss compounds by day."""
    return float(1 - caes.retention(device, 3600.0))


def _energy(plant: Plant, frame: Frame) -> list[Any]:
    """Return the rows of stored air and the two efficiency curves; powers without the own use."""
    params, charge, discharge = plant.device.params, plant.charge, plant.discharge
    kept = 1 - loss_per_h(plant.device) * frame.dt_h
    net = plant.air_in - plant.air_out
    turbine, trains = plant.units[0].on, sum(unit.on for unit in plant.units[1:])
    rows = [
        plant.p == discharge - charge - plant.aux - params.condenser.loss_mw * plant.condenser,
        plant.e[0] == plant.e_start,
        plant.e[1:]
        == cp.multiply(kept[1:], plant.e[:-1]) + cp.multiply(frame.dt_h[1:], net[1:]) + plant.correction[1:],
        charge >= params.compressor.p_min_mw * trains,
        charge <= params.compressor.p_rated_mw * trains,
        discharge >= params.turbine.p_min_mw * turbine,
        discharge <= params.turbine.p_rated_mw * turbine,
    ]
    rows += [plant.e + plant.edge >= plant.window[0], plant.e - plant.edge <= plant.window[1]]
    into, out = caes.charge_points(plant.device, 1), caes.discharge_points(plant.device)
    rows += [plant.air_in <= a * charge + b * trains for a, b in upper_hull(into)]
    rows += [plant.air_in >= chord(into)[0] * charge + chord(into)[1] * trains]
    rows += [plant.air_out >= a * discharge + b * turbine for a, b in lower_hull(out)]
    rows += [plant.air_out <= chord(out)[0] * discharge + chord(out)[1] * turbine]
    # stored air narrows both limits: each is judged at the emptier end of its step
    rows += [charge[1:] <= a + b * plant.e[:-1] for a, b in caes.charge_max_cuts(plant.device)]
    rows += [discharge <= a + b * plant.e for a, b in caes.discharge_max_cuts(plant.device)]
    return rows


def _commitment(plant: Plant, frame: Frame) -> list[Any]:
    """Switching, minimum times, exclusivity, idle time and starts a day."""
    h, n, rows = frame.axis.history, frame.axis.n, []
    for unit in plant.units:
        rows.append(unit.start[1:] - unit.stop[1:] == unit.on[1:] - unit.on[:-1])
        started = sum(unit.start[h - j : n - j] for j in range(unit.up_steps))
        stopped = sum(unit.stop[h - j : n - j] for j in range(unit.down_steps))
        if unit.up_steps:
            rows.append(started <= unit.on[h:] + frame.beyond[h:])
        if unit.down_steps:
            rows.append(stopped <= 1 - unit.on[h:])
    turbine, first_train = plant.units[0].on, plant.units[1]
    first = first_train.on
    rows += [b.on <= a.on for a, b in zip(plant.units[1:], plant.units[2:], strict=False)]
    rows.append(turbine + first + plant.condenser <= 1)
    for j in range(1, frame.axis.steps_of(plant.device.params.mode_change_min_idle_s / 60) + 1):
        rows += [turbine[h:] + first[h - j : n - j] <= 1, first[h:] + turbine[h - j : n - j] <= 1]
    rows.append(frame.days @ plant.units[0].start <= plant.starts_left[0])
    rows.append(frame.days @ first_train.start <= plant.starts_left[1])
    return rows


def _ramps(plant: Plant, frame: Frame) -> list[Any]:
    """Ramp rows, only where a step is too short to cross the whole band."""
    params, step = plant.device.params, frame.axis.step_min
    rows: list[Any] = []
    bands: list[tuple[cp.Variable, tuple[Unit, ...], caes.Machine]] = [
        (plant.discharge, plant.units[:1], params.turbine),
        (plant.charge, plant.units[1:], params.compressor),
    ]
    for power, units, machine in bands:
        within = machine.ramp_mw_per_min * step * len(units)
        if within >= (machine.p_rated_mw - machine.p_min_mw) * len(units):
            continue
        up, down = sum(u.start[1:] for u in units), sum(u.stop[1:] for u in units)
        rows.append(power[1:] - power[:-1] <= within + machine.p_rated_mw * (up + frame.beyond[1:]))
        rows.append(power[:-1] - power[1:] <= within + machine.p_rated_mw * (down + frame.beyond[1:]))
    return rows


def _update(plant: Plant, situation: Situation) -> Bounds:
    window, device = situation.window, plant.device
    turbine, train = device.params.turbine, device.params.compressor
    n, name = window.axis.n, device.resource.id
    state = situation.state.resources[name]
    on = window.active * float(situation.is_available(name))
    e0 = state["e_mwh"]
    plant.e_start.value, plant.aux.value = e0, device.params.standby_aux_mw * on
    plant.correction.value = np.zeros(n)
    for limit, left, key in (
        (turbine.max_starts_per_day, plant.starts_left[0], "starts_turbine"),
        (train.max_starts_per_day, plant.starts_left[1], "starts_compressor"),
    ):
        left.value = np.full(left.shape, float(limit))
        left.value[0] = max(0.0, limit - state.get(key, 0.0))
    past = history(device, situation)
    plant.window[1].value = np.full(n, max(device.e_max_mwh, e0))
    plant.window[0].value = min(device.e_min_mwh, e0) * (1 - loss_per_h(device)) ** np.cumsum(window.dt_h)
    bounds = {
        "p_mw": (np.full(n, -np.inf), np.full(n, np.inf)),
        "e": (np.full(n, -np.inf), np.full(n, np.inf)),
        "edge": (np.zeros(n), np.full(n, EDGE_SHARE * device.e_air_mwh)),
        "air_in": (np.zeros(n), np.full(n, np.inf)),
        "condenser": (np.zeros(n), np.asarray(on, dtype=np.float64)),
        "air_out": (np.zeros(n), np.full(n, np.inf)),
    }
    before = power_before(device, past.machine, past.trains, state.get("p_mw", 0.0), e0)
    gone = np.arange(n) < window.first
    most = (train.p_rated_mw * train.trains, turbine.p_rated_mw)
    for label, value, top, unit in zip(("charge", "discharge"), before, most, (1, 0), strict=True):
        known = on_before(past, n, window.first, unit) * value
        bounds[label] = (np.where(gone, known, 0.0), np.where(gone, known, top * on))
        reach = power_reached(device, past, value, window.dt_h[window.first])
        bounds[label][1][window.first] = min(bounds[label][1][window.first], reach)
    ready = np.array([(window.slot_start(k) - window.at) / timedelta(seconds=1) for k in range(n)])
    for k, machine in enumerate(plant.units):
        known = on_before(past, n, window.first, k)
        step = np.diff(known, prepend=known[0])
        may_start = on * (ready >= machine.start_s)
        for var, was, free in (
            ("on", known, on),
            ("start", np.maximum(step, 0), may_start),
            ("stop", np.maximum(-step, 0), window.active),
        ):
            bounds[f"{var}_{k}"] = (np.where(gone, was, 0.0), np.where(gone, was, free))
        # behind the end everything is off, so the last slot's machine stops there
        behind = np.arange(n) >= window.end
        bounds[f"stop_{k}"] = (bounds[f"stop_{k}"][0], np.where(behind, 1.0, bounds[f"stop_{k}"][1]))
    return bounds


def _series(plant: Plant, values: Values) -> dict[str, Array]:
    turbine = values["on_0"] > 0.5
    trains = sum(np.round(values[f"on_{k}"]) for k in range(1, len(plant.units)))
    idle = np.where(values["condenser"] > 0.5, float(CONDENSER), 0.0)
    mode = np.where(turbine, float(DISCHARGE), np.where(trains > 0.5, float(CHARGE), idle))
    return {
        "charge_mw": values["charge"],
        "discharge_mw": values["discharge"],
        "e_mwh": values["e"],
        "mode_code": mode,
        "trains": np.asarray(trains, dtype=float),
    }


def air_mw(device: Caes, charge_mw: Array, discharge_mw: Array, trains: Array) -> Array:
    """Return the air-side power, charging positive, of AC powers without the own use, by step."""
    out = np.zeros(len(charge_mw))
    for k, (into, taken, count) in enumerate(zip(charge_mw, discharge_mw, trains, strict=True)):
        if into > 1e-6:
            out[k] = caes.air_mwh_per_h(device, -into, max(1, int(count)))
        elif taken > 1e-6:
            out[k] = caes.air_mwh_per_h(device, taken, 0)
    return out


def block(park: Park, device: Caes, frame: Frame) -> Block:
    """Return the block of a CAES plant.

    p_mw = discharge - charge - aux - condenser loss; stored air e' = e (1 - loss dt) + dt (air_in -
    air_out). Costs: starts of turbine and trains, VOM per MWh discharged and wear of the condenser (as
    `degradation`). A machine may start only where its start time fits between the initial state and the
    slot, since starts are commanded ahead.
    The condenser has a price and no use in active power: it is 0 where no reactive need asks for it by
    its lower bound, so it is relaxed and settled with the losses.
    """
    plant = plant_of(device, frame)
    by_name = {"charge": plant.charge, "discharge": plant.discharge, "e": plant.e}
    by_name |= {"air_in": plant.air_in, "air_out": plant.air_out, "edge": plant.edge}
    by_name |= {"condenser": plant.condenser}
    for k, unit in enumerate(plant.units):
        by_name |= {f"on_{k}": unit.on, f"start_{k}": unit.start, f"stop_{k}": unit.stop}
    on = tuple(f"on_{k}" for k in range(len(plant.units)))

    def committed(situation: Situation) -> Bounds:
        kept = commitments_of(device, situation)
        span = situation.window.active
        out = {}
        for k, value in kept.items():
            known = span & ~np.isnan(value)
            out[f"on_{k}"] = (np.where(known, value, -np.inf), np.where(known, value, np.inf))
        return out

    def settled(values: Values, bounds: Bounds, situation: Situation) -> tuple[Bounds, ...]:
        left = tuple(np.asarray(days.value) for days in plant.starts_left)
        rules = rules_of(device, frame.axis.step_min)
        wishes = wishes_of(device, values)
        return nearest(rules, wishes, bounds, situation.window, (left[0], left[1]))

    def relinearise(values: Values, situation: Situation) -> None:
        true = air_mw(device, values["charge"], values["discharge"], _series(plant, values)["trains"])
        missing = true - values["air_in"] + values["air_out"]
        plant.correction.value = missing * situation.window.dt_h

    starts = sum(u.start_cost_cny * (frame.active @ u.start) for u in plant.units)
    return Block(
        id=device.resource.id,
        p_mw=plant.p,
        variables=by_name,
        constraints=tuple(_energy(plant, frame) + _commitment(plant, frame) + _ramps(plant, frame)),
        costs={
            "starts": starts,
            "degradation": device.params.vom_cny_per_mwh_dis * (frame.dt_h @ plant.discharge)
            + device.params.condenser.wear_cny_per_h * (frame.dt_h @ plant.condenser),
            "slack": EDGE_CNY_PER_MWH_H * (frame.dt_h @ plant.edge),
        },
        update=lambda situation: _update(plant, situation),
        series=lambda values, situation: _series(plant, values),
        integers=on,
        nearest=settled,
        reserve_up_mw=device.params.turbine.p_rated_mw * plant.units[0].on - plant.discharge + plant.charge,
        e_mwh=plant.e,
        relinearise=relinearise,
        committed=committed,
        rounded=lambda values: {"condenser": (np.round(values["condenser"]),) * 2},
    )
