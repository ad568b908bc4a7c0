"""Rules of the checker for one device or load each, in plain arithmetic."""

import math
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from vpp.devices import Bess, Caes, Electrolyzer, H2Store, caes, electrolyzer
from vpp.devices.caes import CompressorParams, TurbineParams
from vpp.park.model import Park
from vpp.types import Array, Forecast, NoticeClass, Plan, Violation

POWER_MW = 1e-3
"""Power beyond a limit that passes: solver tolerance."""
ENERGY_SHARE = 2e-3
"""Share of a store by which its energy may leave what its powers give, or its window (assumption: a
fifth of what metering of a store resolves)."""
ON_MW = 1e-3
EXPECTED = {
    "wind": ("available_mw", "curtailed_mw"),
    "pv": ("available_mw", "curtailed_mw"),
    "bess": ("charge_mw", "discharge_mw", "e_mwh"),
    "caes": ("charge_mw", "discharge_mw", "e_mwh", "mode_code", "trains"),
    "electrolyzer": ("load_mw", "stacks", "h2_kg"),
    "h2_store": ("h2_kg", "delivery_kg_per_h", "vented_kg_per_h"),
    "load": ("load_mw", "shed_mw", "open_blocks"),
    "tie": ("import_mw", "export_mw", "price_cny_per_mwh", "import_max_mw"),
    "network": ("losses_mw",),
}
"""Series that a plan must carry, by kind; resources and loads carry p_mw and q_mvar as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A plan with right lengths and finite numbers, and what the rules ask of it again and again."""

    park: Park
    plan: Plan
    forecast: Forecast
    n: int
    dt_h: Array
    """Hours of each step that the plan owns; the first may have begun before."""
    offset: int
    """Step of the forecast in which the plan starts."""

    def available(self, name: str) -> bool:
        """Return False for a device that was planned as not answering."""
        return self.plan.initial.resources[name].get("available", 1.0) > 0.5

    def declared(self, limit: str) -> Array:
        """Return (n,) how much of a limit the plan declares as given up."""
        out = np.zeros(self.n)
        for r in self.plan.relaxations:
            if r.limit == limit and 0 <= r.step < self.n:
                out[r.step] += r.amount
        return out

    def days(self) -> list[int]:
        """Return the local day of each step, counted from the first step's."""
        zone = ZoneInfo(self.park.site.zone)
        starts = [self.plan.start + timedelta(minutes=self.plan.step_min * k) for k in range(self.n)]
        first = starts[0].astimezone(zone).date()
        return [(start.astimezone(zone).date() - first).days for start in starts]

    def where(self, rule: str, name: str, excess: Array, allowed: float, text: str) -> list[Violation]:
        """Return one violation: the step of the greatest excess above `allowed`, if there is one."""
        if not len(excess) or not (worst := float(np.max(excess))) > allowed:
            return []
        step = int(np.argmax(excess))
        words = f"{name}, step {step}: {text.format(worst)}"
        return [Violation(rule=rule, resource=name, step=step, found=worst, allowed=allowed, text=words)]


def seen(park: Park, plan: Plan, forecast: Forecast) -> tuple[Seen | None, list[Violation]]:
    """Return the view of a plan, or the violations of `length` and `finite` that forbid one."""
    kinds = {name: row.kind for name, row in park.resources.items()}
    kinds |= dict.fromkeys(park.loads, "load") | {"tie": "tie", "network": "network"}
    found = []
    for name, kind in kinds.items():
        own = () if kind in ("tie", "network") else ("p_mw", "q_mvar")
        for key in (*own, *EXPECTED[kind]):
            values = plan.series.get(name, {}).get(key)
            if values is None or np.shape(values) != (plan.steps,):
                size = 0 if values is None else np.size(values)
                found.append(_formal("length", name, f"{key} has {size} values, the plan {plan.steps} steps"))
            elif not np.isfinite(values).all():
                found.append(
                    _formal("finite", name, f"{key} is not finite", int(np.argmin(np.isfinite(values))))
                )
    offset = round((plan.start - forecast.start).total_seconds() / 60 / forecast.step_min)
    if offset < 0 or any(
        len(s) < offset + plan.steps for s in (*forecast.available_mw.values(), *forecast.load_mw.values())
    ):
        found.append(_formal("length", "forecast", "the forecast does not cover the plan"))
    if found:
        return None, found
    dt = np.full(plan.steps, plan.step_min / 60)
    dt[0] -= max(0.0, (plan.initial.at - plan.start).total_seconds() / 3600)
    return Seen(park=park, plan=plan, forecast=forecast, n=plan.steps, dt_h=dt, offset=offset), []


