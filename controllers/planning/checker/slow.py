"""Rules of what follows slowly: CHP units and ammonia loops."""

import numpy as np
import numpy.typing as npt

from controllers.planning.checker.seen import POWER_MW, Seen
from controllers.planning.standstill import standstill
from vpp.devices import Ammonia, Chp, ammonia
from vpp.types import Array, Violation

Flags = npt.NDArray[np.bool_]


def chp_unit(view: Seen, name: str) -> list[Violation]:
    """CHP unit: its band, which it never leaves, and its ramp."""
    device, p = view.park.devices[name], view.plan.series[name]["p_mw"]
    assert isinstance(device, Chp)
    if not view.available(name):
        return view.where(
            "power_limit", name, np.abs(p), POWER_MW, "gives {:.3f} MW though it does not answer"
        )
    now_mw = view.plan.initial.resources[name].get("p_mw", 0.0)
    least = device.params.p_min_mw
    off = _held_off(view, name, least)
    found = view.where(
        "power_limit", name, np.abs(p) * off, POWER_MW, "gives {:.3f} MW though it is held off"
    )
    # one that is found below its band comes back by its ramp
    back = now_mw + device.ramp_mw_per_h * _middle_h(view)
    low = np.minimum(least, back) if now_mw < least else np.full(view.n, least)
    outside = np.where(off, 0.0, np.maximum(low - p, p - device.resource.p_max_mw))
    found += view.where("power_limit", name, outside, POWER_MW, "{:.3f} MW outside its band")
    return found + _ramp(view, name, p, ~off, now_mw=now_mw, mw_per_h=device.ramp_mw_per_h)


def ammonia_loop(view: Seen, name: str) -> list[Violation]:
    """Ammonia loop: band or hot idle, ramp, restart time, ammonia and hydrogen by their ratios."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Ammonia)
    load, params = s["load_mw"], device.params
    found = view.where(
        "energy_balance", name, np.abs(s["p_mw"] + load), 2 * POWER_MW, "terminal power is off by {:.3f} MW"
    )
    if not view.available(name):
        return found + view.where(
            "power_limit", name, load, POWER_MW, "draws {:.3f} MW though it does not answer"
        )
    on = np.array([ammonia.runs(device, mw) for mw in load])
    off = _held_off(view, name, device.load_min_mw)
    outside = np.where(
        on,
        np.maximum(device.load_min_mw - load, load - device.load_max_mw) + device.rated_mw * off,
        np.abs(load - np.where(off, 0.0, device.idle_mw)),
    )
    found += view.where("power_limit", name, outside, POWER_MW, "{:.3f} MW outside its band")
    made = np.where(on, load / params.el_mwh_per_t, 0.0) * view.dt_h
    found += view.where("storage_energy", name, np.abs(made - s["nh3_t"]), 1e-3, "ammonia is off by {:.4f} t")
    missed = np.abs(1000 * params.h2_t_per_t * made - s["h2_used_kg"])
    found += view.where("storage_energy", name, missed, 0.1, "hydrogen used is off by {:.3f} kg")
    now_mw = max(0.0, -view.plan.initial.resources[name].get("p_mw", 0.0))
    found += _ramp(
        view, name, load, on, now_mw=max(now_mw, device.load_min_mw), mw_per_h=device.ramp_mw_per_h
    )
    return found + _restarts(view, name, device, on, now_mw)


def _held_off(view: Seen, name: str, least_mw: float) -> Flags:
    plan = view.plan
    return standstill(
        plan.pins, name, least_mw, start=plan.start, step_min=plan.step_min, steps=view.n
    ) & ~_given_up(view, name)


def _given_up(view: Seen, name: str) -> Flags:
    """Return (n,) True where a plan declares that a pin on this device is not held."""
    out = np.zeros(view.n, dtype=bool)
    ours = {f"pin:{pin.id}" for pin in view.plan.pins if pin.element == name}
    for r in view.plan.relaxations:
        if r.limit in ours and 0 <= r.step < view.n:
            out[r.step] = True
    return out


def _middle_h(view: Seen) -> Array:
    """Return (n,) the hours from the plan's beginning to the middle of each step."""
    return np.asarray(np.cumsum(view.dt_h) - view.dt_h / 2)


def _ramp(
    view: Seen, name: str, power: Array, on: Flags, *, now_mw: float, mw_per_h: float
) -> list[Violation]:
    """Judge neighbouring steps that both run, ramps centred between them, and the first from now."""
    through = on[1:] & on[:-1]
    excess = np.where(through, np.abs(np.diff(power)) - mw_per_h * view.plan.step_min / 60, 0.0)
    first = abs(power[0] - now_mw) - mw_per_h * view.dt_h[0] / 2 if on[0] else 0.0
    text = "changes {:.2f} MW more than its ramp gives"
    return view.where("ramp", name, np.append(first, excess), POWER_MW, text)


def _restarts(view: Seen, name: str, device: Ammonia, on: Flags, now_mw: float) -> list[Violation]:
    """Judge the time between leaving production and carrying the least load again."""
    wait_min = view.plan.initial.resources[name].get("restart_min", 0.0)
    was, early = ammonia.runs(device, now_mw) and wait_min <= 0, np.zeros(view.n)
    for k in range(view.n):
        if on[k] and not was:
            early[k] = max(0.0, wait_min)
        elif not on[k]:
            wait_min = device.params.restart_h * 60 if was else wait_min
            wait_min -= 60 * view.dt_h[k]
        was = bool(on[k])
    return view.where("minimum_time", name, early, 1e-6, "runs again {:.0f} min before its restart is over")
