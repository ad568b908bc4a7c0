"""Adds up a day's cycles into quarter hours: what was metered, and which plan was followed when."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import hypot

import numpy as np

from vpp.devices import Pv, Wind
from vpp.journal import LoggedSnapshot
from vpp.park.interruption import demand_mw, part_mw
from vpp.park.model import Park
from vpp.reports.day_flows import CONDENSER, QUARTER_S, Flows, own_use_mw
from vpp.reports.metered_limits import feed_mva, voltage_band
from vpp.types import Array, Load, Plan, Quality

GAP_S = 900.0
"""Cycles further apart than this leave a hole: control was down and nothing is known (assumption)."""
CURTAILED_SHARE = 0.01
"""Share of a rating below which curtailment is the meter's noise (assumption)."""
REST_SHARE = 0.005
"""Share of a rating below which a store neither charges nor discharges: own use differs from its name
plate (assumption)."""
NOT_OBEYING = (3.0, 4.0, 5.0)
"""Codes of point `status`: fault, reverted, local."""


@dataclass(slots=True)
class Spell:
    """Breaches of one limit as they come."""

    unit: str
    count: int = 0
    depth: float = 0.0
    seconds: float = 0.0
    worst_at: datetime | None = None
    over: bool = False


def cut_mw(load: Load, p_mw: float, mask: int, trimmed_mw: float = 0.0) -> float:
    """Return what stands behind open breakers and what is trimmed, MW, from the injection left (<= 0)."""
    opened = mask.bit_count()
    return part_mw(load, demand_mw(load, -p_mw, opened, trimmed_mw)) * opened + trimmed_mw


