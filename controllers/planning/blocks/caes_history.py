"""What a CAES plant did before the plan begins, and what the previous plan had decided."""

from dataclasses import dataclass

import numpy as np

from controllers.planning.slots import Situation
from vpp.devices import Caes, caes
from vpp.types import Array

IDLE, CHARGE, DISCHARGE, CONDENSER = 0, 1, 2, 6
MACHINE_OF = {0: IDLE, 1: CHARGE, 2: DISCHARGE, 3: CHARGE, 4: DISCHARGE, 5: IDLE, 6: IDLE}
"""Register `mode_code` -> machine that is on; a machine that is starting is on, stopping is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Machine on in each slot before the plan; what lies further back than known is as the oldest."""

    machine: int
    trains: int
    steps: int
    """Slots since which it is on; 0: since ever."""


def history(device: Caes, situation: Situation) -> History:
    """Return what was on before the plan's first slot.

    An idle plant that stopped less than half its idle time ago and was on by the previous plan
    counts as on until the first slot: its idle step is still ahead. Half, because ramps are centred
    on the step boundary.
    """
    name, step_min = device.resource.id, situation.window.axis.step_min
    state = situation.state.resources[name]
    if not situation.is_available(name):
        return History(machine=IDLE, trains=0, steps=0)
    machine = MACHINE_OF[int(state.get("mode_code", 0))]
    age = state.get("mode_min", np.inf)
    slot = situation.window.first
    planned, trains = (situation.previous_series(name, key) for key in ("mode_code", "trains"))
    if machine == IDLE:
        half_idle = device.params.mode_change_min_idle_s / 120
        told = 0.0 if planned is None or slot == 0 else np.nan_to_num(planned[slot - 1])
        before = MACHINE_OF[int(told)]
        if age >= half_idle or before == IDLE:
            return History(machine=IDLE, trains=0, steps=0)
        n = int(trains[slot - 1]) if trains is not None and before == CHARGE else 0
        return History(machine=before, trains=n, steps=0)
    on = int(state.get("trains", 0))
    if machine == CHARGE:
        rated = device.params.compressor.p_rated_mw
        on = max(on, 1, round(-state.get("p_mw", 0.0) / rated))
        if trains is not None and trains[slot] > on:
            on = int(trains[slot])
    steps = 0 if np.isinf(age) else max(1, int(np.ceil(age / step_min)))
    return History(machine=machine, trains=on if machine == CHARGE else 0, steps=steps)


def on_before(past: History, slots: int, first: int, unit: int) -> Array:
    """Return (slots,) of 0 and 1 before `first` for a unit: 0 the turbine, k the k-th train."""
    out = np.zeros(slots)
    mine = past.machine == DISCHARGE if unit == 0 else past.machine == CHARGE and past.trains >= unit
    if mine:
        since = 0 if past.steps == 0 else max(0, first - past.steps)
        out[since:first] = 1.0
    return out


def commitments_of(device: Caes, situation: Situation) -> dict[int, Array]:
    """Return by unit (0 the turbine, k a train) the previous plan's 0 or 1, nan where unknown."""
    name = device.resource.id
    mode, trains = (situation.previous_series(name, key) for key in ("mode_code", "trains"))
    if mode is None or trains is None:
        return {}
    known = np.where(np.isnan(mode), np.nan, 1.0)
    units = {0: known * (mode == DISCHARGE)}
    for k in range(1, device.params.compressor.trains + 1):
        units[k] = known * ((mode == CHARGE) & (trains >= k))
    return units


def power_before(device: Caes, machine: int, trains: int, p_mw: float, e_mwh: float) -> tuple[float, float]:
    """Return (charge, discharge) MW of the slots before the plan, inside the limits of the block."""
    turbine, compressor = device.params.turbine, device.params.compressor
    if machine == DISCHARGE:
        return 0.0, float(np.clip(p_mw, turbine.p_min_mw, caes.discharge_max_mw(device, e_mwh)))
    if machine == CHARGE:
        most = min(caes.charge_max_mw(device, e_mwh), compressor.p_rated_mw * trains)
        return float(np.clip(-p_mw, compressor.p_min_mw * trains, most)), 0.0
    return 0.0, 0.0


def power_reached(device: Caes, past: History, before_mw: float, hours: float) -> float:
    """Return the greatest power in a first step of so many hours, MW; inf for what was not running.

    A running machine rises by its ramp; a train that may still start adds its rated power.
    """
    turbine, train = device.params.turbine, device.params.compressor
    if before_mw <= 0:
        return float("inf")
    if past.machine == DISCHARGE:
        return before_mw + turbine.ramp_mw_per_min * 60 * hours
    may_start = train.trains - past.trains
    return before_mw + train.ramp_mw_per_min * 60 * hours * past.trains + train.p_rated_mw * may_start
