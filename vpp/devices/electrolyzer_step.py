"""Motion of an electrolyser plant in time: heating, starts of stacks, ramps, hydrogen."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from vpp.devices.approach import Lag, approach
from vpp.devices.command import Command, Initial
from vpp.devices.electrolyzer import Electrolyzer, best_stacks, h2_kg_per_h, stack_kg_per_h, wanted

Heat = Literal["cold", "heating", "warm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectrolyzerState:
    """State of an electrolyser plant."""

    p_mw: float
    heat: Heat
    heating_s: float
    """Since the cold start began; 0 where none runs."""
    on_stacks: int
    starting_stacks: int
    """From standby."""
    starting_s: float
    h2_kg_per_h: float
    """Mean of the last step."""
    h2_kg: float
    """Produced since the start."""
    energy_in_mwh: float


def initial(device: Electrolyzer, at: Initial) -> ElectrolyzerState:
    """Return the state drawing `-at.p_mw`: on, on standby, or cold at 0."""
    load = min(max(-at.p_mw, 0.0), device.load_max_mw)
    asked = wanted(device, load)
    on = best_stacks(device, load) if asked == "on" else 0
    load = max(load, device.load_min_mw) if on else device.standby_mw if asked == "standby" else 0.0
    return ElectrolyzerState(
        p_mw=-load,
        heat="cold" if asked == "cold" else "warm",
        heating_s=0.0,
        on_stacks=on,
        starting_stacks=0,
        starting_s=0.0,
        h2_kg_per_h=h2_kg_per_h(device, load),
        h2_kg=0.0,
        energy_in_mwh=0.0,
    )


def step(
    device: Electrolyzer, state: ElectrolyzerState, command: Command, dt_s: float, drive: float
) -> ElectrolyzerState:
    """Return the state `dt_s` seconds later; `drive` has no meaning.

    Ends of starts split the step, so any `dt_s` gives the same. Hydrogen follows the load's ramp.
    """
    left, kg = dt_s, 0.0
    now = _switch(device, state, command)
    while left > 0.0:
        wait_s = _event_s(device, now)
        piece = min(left, wait_s)
        now, made = _run(device, now, command, piece)
        kg += made
        left -= piece
        if piece == wait_s:
            now = _switch(device, now, command)
    return ElectrolyzerState(
        p_mw=now.p_mw,
        heat=now.heat,
        heating_s=now.heating_s,
        on_stacks=now.on_stacks,
        starting_stacks=now.starting_stacks,
        starting_s=now.starting_s,
        h2_kg_per_h=kg * 3600 / dt_s if dt_s > 0 else state.h2_kg_per_h,
        h2_kg=state.h2_kg + kg,
        energy_in_mwh=now.energy_in_mwh,
    )


def _event_s(device: Electrolyzer, state: ElectrolyzerState) -> float:
    if state.heat == "heating":
        return max(0.0, device.params.cold_start_min * 60 - state.heating_s)
    if state.starting_stacks:
        return max(0.0, device.params.hot_start_min * 60 - state.starting_s)
    return float("inf")


def _switch(device: Electrolyzer, state: ElectrolyzerState, command: Command) -> ElectrolyzerState:
    """Apply what is due now: end of a start, begin of a start, stacks that go to standby."""
    load = min(max(-command.p_mw, 0.0), device.load_max_mw)
    asked = wanted(device, load)
    best = best_stacks(device, load) if asked == "on" else 0
    heat, heating_s = state.heat, state.heating_s
    on, starting, starting_s = state.on_stacks, state.starting_stacks, state.starting_s
    if asked == "cold":
        heat, heating_s, on, starting, starting_s = "cold", 0.0, 0, 0, 0.0
    elif heat == "cold":
        heat = "heating"
    if heat == "heating" and heating_s >= device.params.cold_start_min * 60 - 1e-9:
        heat, heating_s, on = "warm", 0.0, best
    if heat == "warm":
        if starting and starting_s >= device.params.hot_start_min * 60 - 1e-9:
            on, starting, starting_s = on + starting, 0, 0.0
        on = _kept(device, on, best, load)
        if best <= on:
            starting, starting_s = 0, 0.0
        elif not starting:
            starting, starting_s = best - on, 0.0
    if (heat, heating_s, on, starting, starting_s) == (
        state.heat,
        state.heating_s,
        state.on_stacks,
        state.starting_stacks,
        state.starting_s,
    ):
        return state
    return ElectrolyzerState(
        p_mw=state.p_mw,
        heat=heat,
        heating_s=heating_s,
        on_stacks=on,
        starting_stacks=starting,
        starting_s=starting_s,
        h2_kg_per_h=state.h2_kg_per_h,
        h2_kg=state.h2_kg,
        energy_in_mwh=state.energy_in_mwh,
    )


def _kept(device: Electrolyzer, on: int, best: int, load_mw: float) -> int:
    """Return how many stacks stay on: one more than best is kept if it holds its least load."""
    if on <= best:
        return on
    rest = (device.params.stacks - best - 1) * device.stack_standby_mw
    least = (best + 1) * device.params.stack_load_min * device.params.stack_mw + rest
    return best + 1 if best and load_mw >= least else best


def _goal_mw(device: Electrolyzer, state: ElectrolyzerState, command: Command) -> float:
    if state.heat == "cold":
        return 0.0
    if state.heat == "heating" or state.on_stacks == 0:
        return device.standby_mw
    params, on = device.params, state.on_stacks
    rest = (params.stacks - on) * device.stack_standby_mw
    least = on * params.stack_load_min * params.stack_mw + rest
    most = min(on * params.stack_load_max * params.stack_mw + rest, device.load_max_mw)
    return min(max(-command.p_mw, least), most)


def _run(
    device: Electrolyzer, state: ElectrolyzerState, command: Command, dt_s: float
) -> tuple[ElectrolyzerState, float]:
    """Move the load towards its goal for `dt_s` without an event; the second value is kg made."""
    load, goal = -state.p_mw, _goal_mw(device, state, command)
    ramp = -device.params.ramp_pct_per_s / 100 * device.resource.p_min_mw
    turn_s = min(dt_s, abs(goal - load) / ramp)
    kg, energy_mw_s = 0.0, 0.0
    for part_s in (turn_s, dt_s - turn_s):
        if part_s > 0.0:
            load_end, area = approach(load, goal, Lag(0.0, ramp, ramp), part_s)
            kg += _made_kg_per_h(device, state.on_stacks, area / part_s) * part_s / 3600
            energy_mw_s += area
            load = load_end
    ended = ElectrolyzerState(
        p_mw=-load,
        heat=state.heat,
        heating_s=state.heating_s + dt_s if state.heat == "heating" else 0.0,
        on_stacks=state.on_stacks,
        starting_stacks=state.starting_stacks,
        starting_s=state.starting_s + dt_s if state.starting_stacks else 0.0,
        h2_kg_per_h=state.h2_kg_per_h,
        h2_kg=state.h2_kg,
        energy_in_mwh=state.energy_in_mwh + energy_mw_s / 3600,
    )
    return ended, kg


def _made_kg_per_h(device: Electrolyzer, on: int, load_mw: float) -> float:
    """Return the hydrogen of `on` stacks at a plant load; stacks on their way out still make it."""
    params, standing = device.params, device.stack_standby_mw
    if load_mw <= device.standby_mw * (1 + 1e-9):
        return 0.0
    working = max(
        on, ceil((load_mw - device.standby_mw) / (params.stack_load_max * params.stack_mw - standing) - 1e-9)
    )
    net = load_mw - (params.stacks - working) * standing
    return working * stack_kg_per_h(device, net / working)


def measure(device: Electrolyzer, state: ElectrolyzerState) -> dict[str, float]:
    """Return the read points that the physics knows; `h2_made_kg` comes on top."""
    status = {"cold": 0.0, "heating": 2.0, "warm": 1.0}[state.heat]
    return {
        "p_mw": state.p_mw,
        "status": status,
        "energy_out_mwh": 0.0,
        "energy_in_mwh": state.energy_in_mwh,
        "h2_kg_per_h": state.h2_kg_per_h,
        "on_stacks": float(state.on_stacks),
        "h2_made_kg": state.h2_kg,
    }


def command_bounds(device: Electrolyzer, state: ElectrolyzerState, drive: float) -> tuple[float, float]:
    """Return (-greatest load, 0): what may be asked at any time; starts take their time."""
    return -device.load_max_mw, 0.0


def new_day(state: ElectrolyzerState) -> ElectrolyzerState:
    """Return the state unchanged: nothing is counted by day."""
    return state
