"""Motion of an electrolyser plant in time: heating, starts of stacks, ramps, hydrogen."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from vpp.devices.approach import Lag, approach
from vpp.devices.command import Command, Initial
from vpp.devices.electrolyzer import Electrolyzer, best_stacks, h2_kg_per_h, stack_kg_per_h, wanted

GRAIN_S = 1e-9
"""Times below this are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectrolyzerState:
    """State of an electrolyser plant; stacks that are neither warm nor heating are cold."""

    p_mw: float
    warm_stacks: int
    """On, on standby, or on their way from standby to on."""
    heating_stacks: int
    """On their way from cold; they become warm together."""
    heating_s: float
    """Since their cold start began; 0 where none runs."""
    on_stacks: int
    starting_stacks: int
    """From standby."""
    starting_s: float
    h2_kg_per_h: float
    """Mean of the last step."""
    h2_kg: float
    """Produced since the start."""
    energy_in_mwh: float

    @property
    def heat(self) -> Literal["cold", "heating", "warm"]:
        """State of the plant as a whole: heating while any stack does."""
        return "heating" if self.heating_stacks else "warm" if self.warm_stacks else "cold"


def initial(device: Electrolyzer, at: Initial) -> ElectrolyzerState:
    """Return the state drawing `-at.p_mw`: all stacks warm and as many on as are best, or all cold at 0."""
    load = min(max(-at.p_mw, 0.0), device.load_max_mw)
    asked = wanted(device, load)
    on = best_stacks(device, load) if asked == "on" else 0
    load = max(load, device.load_min_mw) if on else device.standby_mw if asked == "standby" else 0.0
    return ElectrolyzerState(
        p_mw=-load,
        warm_stacks=0 if asked == "cold" else device.params.stacks,
        heating_stacks=0,
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
    return replace(
        now,
        h2_kg_per_h=kg * 3600 / dt_s if dt_s > 0 else state.h2_kg_per_h,
        h2_kg=state.h2_kg + kg,
    )


def _event_s(device: Electrolyzer, state: ElectrolyzerState) -> float:
    waits = [float("inf")]
    if state.heating_stacks:
        waits.append(device.params.cold_start_min * 60 - state.heating_s)
    if state.starting_stacks:
        waits.append(device.params.hot_start_min * 60 - state.starting_s)
    return max(0.0, min(waits))


def _switch(device: Electrolyzer, state: ElectrolyzerState, command: Command) -> ElectrolyzerState:
    """Apply what is due now: ends and begins of starts, stacks that go to standby or cold."""
    params = device.params
    load = min(max(-command.p_mw, 0.0), device.load_max_mw)
    warm, heating, heating_s, came = _heated(device, state, _warm_wanted(device, command, load))
    best = best_stacks(device, load - heating * device.stack_standby_mw, warm)
    on, starting, starting_s = min(state.on_stacks, warm), state.starting_stacks, state.starting_s
    # a stack that comes from cold goes on at once where it is needed
    on = max(on, min(best, on + came))
    if starting and starting_s >= params.hot_start_min * 60 - GRAIN_S:
        on, starting, starting_s = min(on + starting, warm), 0, 0.0
    on = _kept(device, on, best, load - (warm + heating) * device.stack_standby_mw)
    if best <= on:
        starting, starting_s = 0, 0.0
    elif not starting:
        starting, starting_s = best - on, 0.0
    return replace(
        state,
        warm_stacks=warm,
        heating_stacks=heating,
        heating_s=heating_s,
        on_stacks=on,
        starting_stacks=starting,
        starting_s=starting_s,
    )


def _warm_wanted(device: Electrolyzer, command: Command, load_mw: float) -> int:
    """Return how many stacks a command wants warm."""
    if command.warm_stacks is None:
        return 0 if wanted(device, load_mw) == "cold" else device.params.stacks
    return min(max(round(command.warm_stacks), 0), device.params.stacks)


def _heated(device: Electrolyzer, state: ElectrolyzerState, wanted_warm: int) -> tuple[int, int, float, int]:
    """Return (warm, heating, time heated, just become warm) stacks; those that heat go on as one batch."""
    warm, heating, heating_s, came = state.warm_stacks, state.heating_stacks, state.heating_s, 0
    if heating and heating_s >= device.params.cold_start_min * 60 - GRAIN_S:
        warm, heating, heating_s, came = warm + heating, 0, 0.0, heating
    if wanted_warm <= warm:
        return wanted_warm, 0, 0.0, min(came, wanted_warm)
    missing = wanted_warm - warm
    if heating:
        return warm, min(heating, missing), heating_s, came
    return warm, missing, 0.0, came


def _kept(device: Electrolyzer, on: int, best: int, net_mw: float) -> int:
    """Return how many stacks stay on: one more than best is kept if it holds its least load."""
    if on <= best:
        return on
    least = device.params.stack_load_min * device.params.stack_mw - device.stack_standby_mw
    return best + 1 if best and net_mw >= (best + 1) * least else best


def _goal_mw(device: Electrolyzer, state: ElectrolyzerState, command: Command) -> float:
    params, on = device.params, state.on_stacks
    rest = (state.warm_stacks + state.heating_stacks - on) * device.stack_standby_mw
    least = on * params.stack_load_min * params.stack_mw + rest
    most = max(least, min(on * params.stack_load_max * params.stack_mw + rest, device.load_max_mw))
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
            kg += _made_kg_per_h(device, state, area / part_s) * part_s / 3600
            energy_mw_s += area
            load = load_end
    ended = replace(
        state,
        p_mw=-load,
        heating_s=state.heating_s + dt_s if state.heating_stacks else 0.0,
        starting_s=state.starting_s + dt_s if state.starting_stacks else 0.0,
        energy_in_mwh=state.energy_in_mwh + energy_mw_s / 3600,
    )
    return ended, kg


def _made_kg_per_h(device: Electrolyzer, state: ElectrolyzerState, load_mw: float) -> float:
    """Return the hydrogen at a plant load; stacks on their way out still make it."""
    params, standing = device.params, device.stack_standby_mw
    powered = state.warm_stacks + state.heating_stacks
    net_mw = load_mw - powered * standing
    if net_mw <= 1e-9 * device.standby_mw:
        return 0.0
    working = max(state.on_stacks, ceil(net_mw / (params.stack_load_max * params.stack_mw - standing) - 1e-9))
    return working * stack_kg_per_h(device, net_mw / working + standing)


def measure(device: Electrolyzer, state: ElectrolyzerState) -> dict[str, float]:
    """Return the read points that the physics knows; `h2_made_kg` comes on top."""
    status = 1.0 if state.on_stacks else {"cold": 0.0, "heating": 2.0, "warm": 1.0}[state.heat]
    left_s = device.params.cold_start_min * 60 - state.heating_s if state.heating_stacks else 0.0
    return {
        "p_mw": state.p_mw,
        "status": status,
        "energy_out_mwh": 0.0,
        "energy_in_mwh": state.energy_in_mwh,
        "h2_kg_per_h": state.h2_kg_per_h,
        "on_stacks": float(state.on_stacks),
        "warm_stacks": float(state.warm_stacks),
        "heating_stacks": float(state.heating_stacks),
        "heating_min": max(0.0, left_s) / 60,
        "h2_made_kg": state.h2_kg,
    }


def command_bounds(device: Electrolyzer, state: ElectrolyzerState, drive: float) -> tuple[float, float]:
    """Return (-greatest load, 0): what may be asked at any time; starts take their time."""
    return -device.load_max_mw, 0.0


def new_day(state: ElectrolyzerState) -> ElectrolyzerState:
    """Return the state unchanged: nothing is counted by day."""
    return state
