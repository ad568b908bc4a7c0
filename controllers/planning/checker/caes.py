"""Rules of a CAES plant: machines, stored air, switching, ramps."""

import math

import numpy as np

from controllers.planning.checker.seen import ON_MW, POWER_MW, Seen
from controllers.planning.checker.storage import ENERGY_SHARE, stored, terminals
from vpp.devices import Caes, caes
from vpp.devices.caes import CompressorParams, TurbineParams
from vpp.types import Array, Violation

CHARGING, DISCHARGING, CONDENSER = 1, 2, 6
"""`mode_code` of a plant that runs, or spins as a synchronous condenser."""


def caes_plant(view: Seen, name: str) -> list[Violation]:
    """CAES: bands of the machines, stored air, modes, idle step, minimum times, starts, ramps."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Caes)
    params, on = device.params, float(view.available(name))
    charge, discharge = s["charge_mw"], s["discharge_mw"]
    trains = np.round(s["trains"])
    spins = np.round(s["mode_code"]) == CONDENSER
    found = terminals(view, name, params.standby_aux_mw + params.condenser.loss_mw * spins)
    turbine, train = params.turbine, params.compressor
    start = view.plan.initial.resources[name]["e_mwh"]
    before = np.append(start, s["e_mwh"][:-1])
    slack = ENERGY_SHARE * device.e_air_mwh
    top_ch = np.array([caes.charge_max_mw(device, e + slack) for e in before]) * on
    top_dis = np.array([caes.discharge_max_mw(device, e + slack) for e in s["e_mwh"]]) * on
    charging, discharging = charge > ON_MW, discharge > ON_MW
    over = np.maximum(charge - np.minimum(top_ch, trains * train.p_rated_mw), discharge - top_dis)
    under = np.maximum(
        np.where(charging, trains * train.p_min_mw - charge, 0),
        np.where(discharging, turbine.p_min_mw - discharge, 0),
    )
    found += view.where(
        "power_limit", name, over, POWER_MW, "{:.3f} MW beyond what machines and stored air give"
    )
    found += view.where("power_limit", name, under, POWER_MW, "{:.3f} MW below the least load")
    mode = np.where(charging, CHARGING, np.where(discharging, DISCHARGING, 0))
    told = np.where(mode == 0, np.where(spins, CONDENSER, 0), mode)
    found += view.where(
        "exclusivity", name, np.abs(told - s["mode_code"]), 0.5, "mode and power disagree by {:.0f}"
    )
    air = np.array([_air(device, c, d, t) for c, d, t in zip(charge, discharge, trains, strict=True)])
    kept = (1 - params.tes_loss_pct_per_day / 100) ** (1 / 24)
    found += stored(
        view,
        name,
        s["e_mwh"],
        air,
        kept,
        edges=(device.e_min_mwh, device.e_max_mwh),
        size=device.e_air_mwh,
    )
    return (
        found + _switching(view, name, device, mode, trains) + _ramps(view, name, charge, discharge, trains)
    )


def _air(device: Caes, charge_mw: float, discharge_mw: float, trains: float) -> float:
    if charge_mw > ON_MW:
        return caes.air_mwh_per_h(device, -charge_mw, max(1, int(trains)))
    return caes.air_mwh_per_h(device, discharge_mw, 0) if discharge_mw > ON_MW else 0.0


def _switching(view: Seen, name: str, device: Caes, mode: Array, trains: Array) -> list[Violation]:
    """Idle steps between charge and discharge, minimum up times, starts of each local day."""
    params, initial = device.params, view.plan.initial.resources[name]
    machine = {1: 1, 3: 1, 2: 2, 4: 2}.get(int(initial.get("mode_code", 0)), 0)
    idle = math.ceil(params.mode_change_min_idle_s / 60 / view.plan.step_min - 1e-9)
    path = [machine, *(int(m) for m in mode)]
    turned, short = np.zeros(view.n), np.zeros(view.n)
    since_start = math.inf
    if machine and view.available(name) and math.isfinite(age := initial.get("mode_min", math.inf)):
        # a step that has begun counts whole, as in the plan
        since_start = math.ceil(age / view.plan.step_min) * view.plan.step_min
    up = {1: params.compressor.min_up_time_min, 2: params.turbine.min_up_time_min}
    for k in range(1, len(path)):
        for j in range(1, idle + 1):
            if k - j >= 0 and {path[k], path[k - j]} == {1, 2}:
                turned[k - 1] = 1
        if path[k] != path[k - 1]:
            if path[k - 1] and since_start + 1e-6 < up[path[k - 1]]:
                short[k - 1] = up[path[k - 1]] - since_start
            since_start = 0.0
        since_start += view.plan.step_min
    found = view.where("idle_step", name, turned, 0.5, "turns round without an idle step")
    found += view.where("minimum_time", name, short, 1e-6, "stops {:.0f} min before its least time up")
    days = np.array(view.days())
    for kind, label, most in (
        (2, "turbine", params.turbine.max_starts_per_day),
        (1, "compressor", params.compressor.max_starts_per_day),
    ):
        began = np.array([path[k] == kind != path[k - 1] for k in range(1, len(path))])
        for day in np.unique(days):
            count = int(began[days == day].sum()) + (initial.get(f"starts_{label}", 0.0) if day == 0 else 0.0)
            if began[days == day].any() and count > most:
                step = int(np.flatnonzero(began & (days == day))[-1])
                words = f"{name}: {label} starts {count:g} times in a day, allowed {most}"
                found.append(
                    Violation(rule="starts", resource=name, step=step, found=count, allowed=most, text=words)
                )
    return found


def _ramps(view: Seen, name: str, charge: Array, discharge: Array, trains: Array) -> list[Violation]:
    """Change between neighbouring steps of a machine that runs through both, ramps centred between them."""
    device = view.park.devices[name]
    assert isinstance(device, Caes)
    found = []
    sides: tuple[tuple[Array, TurbineParams | CompressorParams, Array], ...] = (
        (discharge, device.params.turbine, (discharge > ON_MW).astype(float)),
        (charge, device.params.compressor, trains),
    )
    for power, machine, count in sides:
        through = (count[1:] == count[:-1]) & (count[1:] > 0)
        most = machine.ramp_mw_per_min * view.plan.step_min * count[1:]
        excess = np.where(through, np.abs(np.diff(power)) - most, 0.0)
        found += view.where(
            "ramp", name, np.append(0.0, excess), POWER_MW, "changes {:.2f} MW more than its ramp gives"
        )
    return found + _first_ramp(view, name, device)


def _first_ramp(view: Seen, name: str, device: Caes) -> list[Violation]:
    """Judge the rise of a machine that runs already, from its measured power in what is left of the step.

    A fall may be a stop, and a step in which a train starts is judged by the train's start.
    """
    s, initial = view.plan.series[name], view.plan.initial.resources[name]
    running, trains = int(initial.get("mode_code", 0)), int(initial.get("trains", 0))
    measured = initial.get("p_mw", 0.0)
    excess = 0.0
    if running == DISCHARGING and s["discharge_mw"][0] > ON_MW:
        machine = device.params.turbine
        reach = max(measured, machine.p_min_mw) + machine.ramp_mw_per_min * 60 * view.dt_h[0]
        excess = s["discharge_mw"][0] - reach
    elif running == CHARGING and 0 < s["trains"][0] <= trains:
        train = device.params.compressor
        reach = max(-measured, train.p_min_mw * trains) + train.ramp_mw_per_min * 60 * view.dt_h[0] * trains
        excess = s["charge_mw"][0] - reach
    text = "rises {:.2f} MW more from its measured power than its ramp gives"
    return view.where("ramp", name, np.array([excess]), POWER_MW, text)
