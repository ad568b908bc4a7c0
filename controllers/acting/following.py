"""The plan in force: what it asks now, how long it is trusted, and what it says of the tie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from vpp.link import PlanOffer
from vpp.park.model import Park
from vpp.types import Array, OutageAction, Plan, TieSensitivity

FIRM_KINDS = ("bess", "caes", "electrolyzer", "h2_store", "ammonia", "chp")
"""Devices whose output the plan decides; wind and PV belong to the weather."""
EARLY = timedelta(minutes=15)
"""How long before its first step a plan is taken, to be followed from there on: one made while the
processes of a simulated run still come up; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInForce:
    """An accepted plan with what control needs of it each cycle."""

    plan: Plan
    sensitivities: Mapping[int, TieSensitivity]
    midpoints_s: Array
    """Middle of each step, seconds since 1970, shape (steps,)."""
    armed: Mapping[tuple[str, int], OutageAction]
    """By outage and step what is done when it happens."""
    residual_mw: Array
    """Planned import + output of the firm devices + interrupted and trimmed load: what would be drawn uncut,
    with losses and less wind and PV."""


def in_force(plan: Plan, sensitivities: Sequence[TieSensitivity], park: Park) -> PlanInForce:
    """Return the plan made ready to follow."""
    step_s = plan.step_min * 60.0
    tie = plan.series["tie"]
    firm = [name for name, resource in park.resources.items() if resource.kind in FIRM_KINDS]
    residual = np.asarray(tie["import_mw"] - tie["export_mw"], dtype=np.float64)
    for name in firm:
        residual = residual + plan.series[name]["p_mw"]
    for name in park.loads:
        series = plan.series.get(name, {})
        residual = residual + series.get("shed_mw", 0.0) + series.get("modulated_mw", 0.0)
    return PlanInForce(
        plan=plan,
        sensitivities={s.step: s for s in sensitivities},
        midpoints_s=np.asarray(plan.start.timestamp() + step_s * (np.arange(plan.steps) + 0.5), dtype=float),
        armed={(a.outage, a.step): a for found in plan.contingencies for a in found.actions},
        residual_mw=residual,
    )


def knows(plan: Plan, device: str) -> bool:
    """Return whether the plan counts on a device: one that was silent when it was made, it does not."""
    return plan.initial.resources.get(device, {}).get("available", 1.0) > 0.0


def step_of(plan: Plan, at: datetime) -> int | None:
    """Return the step that holds `at`; None outside the plan."""
    step = int((at - plan.start).total_seconds() // (plan.step_min * 60))
    return step if 0 <= step < plan.steps else None


def ends_at(plan: Plan, ttl_s: float) -> datetime:
    """Return the plant time from which the plan is no longer followed."""
    return min(plan.valid_until, plan.made_at + timedelta(seconds=ttl_s))


def reversion_mw(force: PlanInForce | None, device: str, step: int | None) -> float | None:
    """Return where the plan lets a device revert to in one of its steps; None where it does not say."""
    if force is None or step is None:
        return None
    series = force.plan.series.get(device, {}).get("reversion_mw")
    return None if series is None else float(series[step])


def residual_at(force: PlanInForce, at: datetime) -> float:
    """Return the planned residual demand, linear between the middles of the steps."""
    return float(np.interp(at.timestamp(), force.midpoints_s, force.residual_mw))


def refusal(
    offer: PlanOffer, current: Plan | None, park: Park, *, now: datetime, true_s: float, ttl_s: float
) -> str:
    """Return why an offered plan is not taken, in words; empty where it is.

    A late plan is refused unless there is none at all to follow.
    """
    plan = offer.plan
    taken_s = true_s - offer.started_true_s
    if current is not None and taken_s > offer.deadline_s:
        return f"late: {taken_s:.1f} s after its start, deadline {offer.deadline_s:g} s"
    if plan.park != park.name:
        return f"it is a plan of park {plan.park}, this is {park.name}"
    if plan.certificate is None or not plan.certificate.ok:
        return "it carries no certificate of the checker"
    if ends_at(plan, ttl_s) <= now:
        return f"it is no longer valid at {now:%H:%M:%S} UTC"
    if step_of(plan, max(now, plan.start)) is None or plan.start - now > EARLY:
        return f"it does not cover {now:%Y-%m-%d %H:%M} UTC"
    if current is not None and plan.made_at < current.made_at:
        return "it is older than the plan in force"
    return _malformed(plan, park)


def _malformed(plan: Plan, park: Park) -> str:
    wanted = [(name, "p_mw") for name in park.resources] + [("tie", "import_mw"), ("tie", "export_mw")]
    for owner, column in wanted:
        series = plan.series.get(owner, {}).get(column)
        if series is None or series.shape != (plan.steps,) or not np.isfinite(series).all():
            return f"its series {owner}.{column} is missing, of the wrong length or not finite"
    return ""
