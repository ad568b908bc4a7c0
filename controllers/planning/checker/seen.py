"""A plan as the rules see it, and the two rules of form."""

import math
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from vpp.park.model import Park
from vpp.types import Array, Forecast, Plan, Violation

POWER_MW = 1e-3
"""Power beyond a limit that passes: solver tolerance."""
ON_MW = 1e-3
"""A machine above this runs."""
EXPECTED = {
    "wind": ("available_mw", "curtailed_mw"),
    "pv": ("available_mw", "curtailed_mw"),
    "bess": ("charge_mw", "discharge_mw", "e_mwh"),
    "caes": ("charge_mw", "discharge_mw", "e_mwh", "mode_code", "trains"),
    "electrolyzer": ("load_mw", "stacks", "warm_stacks", "heating_mw", "hot_starts", "h2_kg"),
    "ammonia": ("load_mw", "nh3_t", "h2_used_kg"),
    "chp": (),
    "h2_store": ("h2_kg", "delivery_kg_per_h", "vented_kg_per_h"),
    "load": ("load_mw", "shed_mw", "modulated_mw", "rebound_mw", "open_blocks"),
    "tie": (
        *("import_mw", "export_mw", "price_cny_per_mwh", "import_max_mw", "export_max_mw"),
        *("declared_mw", "q_mvar"),
    ),
    "network": ("losses_mw",),
    "actuator": ("position",),
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
    kinds |= dict.fromkeys(park.actuators, "actuator")
    found = []
    for name, kind in kinds.items():
        own = () if kind in ("tie", "network", "actuator") else ("p_mw", "q_mvar")
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
