"""What a setpoint asks of each machine of a CAES plant, and before when none may take load."""

from vpp.devices.caes import Caes, charge_max_mw, discharge_max_mw, trains_for
from vpp.devices.caes_machine import LOADED, OFF, STARTING, UNLOADING, Unit, ready_in_s, zero_in_s

START_MARGIN = 0.01
"""Share of the store that must be free (or filled) before a machine starts: no start for nothing
at an edge of the window (assumption)."""

Trains = tuple[Unit, ...]


def levels(
    device: Caes, turbine: Unit, trains: Trains, e_mwh: float, p_mw: float
) -> tuple[float, tuple[float, ...]]:
    """Return the load asked of the turbine and of each train, 0 where it should not run."""
    params = device.params
    net = p_mw + params.standby_aux_mw
    none = (0.0,) * len(trains)
    margin = START_MARGIN * device.e_air_mwh
    if net > 0.0:
        spec = params.turbine
        most = discharge_max_mw(device, e_mwh)
        floor = device.e_min_mwh + (margin if turbine.phase == OFF else 0.0)
        able = e_mwh > floor and most >= spec.p_min_mw and net >= spec.p_min_mw / 2
        return (min(max(net, spec.p_min_mw), most) if able else 0.0), none
    machine = params.compressor
    committed = sum(unit.phase in (STARTING, LOADED) for unit in trains)
    top = device.e_max_mwh - (margin if committed == 0 else 0.0)
    if net == 0.0 or e_mwh >= top:
        return 0.0, none
    most = charge_max_mw(device, e_mwh)
    on = trains_for(device, min(-net, most), committed)
    if on == 0:
        return 0.0, none
    level = min(max(-net / on, machine.p_min_mw), machine.p_rated_mw, max(most / on, machine.p_min_mw))
    joining = any(ready_in_s(machine, unit) > 0.0 for unit in trains[:on])
    each = tuple(
        0.0 if i >= on else max(unit.p_mw, machine.p_min_mw) if joining and unit.phase == LOADED else level
        for i, unit in enumerate(trains)
    )
    return 0.0, each


def joins_in_s(device: Caes, trains: Trains) -> float:
    """Return the time until a starting train joins loaded ones; 0 where none does."""
    phases = [unit.phase for unit in trains]
    if STARTING not in phases or LOADED not in phases:
        return 0.0
    spec = device.params.compressor
    return min(ready_in_s(spec, unit) for unit in trains if unit.phase == STARTING)


def turbine_hold_s(device: Caes, turbine: Unit, trains: Trains) -> float:
    """Return the seconds from now before which the turbine may not take load."""
    params, unit = device.params, turbine
    if unit.phase in (LOADED, UNLOADING):
        return 0.0
    spec = params.turbine
    to_least_s = spec.p_min_mw / spec.ramp_mw_per_min * 60
    return max(
        *(zero_in_s(params.compressor, train) for train in trains),
        params.mode_change_min_idle_s - to_least_s - min(train.ended_s for train in trains),
    )


def train_hold_s(device: Caes, turbine: Unit) -> float:
    """Return the seconds from now before which a train at standstill may not take load."""
    params = device.params
    spec = params.compressor
    to_least_s = spec.p_min_mw / spec.ramp_mw_per_min * 60
    return max(
        zero_in_s(params.turbine, turbine),
        params.mode_change_min_idle_s - to_least_s - turbine.ended_s,
    )
