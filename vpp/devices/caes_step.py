"""Motion of a CAES plant in time: every machine starts, loads, unloads and stops by itself."""

from dataclasses import dataclass, replace

from vpp.devices.approach import Lag, approach
from vpp.devices.caes import (
    Caes,
    Machine,
    air_mwh_per_h,
    charge_max_mw,
    discharge_max_mw,
    retention,
    trains_for,
    units_mw,
)
from vpp.devices.caes_machine import (
    LOADED,
    LONG_S,
    OFF,
    REST,
    STARTING,
    STOPPING,
    UNLOADING,
    Unit,
    advance,
    bound_to_run,
    ready_in_s,
    zero_in_s,
)
from vpp.devices.command import Command, Initial

CONDENSER = 6
"""`mode_code` of a synchronous condenser."""
SPIN_S = 10.0
"""Time in which the condenser's loss comes and goes (assumption)."""
START_MARGIN = 0.01
"""Share of the store that must be free (or filled) before a machine starts: no start for nothing
at an edge of the window (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaesState:
    """State of a CAES plant."""

    p_mw: float
    """At the terminals, standby use included."""
    e_mwh: float
    """Air side."""
    turbine: Unit
    trains: tuple[Unit, ...]
    starts_turbine: int
    """Today."""
    starts_compressor: int
    """Starts of the first train, today."""
    mode_code: int
    """0 idle, 1 charge, 2 discharge, 3 starting charge, 4 starting discharge, 5 stopping, 6 synchronous
    condenser."""
    mode_s: float
    """Time in that mode."""
    condenser_mw: float
    """Loss of the synchronous condenser; 0 where it does not spin."""
    energy_out_mwh: float
    energy_in_mwh: float


def initial(device: Caes, at: Initial) -> CaesState:
    """Return the state with `at.soc`, moved inside the window, running in `at.mode`.

    Machines run at what `at.p_mw` needs in that mode, one machine at least load where it needs none,
    and their minimum up time is behind them.
    """
    params = device.params
    soc = min(max(at.soc, params.soc_min), params.soc_max)
    powers = [0.0] * (1 + params.compressor.trains)
    if at.mode != "off":
        powers = list(units_mw(device, max(at.p_mw, device.resource.p_min_mw)))
        first = 0 if at.mode == "discharge" else 1
        if powers[first] == 0.0:
            machine: Machine = params.turbine if first == 0 else params.compressor
            powers = [machine.p_min_mw if i == first else 0.0 for i in range(len(powers))]
    up_s = max(params.turbine.min_up_time_min, params.compressor.min_up_time_min) * 60
    turbine, *rest = [Unit(LOADED, p_mw, up_s, LONG_S) if p_mw > 0.0 else REST for p_mw in powers]
    trains = tuple(rest)
    return CaesState(
        p_mw=powers[0] - sum(powers[1:]) - params.standby_aux_mw,
        e_mwh=soc * device.e_air_mwh,
        turbine=turbine,
        trains=trains,
        starts_turbine=0,
        starts_compressor=0,
        mode_code=_mode_code(turbine, trains, 0.0),
        mode_s=0.0,
        condenser_mw=0.0,
        energy_out_mwh=0.0,
        energy_in_mwh=0.0,
    )


def step(device: Caes, state: CaesState, command: Command, dt_s: float, drive: float) -> CaesState:
    """Return the state `dt_s` seconds later; `drive` has no meaning.

    A setpoint is terminal power. Nearer to rest than to least load it stops the machines; between
    that and least load it holds them at least load. A machine that runs is held for its minimum up
    time. Starting begins at once, also while the other side unloads; load is taken when the start
    is over, the other side is at 0 and turn-round and minimum down time, counted from the order to
    unload to the least load, are kept. A setpoint nearer to `condenser_p_mw` than to rest makes a
    plant whose machines all stand a synchronous condenser. At an edge of the air window the machines
    trip inside the step, so the edge is met exactly.
    """
    joins_s = _joins_in_s(device, state)
    if 0.0 < joins_s < dt_s:
        # a train that joins changes what the others are asked for: the step is split there
        state = step(device, state, command, joins_s, drive)
        return step(device, state, command, dt_s - joins_s, drive)
    params = device.params
    level, train_levels = _levels(device, state, command)
    turbine, dis = advance(state.turbine, params.turbine, level, _turbine_hold_s(device, state), dt_s)
    hold_s = _train_hold_s(device, state)
    moved = [
        advance(unit, params.compressor, wanted, hold_s, dt_s)
        for unit, wanted in zip(state.trains, train_levels, strict=True)
    ]
    trains = tuple(unit for unit, _ in moved)
    charge = sum(mw_s for _, mw_s in moved)
    hours = dt_s / 3600
    e_mwh = state.e_mwh * retention(device, dt_s) if state.e_mwh > device.e_min_mwh else state.e_mwh
    if dis > 0.0:
        air = -air_mwh_per_h(device, dis / dt_s, 0) * hours
        if e_mwh - air < device.e_min_mwh:
            share = max(0.0, e_mwh - device.e_min_mwh) / air
            dis, air, turbine = dis * share, air * share, Unit(STOPPING, 0.0, 0.0, 0.0)
        e_mwh -= air
    if charge > 0.0:
        air = sum(air_mwh_per_h(device, -mw_s / dt_s, 1) for _, mw_s in moved if mw_s > 0.0) * hours
        if e_mwh + air > device.e_max_mwh:
            share = max(0.0, device.e_max_mwh - e_mwh) / air
            charge, air = charge * share, air * share
            trains = tuple(Unit(STOPPING, 0.0, 0.0, 0.0) if u.p_mw > 0.0 else u for u in trains)
        e_mwh += air
    loss_mw, lost = approach(state.condenser_mw, _loss_mw(device, state, command), _spin(device), dt_s)
    return _closed(
        device,
        state,
        turbine,
        trains,
        e_mwh=e_mwh,
        machine_mwh=(dis - charge - lost) / 3600,
        loss_mw=loss_mw,
        dt_s=dt_s,
    )


def _loss_mw(device: Caes, state: CaesState, command: Command) -> float:
    """Return the loss that a synchronous condenser is asked for; 0 unless every machine stands."""
    loss = device.params.condenser.loss_mw
    net = command.p_mw + device.params.standby_aux_mw
    standing = all(unit.phase == OFF for unit in (state.turbine, *state.trains))
    return loss if standing and -1.5 * loss <= net <= -0.5 * loss else 0.0


def _spin(device: Caes) -> Lag:
    rate = device.params.condenser.loss_mw / SPIN_S
    return Lag(0.0, rate, rate)


def _closed(
    device: Caes,
    state: CaesState,
    turbine: Unit,
    trains: tuple[Unit, ...],
    *,
    e_mwh: float,
    machine_mwh: float,
    loss_mw: float,
    dt_s: float,
) -> CaesState:
    """Put the new state together: terminal power, counters, mode."""
    aux = device.params.standby_aux_mw
    net = machine_mwh - aux * dt_s / 3600
    code = _mode_code(turbine, trains, loss_mw)
    return CaesState(
        p_mw=turbine.p_mw - sum(unit.p_mw for unit in trains) - aux - loss_mw,
        e_mwh=e_mwh,
        turbine=turbine,
        trains=trains,
        starts_turbine=state.starts_turbine + _began(state.turbine, turbine),
        starts_compressor=state.starts_compressor + _began(state.trains[0], trains[0]),
        mode_code=code,
        mode_s=state.mode_s + dt_s if code == state.mode_code else 0.0,
        condenser_mw=loss_mw,
        energy_out_mwh=state.energy_out_mwh + max(net, 0.0),
        energy_in_mwh=state.energy_in_mwh + max(-net, 0.0),
    )


def _began(before: Unit, after: Unit) -> int:
    return int(before.phase in (OFF, STARTING, STOPPING) and after.phase in (LOADED, UNLOADING))


def _mode_code(turbine: Unit, trains: tuple[Unit, ...], loss_mw: float) -> int:
    phases = {unit.phase for unit in trains}
    if loss_mw > 0.0:
        return CONDENSER
    if turbine.phase == LOADED:
        return 2
    if LOADED in phases:
        return 1
    if turbine.phase == UNLOADING or UNLOADING in phases:
        return 5
    if turbine.phase == STARTING:
        return 4
    if STARTING in phases:
        return 3
    return 5 if turbine.phase == STOPPING or STOPPING in phases else 0


def _levels(device: Caes, state: CaesState, command: Command) -> tuple[float, tuple[float, ...]]:
    """Return the load asked of the turbine and of each train, 0 where it should not run."""
    params = device.params
    net = command.p_mw + params.standby_aux_mw
    none = (0.0,) * len(state.trains)
    margin = START_MARGIN * device.e_air_mwh
    if net > 0.0:
        spec = params.turbine
        most = discharge_max_mw(device, state.e_mwh)
        floor = device.e_min_mwh + (margin if state.turbine.phase == OFF else 0.0)
        able = state.e_mwh > floor and most >= spec.p_min_mw and net >= spec.p_min_mw / 2
        return (min(max(net, spec.p_min_mw), most) if able else 0.0), none
    machine = params.compressor
    committed = sum(unit.phase in (STARTING, LOADED) for unit in state.trains)
    top = device.e_max_mwh - (margin if committed == 0 else 0.0)
    if net == 0.0 or state.e_mwh >= top:
        return 0.0, none
    most = charge_max_mw(device, state.e_mwh)
    on = trains_for(device, min(-net, most), committed)
    if on == 0:
        return 0.0, none
    level = min(max(-net / on, machine.p_min_mw), machine.p_rated_mw, max(most / on, machine.p_min_mw))
    joining = any(ready_in_s(machine, unit) > 0.0 for unit in state.trains[:on])
    levels = tuple(
        0.0 if i >= on else max(unit.p_mw, machine.p_min_mw) if joining and unit.phase == LOADED else level
        for i, unit in enumerate(state.trains)
    )
    return 0.0, levels


def _joins_in_s(device: Caes, state: CaesState) -> float:
    """Return the time until a starting train joins loaded ones; 0 where none does."""
    phases = [unit.phase for unit in state.trains]
    if STARTING not in phases or LOADED not in phases:
        return 0.0
    spec = device.params.compressor
    return min(ready_in_s(spec, unit) for unit in state.trains if unit.phase == STARTING)


def _turbine_hold_s(device: Caes, state: CaesState) -> float:
    """Return the seconds from now before which the turbine may not take load."""
    params, unit = device.params, state.turbine
    if unit.phase in (LOADED, UNLOADING):
        return 0.0
    spec = params.turbine
    to_least_s = spec.p_min_mw / spec.ramp_mw_per_min * 60
    return max(
        *(zero_in_s(params.compressor, train) for train in state.trains),
        params.mode_change_min_idle_s - to_least_s - min(train.ended_s for train in state.trains),
    )


def _train_hold_s(device: Caes, state: CaesState) -> float:
    """Return the seconds from now before which a train at standstill may not take load."""
    params = device.params
    spec = params.compressor
    to_least_s = spec.p_min_mw / spec.ramp_mw_per_min * 60
    return max(
        zero_in_s(params.turbine, state.turbine),
        params.mode_change_min_idle_s - to_least_s - state.turbine.ended_s,
    )


def measure(device: Caes, state: CaesState) -> dict[str, float]:
    """Return the read points that the physics knows."""
    return {
        "p_mw": state.p_mw,
        "status": (0.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0)[state.mode_code],
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": state.energy_in_mwh,
        "e_mwh": state.e_mwh,
        "soc": state.e_mwh / device.e_air_mwh,
        "mode_code": float(state.mode_code),
        "starts_turbine": float(state.starts_turbine),
        "starts_compressor": float(state.starts_compressor),
        "trains": float(sum(unit.phase in (LOADED, UNLOADING) for unit in state.trains)),
    }


def command_bounds(device: Caes, state: CaesState, drive: float) -> tuple[float, float]:
    """Return the span of terminal power that may be asked now.

    Inside it what lies between rest and least load is held at least load or stopped. A machine
    inside its minimum up time cannot be stopped: then the span ends at its least load.
    """
    params, aux = device.params, device.params.standby_aux_mw
    high = discharge_max_mw(device, state.e_mwh) - aux if state.e_mwh > device.e_min_mwh else -aux
    low = device.condenser_p_mw
    if state.e_mwh < device.e_max_mwh:
        low = -charge_max_mw(device, state.e_mwh) - aux
    if bound_to_run(params.turbine, state.turbine):
        low = params.turbine.p_min_mw - aux
    kept = sum(bound_to_run(params.compressor, unit) for unit in state.trains)
    if kept:
        high = -kept * params.compressor.p_min_mw - aux
    return min(low, high), high


def new_day(state: CaesState) -> CaesState:
    """Return the state with the day's starts at zero."""
    return replace(state, starts_turbine=0, starts_compressor=0)
