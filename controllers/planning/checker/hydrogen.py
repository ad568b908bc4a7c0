"""Rules of electrolysers and hydrogen stores."""

import numpy as np

from controllers.planning.checker.seen import POWER_MW, Seen
from controllers.planning.checker.storage import ENERGY_SHARE
from vpp.devices import Ammonia, Electrolyzer, H2Store, electrolyzer
from vpp.types import Violation


def electrolyser(view: Seen, name: str) -> list[Violation]:
    """Electrolyser: standby or its band, hydrogen by the consumption curve."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Electrolyzer)
    load, on = s["load_mw"], view.available(name)
    found = view.where(
        "energy_balance", name, np.abs(s["p_mw"] + load), 2 * POWER_MW, "terminal power is off by {:.3f} MW"
    )
    if not on:
        return found + view.where(
            "power_limit", name, load, POWER_MW, "draws {:.3f} MW though it does not answer"
        )
    between = np.minimum(load - device.standby_mw, device.load_min_mw - load)
    outside = np.maximum(device.standby_mw - load, load - device.load_max_mw)
    found += view.where(
        "power_limit", name, np.maximum(between, outside), POWER_MW, "{:.3f} MW outside its band"
    )
    kg = np.array([electrolyzer.h2_kg_per_h(device, mw) for mw in load]) * view.dt_h
    return found + view.where(
        "storage_energy", name, np.abs(kg - s["h2_kg"]), 1e-2, "hydrogen is off by {:.3f} kg"
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
