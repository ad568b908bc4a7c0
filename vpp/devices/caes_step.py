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
    units_mw,
)
from vpp.devices.caes_levels import joins_in_s, levels, train_hold_s, turbine_hold_s
from vpp.devices.caes_machine import (
    GRAIN_S,
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
)
from vpp.devices.command import Command, Initial

CONDENSER = 6
"""`mode_code` of a synchronous condenser."""
SPIN_S = 10.0
"""Time in which the condenser's loss comes and goes (assumption)."""
LIVELY_S, STEADY_S = 5.0, 60.0
"""Longest piece of a step while machines move, and while nothing but the store does (assumption: against
pieces of 1 s energies differ by less than 0.1 %)."""


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
    trip inside the step, so the edge is met exactly. A long step goes in pieces: power limits, efficiency,
    holds and the condenser all follow what the piece before left.
    """
    left_s = dt_s
    while left_s > GRAIN_S:
        piece_s = min(left_s, _piece_s(device, state, command, left_s))
        state = _moved(device, state, command, piece_s)
        left_s -= piece_s
    return state


def _piece_s(device: Caes, state: CaesState, command: Command, left_s: float) -> float:
    """Return how long the levels asked of the machines hold: limits follow the air, holds the other side."""
    # a train that joins changes what the others are asked for
    joins_s = joins_in_s(device, state.trains) or left_s
    if min(joins_s, left_s) <= LIVELY_S:
        return joins_s
    asked, each = levels(device, state.turbine, state.trains, state.e_mwh, command.p_mw)
    moving = any(
        unit.phase not in (OFF, LOADED) or unit.p_mw != level
        for unit, level in zip((state.turbine, *state.trains), (asked, *each), strict=True)
    )
    longest_s = LIVELY_S if moving or state.condenser_mw else STEADY_S
    return min(longest_s, joins_s)


def _moved(device: Caes, state: CaesState, command: Command, dt_s: float) -> CaesState:
    """Return the state after a piece in which the levels asked of the machines hold."""
    params = device.params
    level, train_levels = levels(device, state.turbine, state.trains, state.e_mwh, command.p_mw)
    hold_s = turbine_hold_s(device, state.turbine, state.trains)
    turbine, dis = advance(state.turbine, params.turbine, level, hold_s, dt_s)
    hold_s = train_hold_s(device, state.turbine)
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
            dis, air, turbine = dis * share, air * share, _tripped((1 - share) * dt_s)
        e_mwh -= air
    if charge > 0.0:
        air = sum(air_mwh_per_h(device, -mw_s / dt_s, 1) for _, mw_s in moved if mw_s > 0.0) * hours
        if e_mwh + air > device.e_max_mwh:
            share = max(0.0, device.e_max_mwh - e_mwh) / air
            charge, air = charge * share, air * share
            trains = tuple(_tripped((1 - share) * dt_s) if u.p_mw > 0.0 else u for u in trains)
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


def _tripped(ago_s: float) -> Unit:
    return Unit(STOPPING, 0.0, ago_s, ago_s)


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