@dataclass(slots=True)
class DayMeter:
    """State of the sum; give it the cycles of one day in order."""

    park: Park
    plans: Mapping[str, Plan]
    start: datetime
    bins: int
    sums: dict[tuple[str, str], Array] = field(default_factory=dict)
    seconds: Array = field(init=False)
    limits: dict[str, tuple[tuple[float, float], float | None]] = field(init=False)
    """By meter the voltage band (pu) and the rating of its feed (MVA)."""
    answered_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    able_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    in_force: dict[tuple[str, int], Array] = field(default_factory=dict)
    causes: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By (resource, cause) MWh curtailed."""
    labels_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    counted: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    contents: dict[str, Array] = field(default_factory=dict)
    """By store its content at the end of each bin; nan where unknown."""
    spells: dict[str, Spell] = field(default_factory=dict)
    before: LoggedSnapshot | None = None

    def __post_init__(self) -> None:
        """Make the bins and look the limits of all meters up."""
        self.seconds = np.zeros(self.bins)
        self.limits = {
            meter.id: (voltage_band(self.park, meter.bus), feed_mva(self.park, meter.bus))
            for meter in self.park.meters.values()
        }

    def take(self, now: LoggedSnapshot) -> None:
        """Add the time since the cycle before, at the values of that cycle."""
        before, self.before = self.before, now
        self._count(now)
        if before is None:
            return
        dt_s = (now.at - before.at).total_seconds()
        if not 0.0 < dt_s <= GAP_S:
            return
        for k, part_s in self._parts(before.at, dt_s):
            self.seconds[k] += part_s
            self._flow(before, k, part_s)
            self._follow(before, k, part_s)
        self._judge(before, dt_s)

    def _parts(self, at: datetime, dt_s: float) -> Iterator[tuple[int, float]]:
        """Yield (bin, seconds) of [at, at + dt), split where a bin ends."""
        offset_s = (at - self.start).total_seconds()
        while dt_s > 1e-9:
            k = int(offset_s // QUARTER_S)
            part_s = min(dt_s, (k + 1) * QUARTER_S - offset_s)
            if 0 <= k < self.bins:
                yield k, part_s
            offset_s, dt_s = offset_s + part_s, dt_s - part_s

    def _add(self, quantity: str, name: str, k: int, amount: float) -> None:
        if (quantity, name) not in self.sums:
            self.sums[quantity, name] = np.zeros(self.bins)
        self.sums[quantity, name][k] += amount

    def _flow(self, at: LoggedSnapshot, k: int, part_s: float) -> None:
        hours = part_s / 3600
        for name, values in at.values.items():
            if at.quality[name] is Quality.BAD or not values:
                continue
            self.answered_s[name] += part_s
            self.able_s[name] += part_s * (values.get("status", 1.0) not in NOT_OBEYING)
            if "p_mw" not in values:
                continue
            p_mw = values["p_mw"]
            if name in self.park.resources:
                self._resource(at, name, k, hours)
            elif name in self.park.loads:
                load = self.park.loads[name]
                trimmed = values.get("trimmed_mw", 0.0)
                cut = cut_mw(load, p_mw, int(values.get("breakers", 0.0)), trimmed)
                self._add("trimmed", name, k, trimmed * hours)
                self._add("cut", name, k, cut * hours)
                self._add("demand", name, k, (cut - p_mw) * hours)
            elif self.park.meters[name].kind == "tie":
                self._add("import", "tie", k, max(p_mw, 0.0) * hours)
                self._add("export", "tie", k, max(-p_mw, 0.0) * hours)

    def _resource(self, at: LoggedSnapshot, name: str, k: int, hours: float) -> None:
        values, device = at.values[name], self.park.devices[name]
        p_mw = values["p_mw"]
        self._add("fed", name, k, max(p_mw, 0.0) * hours)
        self._add("drawn", name, k, max(-p_mw, 0.0) * hours)
        if self.park.resources[name].kind in ("bess", "caes"):
            net = p_mw + own_use_mw(device)
            net = net if abs(net) > REST_SHARE * device.resource.p_max_mw else 0.0
            self._add("discharge", name, k, max(net, 0.0) * hours)
            self._add("charge", name, k, max(-net, 0.0) * hours)
        if values.get("mode_code") == CONDENSER:
            self._add("condenser_h", name, k, hours)
        for point, quantity in (("h2_kg_per_h", "made_kg"), ("nh3_t_per_h", "ammonia_t")):
            if point in values and not (quantity == "made_kg" and "nh3_t_per_h" in values):
                self._add(quantity, name, k, values[point] * hours)
        if isinstance(device, Wind | Pv) and "available_mw" in values:
            self._add("available", name, k, values["available_mw"] * hours)
            lost = values["available_mw"] - p_mw
            lost = lost if lost > CURTAILED_SHARE * device.resource.p_max_mw else 0.0
            self._add("curtailed", name, k, lost * hours)
            if lost:
                self.causes[name, self._cause(at, name)] += lost * hours

    def _cause(self, at: LoggedSnapshot, name: str) -> str:
        """Return why a plant gives less than it could: one cause for one moment.

        The plan's where it curtails in this step; `device` where the plant does not obey; `control` where
        it was ordered below what is available though the plan did not ask for it (tie or network row in
        real time); else `response`, the time it takes to follow.
        """
        plan, step = self._plan(at)
        if plan is not None and step is not None:
            planned = plan.curtailment_cause.get(name, ())
            if step < len(planned) and planned[step]:
                return planned[step]
        if at.values[name].get("status", 1.0) in NOT_OBEYING:
            return "device"
        ordered = at.setpoints.get(name, {}).get("p_mw")
        return "control" if ordered is not None and ordered < at.values[name]["available_mw"] else "response"

    def _plan(self, at: LoggedSnapshot) -> tuple[Plan | None, int | None]:
        plan = self.plans.get(at.plan_id or "") if at.following == "plan" else None
        if plan is None:
            return None, None
        step = int((at.at - plan.start).total_seconds() // (plan.step_min * 60))
        return plan, step if 0 <= step < plan.steps else None

    def _follow(self, at: LoggedSnapshot, k: int, part_s: float) -> None:
        plan, step = self._plan(at)
        self.labels_s[plan.label.value if plan is not None else "none"] += part_s
        if plan is None or step is None:
            return
        if (plan.id, step) not in self.in_force:
            self.in_force[plan.id, step] = np.zeros(self.bins)
        self.in_force[plan.id, step][k] += part_s

    def _count(self, now: LoggedSnapshot) -> None:
        """Add up the rises of counters, and falls of open breakers; keep contents.

        What is counted at a bin's first moment happened in the bin before.
        """
        k = int(max((now.at - self.start).total_seconds() - 1e-3, 0.0) // QUARTER_S)
        for name, values in now.values.items():
            if now.quality[name] is Quality.BAD:
                continue
            from_cold = self._warmed(name, values)
            for point in ("starts_turbine", "trains", "on_stacks", "warm_stacks", "delivered_kg"):
                if point in values:
                    grown = values[point] - self.counters.get((name, point), values[point])
                    self.counters[name, point] = values[point]
                    grown -= from_cold if point == "on_stacks" else 0.0
                    self.counted[name, point] += max(0.0, grown)
                    if point == "delivered_kg" and 0 <= k < self.bins:
                        self._add("delivered_kg", name, k, max(0.0, grown))
            if "breakers" in values:
                still = int(values["breakers"]).bit_count()
                fallen = self.counters.get((name, "breakers"), still) - still
                self.counters[name, "breakers"] = still
                self.counted[name, "breakers"] += max(0.0, fallen)
            held = values.get("e_mwh", values.get("h2_kg"))
            if held is not None and name in self.park.resources:
                self.first.setdefault(name, held)
                self.last[name] = held
                if 0 <= k < self.bins:
                    self.contents.setdefault(name, np.full(self.bins, np.nan))[k] = held

    def _warmed(self, name: str, values: Mapping[str, float]) -> float:
        """Return the stacks that became warm since the last cycle: one that goes on with it starts cold."""
        warm = values.get("warm_stacks", 0.0)
        return max(0.0, warm - self.counters.get((name, "warm_stacks"), warm))

    def _judge(self, at: LoggedSnapshot, dt_s: float) -> None:
        """Judge what meters tell, cycle by cycle: voltages, and currents of what feeds a metered bus.

        Loading is current over the continuous rating: S / (vm x rating), percent.
        """
        for name, meter in self.park.meters.items():
            values = at.values.get(name, {})
            if at.quality.get(name) is Quality.BAD or "vm_pu" not in values:
                continue
            (low, high), rating = self.limits[name]
            vm_pu = values["vm_pu"]
            self.note(f"voltage:{meter.bus}", "pu", max(low - vm_pu, vm_pu - high, 0.0), dt_s, at.at)
            if rating is not None and "p_mw" in values and vm_pu > 0:
                mva = hypot(values["p_mw"], values.get("q_mvar", 0.0))
                over = max(0.0, 100 * mva / vm_pu / rating - 100)
                self.note(f"feed:{meter.bus}", "%", over, dt_s, at.at)

    def note(self, limit: str, unit: str, depth: float, dt_s: float, at: datetime) -> None:
        """Add a moment at which a limit was breached by `depth`, 0 where it held."""
        spell = self.spells.setdefault(limit, Spell(unit=unit))
        if depth > 0.0:
            spell.count += not spell.over
            spell.seconds += dt_s
            if depth > spell.depth:
                spell.depth, spell.worst_at = depth, at
        spell.over = depth > 0.0

    def flows(self) -> Flows:
        """Return what was metered so far."""
        series: dict[str, dict[str, Array]] = {}
        for (quantity, name), values in self.sums.items():
            series.setdefault(quantity, {})[name] = values
        starts: dict[str, dict[str, int]] = {}
        words = {"starts_turbine": "turbine", "trains": "train", "on_stacks": "hot", "warm_stacks": "cold"}
        for (name, point), count in self.counted.items():
            if point in words:
                starts.setdefault(name, {})[words[point]] = round(count)
        return Flows(
            start=self.start,
            bins=self.bins,
            seconds=self.seconds,
            series=series,
            content={name: (self.first[name], self.last[name]) for name in self.first},
            starts=starts,
            reclosed={
                name: round(n) for (name, point), n in self.counted.items() if point == "breakers" and n
            },
        )
