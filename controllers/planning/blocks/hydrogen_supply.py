"""Which steps of a plan have hydrogen for the ammonia loops: decided before the search.

A loop that stops is out for its restart time, half a day and more, and nobody stops one to save an
hour of peak price: it runs wherever it is fed (assumption; so the block is convex, as in the measured
day-ahead problem). It is fed where production and store, used for nothing else, carry its least use.
"""

import math
from collections.abc import Mapping

import numpy as np

from controllers.planning.blocks import ramped
from controllers.planning.blocks.electrolyzer import on_now
from controllers.planning.slots import Situation
from vpp.devices import Ammonia, Electrolyzer, H2Store, ammonia, electrolyzer
from vpp.types import Array

SURE = 0.97
"""Share of the greatest production that a loop is planned on (assumption)."""


def production_kg_per_h(situation: Situation) -> Array:
    """Return (steps,) the greatest production of all electrolysers that answer."""
    steps = situation.window.end - situation.window.first
    total = np.zeros(steps)
    for name, device in situation.park.devices.items():
        if isinstance(device, Electrolyzer) and situation.is_available(name):
            most = SURE * electrolyzer.h2_kg_per_h(device, device.load_max_mw)
            total += most * _warm_share(situation, name, device, steps)
    return total


def _warm_share(situation: Situation, name: str, device: Electrolyzer, steps: int) -> Array:
    """Return (steps,) the share of the stacks that can work, after the time of a hot and of a cold start."""
    window = situation.window
    state = situation.state.resources[name]
    warm = state.get("warm_stacks", float(device.params.stacks))
    wait_min = window.axis.step_min * np.arange(steps) - (window.at - window.start).total_seconds() / 60
    share = np.where(wait_min >= device.params.cold_start_min, 1.0, warm / device.params.stacks)
    now = on_now(device, state) / device.params.stacks
    return np.where(wait_min >= device.params.hot_start_min, share, np.minimum(share, now))


def least_mw(situation: Situation, device: Ammonia) -> Array:
    """Return (steps,) the least load of a loop that runs: down to its least by its ramp."""
    hours = situation.window.dt_h[situation.window.span]
    middle = np.cumsum(hours) - hours / 2
    now_mw = -situation.state.resources[device.resource.id].get("p_mw", 0.0)
    return np.maximum(device.load_min_mw, now_mw - device.ramp_mw_per_h * middle)


def running(situation: Situation, made_kg_per_h: Array) -> Mapping[str, Array]:
    """Return by loop (steps,) of 1 where it runs and 0 where it stands in hot idle.

    A loop that restarts waits for its time. Where the store would fall below its least content, the
    last loop that runs trips and comes back after its restart time if there is hydrogen then.
    """
    window = situation.window
    hours, n = window.dt_h[window.span], window.end - window.first
    loops = {k: d for k, d in situation.park.devices.items() if isinstance(d, Ammonia)}
    on = {name: _restarted(situation, name, device, n) for name, device in loops.items()}
    stores = [(k, d) for k, d in situation.park.devices.items() if isinstance(d, H2Store)]
    if not stores:
        return {name: np.zeros(n) for name in loops}
    name, store = stores[0]
    kg = situation.state.resources[name]["h2_kg"]
    least = {k: least_mw(situation, d) for k, d in loops.items()}
    for step in range(n):
        while True:
            used = sum(on[k][step] * d.h2_kg_per_mwh * least[k][step] for k, d in loops.items())
            left = kg + (made_kg_per_h[step] - used) * hours[step]
            fed = [k for k in loops if on[k][step]]
            if left >= min(store.min_kg, kg) - 1e-6 or not fed:
                break
            last = fed[-1]
            until = step + math.ceil(loops[last].params.restart_h / window.axis.step_h)
            on[last][step:until] = 0.0
            least[last][until:] = loops[last].load_min_mw
        kg = min(left, store.params.usable_kg)
    return on


def _restarted(situation: Situation, name: str, device: Ammonia, steps: int) -> Array:
    """Return 1 from the first step that begins after the restart is over, 0 where the loop is held off."""
    state, window = situation.state.resources[name], situation.window
    out = np.full(steps, float(situation.is_available(name)))
    wait_min = state.get("restart_min", 0.0)
    if wait_min <= 0.0 and not ammonia.runs(device, -state.get("p_mw", 0.0)):
        wait_min = 1.0  # ready in hot idle: it starts with the next whole step
    late_min = (window.at - window.start).total_seconds() / 60
    out[: math.ceil((late_min + wait_min) / window.axis.step_min - 1e-9) if wait_min > 0.0 else 0] = 0.0
    restart = math.ceil(device.params.restart_h / window.axis.step_h)
    off = ramped.held_off(situation, name, device.load_min_mw)[window.span] > 0.5
    for step in np.flatnonzero(off):
        begins = step == 0 or not off[step - 1]
        out[step : step + (restart if begins else 1)] = 0.0
    return out
