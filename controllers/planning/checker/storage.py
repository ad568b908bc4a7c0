"""Rules of what stores energy at its terminals: what was stored, and the battery."""

import numpy as np

from controllers.planning.checker.seen import ON_MW, POWER_MW, Seen
from vpp.devices import Bess
from vpp.types import Array, Violation

ENERGY_SHARE = 2e-3
"""Share of a store by which its energy may leave what its powers give, or its window (assumption: a
fifth of what metering of a store resolves)."""


def terminals(view: Seen, name: str, aux_mw: float | Array) -> list[Violation]:
    """p_mw = discharge - charge - own use, never both directions, all magnitudes >= 0."""
    s = view.plan.series[name]
    off = np.abs(s["p_mw"] - s["discharge_mw"] + s["charge_mw"] + aux_mw * view.available(name))
    both = np.minimum(s["charge_mw"], s["discharge_mw"])
    negative = np.maximum(-s["charge_mw"], -s["discharge_mw"])
    found = view.where("energy_balance", name, off, 2 * POWER_MW, "terminal power is off by {:.3f} MW")
    found += view.where("exclusivity", name, both, ON_MW, "charges and discharges {:.3f} MW at once")
    return found + view.where("power_limit", name, negative, POWER_MW, "negative magnitude {:.3f} MW")


def stored(
    view: Seen,
    name: str,
    e_mwh: Array,
    flow_mw: Array,
    kept_per_h: float,
    *,
    edges: tuple[float, float],
    size: float,
) -> list[Violation]:
    """Recompute a store from its flow; judge drift and window, a window left before the plan included."""
    start = view.plan.initial.resources[name]["e_mwh"]
    before = np.append(start, e_mwh[:-1])
    step = np.abs(before * kept_per_h**view.dt_h + flow_mw * view.dt_h - e_mwh)
    total = np.empty(view.n)
    e = start
    for k in range(view.n):
        e = e * kept_per_h ** view.dt_h[k] + flow_mw[k] * view.dt_h[k]
        total[k] = e
    drift = np.maximum(step, np.abs(total - e_mwh))
    low, high = min(edges[0], start), max(edges[1], start)
    slack = ENERGY_SHARE * size
    found = view.where("storage_energy", name, drift, slack, "energy is {:.3f} MWh off what the powers give")
    found += view.where("soc_window", name, low - e_mwh, slack, "{:.3f} MWh below its window")
    return found + view.where("soc_window", name, e_mwh - high, slack, "{:.3f} MWh above its window")


def battery(view: Seen, name: str) -> list[Violation]:
    """Battery: rating, one direction at a time, energy, window."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Bess)
    params, size, on = device.params, device.e_full_mwh, float(view.available(name))
    flow = params.eta_ch * s["charge_mw"] - s["discharge_mw"] / params.eta_dis
    found = terminals(view, name, device.aux_mw)
    over = np.maximum(
        s["charge_mw"] - on * device.charge_max_mw, s["discharge_mw"] - on * device.discharge_max_mw
    )
    found += view.where("power_limit", name, over, POWER_MW, "{:.3f} MW beyond its rating")
    kept = (1 - params.self_discharge_pct_day / 100) ** (1 / 24)
    return found + stored(
        view, name, s["e_mwh"], flow, kept, edges=(params.soc_min * size, params.soc_max * size), size=size
    )
