"""CHP units and ammonia loops walked through the steps of a plan with plain arithmetic."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from controllers.planning.blocks import hydrogen_supply, ramped
from controllers.planning.slots import Situation
from vpp.devices import Ammonia, Chp, H2Store
from vpp.types import Array


def chp_unit(now: Situation, name: str, device: Chp, wish: Array) -> dict[str, Array]:
    """Return a CHP unit that follows the wish inside its band with its ramp."""
    now_mw = now.state.resources[name].get("p_mw", 0.0)
    band = (device.params.p_min_mw, device.resource.p_max_mw)
    bounds = ramped.reach(now, now_mw, device.ramp_mw_per_h, band)
    always = np.ones(len(wish), dtype=bool)
    p = _followed(now, wish, bounds, device.ramp_mw_per_h, always) * now.is_available(name)
    return {"p_mw": p}


def loops(now: Situation, made_kg: Array, wishes: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Return every ammonia loop: what is wished while the hydrogen made and stored lasts, else the least."""
    hours = now.window.dt_h[now.window.span]
    on = hydrogen_supply.running(now, made_kg / hours)
    wished = {name: _loop(now, name, running, wishes[name]) for name, running in on.items()}
    used = sum((series["h2_used_kg"] for series in wished.values()), np.zeros_like(made_kg))
    for name, store in now.park.devices.items():
        if isinstance(store, H2Store):
            kg = now.state.resources[name]["h2_kg"]
            if (kg + np.cumsum(made_kg - used) < min(kg, store.min_kg) - 1e-6).any():
                return {name: _loop(now, name, running, 0.0 * made_kg) for name, running in on.items()}
    return wished


def _loop(now: Situation, name: str, running: Array, wish: Array) -> dict[str, Array]:
    device = now.park.devices[name]
    assert isinstance(device, Ammonia)
    now_mw = max(device.load_min_mw, -now.state.resources[name].get("p_mw", 0.0))
    bounds = ramped.reach(now, now_mw, device.ramp_mw_per_h, (device.load_min_mw, device.load_max_mw))
    on = running > 0.5
    load = np.where(on, _followed(now, -wish, bounds, device.ramp_mw_per_h, on), device.idle_mw)
    load = load * now.is_available(name)
    making = np.where(on, load, 0.0) * now.window.dt_h[now.window.span]
    return {
        "p_mw": -load,
        "load_mw": load,
        "nh3_t": making / device.params.el_mwh_per_t,
        "h2_used_kg": making * device.h2_kg_per_mwh,
    }


def _followed(
    now: Situation,
    wish: Array,
    bounds: tuple[Array, Array],
    ramp_mw_per_h: float,
    on: npt.NDArray[np.bool_],
) -> Array:
    """Return the wish inside its bounds, no step further from the one before than the ramp."""
    low, high = (edge[now.window.span] for edge in bounds)
    most = ramp_mw_per_h * now.window.axis.step_h
    out = np.clip(wish, low, high)
    for k in range(1, len(out)):
        if on[k] and on[k - 1]:
            out[k] = min(max(out[k], out[k - 1] - most), out[k - 1] + most)
        elif on[k]:
            out[k] = min(out[k], low[k] + most / 2)
    return out
