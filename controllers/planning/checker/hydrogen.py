"""Rules of electrolysers and hydrogen stores."""

import math

import numpy as np

from controllers.planning.checker.seen import POWER_MW, Seen
from controllers.planning.checker.storage import ENERGY_SHARE
from vpp.devices import Ammonia, Electrolyzer, H2Store, electrolyzer
from vpp.types import Array, Violation


def electrolyser(view: Seen, name: str) -> list[Violation]:
    """Electrolyser: standby or its band by the stacks that are warm, cold starts, hydrogen by the curve."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Electrolyzer)
    load, params, standing = s["load_mw"], device.params, device.stack_standby_mw
    found = view.where(
        "energy_balance", name, np.abs(s["p_mw"] + load), 2 * POWER_MW, "terminal power is off by {:.3f} MW"
    )
    if not view.available(name):
        return found + view.where(
            "power_limit", name, load, POWER_MW, "draws {:.3f} MW though it does not answer"
        )
    warm = np.round(s["warm_stacks"])
    net = load - s["heating_mw"] - warm * standing
    least, most = (x * params.stack_mw - standing for x in (params.stack_load_min, params.stack_load_max))
    outside = np.maximum.reduce(
        [-net, np.minimum(net, least - net), net - warm * most, load + device.resource.p_min_mw]
    )
    found += view.where("power_limit", name, outside, POWER_MW, "{:.3f} MW outside its band")
    found += _cold_starts(view, name, device, warm)
    pairs = zip(load - s["heating_mw"], warm, strict=True)
    kg = np.array([electrolyzer.h2_kg_per_h(device, mw, int(count)) for mw, count in pairs]) * view.dt_h
    return found + view.where(
        "storage_energy", name, np.abs(kg - s["h2_kg"]), 1e-2, "hydrogen is off by {:.3f} kg"
    )


def _cold_starts(view: Seen, name: str, device: Electrolyzer, warm: Array) -> list[Violation]:
    """Judge that stacks become warm only by a cold start, in its time and with its power."""
    initial, step_min = view.plan.initial.resources[name], view.plan.step_min
    stacks, cold_min = device.params.stacks, device.params.cold_start_min
    begun, left_min = initial.get("heating_stacks", 0.0), initial.get("heating_min", 0.0)
    late_min = step_min - 60 * view.dt_h[0]
    wait_min = step_min * np.arange(view.n) - late_min
    rises = np.maximum(0.0, np.diff(warm, prepend=initial.get("warm_stacks", float(stacks))))
    ripe = np.zeros(view.n)
    if begun and (wait_min >= left_min - 1e-6).any():
        ripe[max(0, int(np.argmax(wait_min >= left_min - 1e-6)))] = begun
    heated = np.maximum(0.0, rises - ripe)
    early = np.where(wait_min < cold_min - 1e-6, heated, 0.0)
    found = view.where("minimum_time", name, early, 1e-6, "{:.0f} stacks warm before a cold start is over")
    found += view.where("power_limit", name, warm - stacks, 1e-6, "{:.0f} stacks more than there are")
    steps = max(1, math.ceil(cold_min / step_min - 1e-9))
    ahead = sum(np.append(heated[j:], np.zeros(min(j, view.n)))[: view.n] for j in range(1, steps + 1))
    drawn_h = np.clip(left_min / 60 - (np.cumsum(view.dt_h) - view.dt_h), 0.0, view.dt_h)
    needed = device.stack_standby_mw * (ahead * cold_min / (steps * step_min) + begun * drawn_h / view.dt_h)
    lacking = needed - view.plan.series[name]["heating_mw"]
    return found + view.where(
        "energy_balance", name, lacking, 2 * POWER_MW, "stacks heat on {:.3f} MW less than they need"
    )


def hydrogen(view: Seen, name: str) -> list[Violation]:
    """Hydrogen store: inventory, window, pipeline, compressor."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, H2Store)
    makers = [n for n, d in view.park.devices.items() if isinstance(d, Electrolyzer)]
    made_kg = sum((view.plan.series[n]["h2_kg"] for n in makers), np.zeros(view.n))
    users = [n for n, d in view.park.devices.items() if isinstance(d, Ammonia)]
    used_kg = sum((view.plan.series[n]["h2_used_kg"] for n in users), np.zeros(view.n))
    out = (s["delivery_kg_per_h"] + s["vented_kg_per_h"]) * view.dt_h + used_kg
    start = view.plan.initial.resources[name]["h2_kg"]
    off = np.abs(start + np.cumsum(made_kg - out) - s["h2_kg"])
    low, high = min(device.min_kg, start), max(device.params.usable_kg, start)
    slack = ENERGY_SHARE * device.params.usable_kg
    found = view.where("storage_energy", name, off, slack, "content is {:.2f} kg off what flows in and out")
    found += view.where(
        "soc_window",
        name,
        np.maximum(low - s["h2_kg"], s["h2_kg"] - high),
        slack,
        "{:.2f} kg outside its window",
    )
    most = device.params.pipeline_max_kg_per_h * view.available(name)
    over = np.maximum(
        s["delivery_kg_per_h"] - most, np.maximum(-s["delivery_kg_per_h"], -s["vented_kg_per_h"])
    )
    found += view.where("power_limit", name, over, 1e-2, "pipeline flow is {:.2f} kg/h beyond its limit")
    drawn = np.abs(s["p_mw"] * view.dt_h + device.params.compressor_kwh_per_kg / 1000 * made_kg)
    return found + view.where("energy_balance", name, drawn, 0.01, "compressor energy is off by {:.3f} MWh")