def _formal(rule: str, name: str, text: str, step: int | None = None) -> Violation:
    nan = math.nan
    return Violation(rule=rule, resource=name, step=step, found=nan, allowed=nan, text=f"{name}: {text}")


def renewable(view: Seen, name: str) -> list[Violation]:
    """Wind and PV: between 0 and what the forecast makes available; the rest is curtailed."""
    series = view.plan.series[name]
    most = np.minimum(
        view.forecast.available_mw[name][view.offset :][: view.n], view.park.resources[name].p_max_mw
    )
    most = most * view.available(name)
    found = view.where("power_limit", name, series["p_mw"] - most, POWER_MW, "{:.3f} MW more than available")
    found += view.where("power_limit", name, -series["p_mw"], POWER_MW, "draws {:.3f} MW")
    off = np.abs(most - series["p_mw"] - series["curtailed_mw"])
    return found + view.where(
        "energy_balance", name, off, 2 * POWER_MW, "curtailed power is off by {:.3f} MW"
    )


def _terminals(view: Seen, name: str, aux_mw: float) -> list[Violation]:
    """p_mw = discharge - charge - own use, never both directions, all magnitudes >= 0."""
    s = view.plan.series[name]
    off = np.abs(s["p_mw"] - s["discharge_mw"] + s["charge_mw"] + aux_mw * view.available(name))
    both = np.minimum(s["charge_mw"], s["discharge_mw"])
    negative = np.maximum(-s["charge_mw"], -s["discharge_mw"])
    found = view.where("energy_balance", name, off, 2 * POWER_MW, "terminal power is off by {:.3f} MW")
    found += view.where("exclusivity", name, both, ON_MW, "charges and discharges {:.3f} MW at once")
    return found + view.where("power_limit", name, negative, POWER_MW, "negative magnitude {:.3f} MW")


def _stored(
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
    found = _terminals(view, name, device.aux_mw)
    over = np.maximum(
        s["charge_mw"] - on * device.charge_max_mw, s["discharge_mw"] - on * device.discharge_max_mw
    )
    found += view.where("power_limit", name, over, POWER_MW, "{:.3f} MW beyond its rating")
    kept = (1 - params.self_discharge_pct_day / 100) ** (1 / 24)
    return found + _stored(
        view, name, s["e_mwh"], flow, kept, edges=(params.soc_min * size, params.soc_max * size), size=size
    )


def caes_plant(view: Seen, name: str) -> list[Violation]:
    """CAES: bands of the machines, stored air, modes, idle step, minimum times, starts, ramps."""
    device, s = view.park.devices[name], view.plan.series[name]
    assert isinstance(device, Caes)
    params, on = device.params, float(view.available(name))
    charge, discharge = s["charge_mw"], s["discharge_mw"]
    trains = np.round(s["trains"])
    found = _terminals(view, name, params.standby_aux_mw)
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
    mode = np.where(charging, 1, np.where(discharging, 2, 0))
    found += view.where(
        "exclusivity", name, np.abs(mode - s["mode_code"]), 0.5, "mode and power disagree by {:.0f}"
    )
    air = np.array([_air(device, c, d, t) for c, d, t in zip(charge, discharge, trains, strict=True)])
    kept = (1 - params.tes_loss_pct_per_day / 100) ** (1 / 24)
    found += _stored(
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
    return found


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
    out = (s["delivery_kg_per_h"] + s["vented_kg_per_h"]) * view.dt_h
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


def load(view: Seen, name: str) -> list[Violation]:
    """Load: demand of the forecast, whole blocks, call ledger."""
    row, s = view.park.loads[name], view.plan.series[name]
    demand = view.forecast.load_mw[name][view.offset :][: view.n]
    found = view.where(
        "energy_balance", name, np.abs(s["load_mw"] - demand), 2 * POWER_MW, "demand is off by {:.3f} MW"
    )
    found += view.where(
        "energy_balance",
        name,
        np.abs(s["p_mw"] + s["load_mw"] - s["shed_mw"]),
        2 * POWER_MW,
        "power is off by {:.3f} MW",
    )
    part = demand * row.interruptible_share / row.blocks if row.blocks else np.zeros(view.n)
    found += view.where(
        "shed_ledger",
        name,
        np.abs(s["shed_mw"] - part * s["open_blocks"]),
        2 * POWER_MW,
        "shed power is {:.3f} MW off its open blocks",
    )
    found += view.where(
        "shed_ledger", name, s["open_blocks"] - row.blocks, 1e-6, "{:.0f} blocks more than there are"
    )
    return found + _ledger(view, name)


def _ledger(view: Seen, name: str) -> list[Violation]:
    """Judge calls left, rest between calls, longest call; a call that runs at the start belongs to before."""
    row, opened = view.park.loads[name], view.plan.series[name]["open_blocks"] > 0.5
    before = view.plan.initial.calls.get(name, {})
    running = before.get("open_blocks", 0.0) > 0
    never = row.notice_class is NoticeClass.NEVER or row.blocks == 0
    left = before.get("calls_left", float(row.max_calls_per_day))
    rest, length = before.get("rest_min", 0.0), before.get("running_min", 0.0) if running else 0.0
    days, day, was = view.days(), 0, running
    for k in range(view.n):
        if days[k] != day:
            day, left = days[k], float(row.max_calls_per_day)
        why = ""
        if opened[k] and never:
            why = "shed though it is never interruptible"
        elif opened[k] and not was:
            left, length = left - 1, 0.0
            why = "called more often than its contract allows" if left < -1e-9 else ""
            why = "called again before its rest is over" if rest > 1e-6 else why
        if opened[k]:
            length += view.plan.step_min
            carried = running and bool(opened[: k + 1].all())
            if length > max(row.max_shed_min, view.plan.step_min) + 1e-6 + (
                view.plan.step_min if carried else 0
            ):
                why = why or "called for longer than its contract allows"
        elif was:
            rest = row.min_between_sheds_min
        if why:
            words = f"{name}, step {k}: {why}"
            return [
                Violation(
                    rule="shed_ledger",
                    resource=name,
                    step=k,
                    found=length,
                    allowed=row.max_shed_min,
                    text=words,
                )
            ]
        rest, was = (rest - view.plan.step_min if not opened[k] else rest), bool(opened[k])
    return []


def room_up_mw(view: Seen, name: str) -> Array:
    """Return (n,) by how much a device could raise its injection within a minute."""
    device, s = view.park.devices[name], view.plan.series[name]
    if not view.available(name):
        return np.zeros(view.n)
    if isinstance(device, Bess):
        return np.asarray(device.discharge_max_mw - s["p_mw"])
    if isinstance(device, Caes):
        running = s["discharge_mw"] > ON_MW
        return np.asarray(
            np.where(running, device.params.turbine.p_rated_mw - s["discharge_mw"], 0.0) + s["charge_mw"]
        )
    if isinstance(device, Electrolyzer):
        least = np.where(s["load_mw"] > device.standby_mw + POWER_MW, device.load_min_mw, device.standby_mw)
        return np.maximum(0.0, s["load_mw"] - least)
    return np.zeros(view.n)
