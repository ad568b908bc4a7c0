"""The causes of alarms, told from what one cycle has seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from controllers.acting.alarms import Condition
from controllers.acting.judge import FROZEN_CYCLES, Pulse
from controllers.acting.lease import BLIND_CYCLES
from controllers.acting.seat import Seat
from controllers.acting.tie import TOLERANCE_MW, WINDOW_S, TieWindow
from vpp.park.model import Park
from vpp.types import Ack, Link, Outcome, Plan, PlanLabel, Quality, Reading, Setpoint, Severity

FAULT = 3.0
"""Code of point `status` of a device that is out (docs/architecture.md)."""
STATUS_WORDS: Mapping[int, str] = {
    3: "reports a fault",
    4: "has reverted by itself: it had no valid command",
    5: "is in local control",
}
"""Codes of point `status` (docs/architecture.md)."""
START_CYCLES = 5
"""Cycles in which connections are made; assumption."""
PLANNER_START_CYCLES = 20
"""Cycles in which a planner that was started together with control makes its first plan; assumption."""
DEVIATION_MW = 1.5
DEVIATION_SHARE = 0.05
"""A device follows while it is nearer to its expected output than the larger of both; assumption."""
DEVIATION_CYCLES = 5
DEVIATION_S = 30.0
"""Both must have passed before a device counts as not following; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How long a device has been away from its expected output."""

    cycles: int = 0
    seconds: float = 0.0
    still_s: float = 0.0
    """For how long its meter has stood still meanwhile, plant seconds."""
    at_mw: float = inf
    """Where its meter stood then."""

    @property
    def lasting(self) -> bool:
        """True where it can no longer be a lag."""
        return self.cycles >= DEVIATION_CYCLES and self.seconds >= DEVIATION_S


def is_away(expected_mw: float, reading: Reading, rating_mw: float) -> bool:
    """Return whether a good reading is further from its expected output than a device that follows."""
    p_mw = reading.values.get("p_mw")
    return (
        p_mw is not None
        and reading.quality is Quality.GOOD
        and abs(p_mw - expected_mw) > max(DEVIATION_MW, DEVIATION_SHARE * rating_mw)
    )


def deviation(
    last: Deviation, expected_mw: float, reading: Reading, rating_mw: float, dt_s: float
) -> Deviation:
    """Return the count after this cycle; a bad reading says nothing and starts it anew."""
    if not is_away(expected_mw, reading, rating_mw):
        return Deviation()
    p_mw = reading.values["p_mw"]
    still = abs(p_mw - last.at_mw) <= max(DEVIATION_MW, DEVIATION_SHARE * rating_mw) / 2
    return Deviation(
        cycles=last.cycles + 1,
        seconds=last.seconds + dt_s,
        still_s=last.still_s + dt_s if still else 0.0,
        at_mw=last.at_mw if still else p_mw,
    )


def of_endpoints(
    readings: Mapping[str, Reading], pulses: Mapping[str, Pulse], cycle: int, links: Mapping[str, Link]
) -> Iterator[Condition]:
    """Name silent endpoints with what their links say, and devices that say themselves what is wrong.

    In the first cycles after a start an endpoint that has not answered yet is not silent.
    """
    for name, reading in readings.items():
        if reading.quality is Quality.BAD:
            never = reading.read_at is None
            if never:
                text = f"{name} has never answered"
            elif name in pulses and pulses[name].still >= FROZEN_CYCLES:
                text = f"{name} answers, but its heartbeat stands still"
            else:
                text = f"{name} is silent for {_span(reading.age_s)}"
            if name in links and links[name].reason:
                text += f": {links[name].reason}"
            if not never or cycle > START_CYCLES:
                yield Condition(id=f"silent:{name}", severity=Severity.ALARM, source=name, text=text)
            continue
        code = int(reading.values.get("status", 1))
        if code in STATUS_WORDS:
            yield Condition(
                id=f"status:{name}", severity=Severity.ALARM, source=name, text=f"{name} {STATUS_WORDS[code]}"
            )


def of_writes(acks: Mapping[str, Ack], readings: Mapping[str, Reading]) -> Iterator[Condition]:
    """Name commands that a device with a good reading did not take."""
    words = {
        Outcome.REFUSED: "refused its command",
        Outcome.UNKNOWN: "did not answer its command: it may have been executed",
        Outcome.WRONG: "answered its command wrongly",
    }
    for name, ack in acks.items():
        if ack.outcome in words and readings[name].quality is not Quality.BAD:
            yield Condition(
                id=f"write:{name}",
                severity=Severity.ACTION,
                source=name,
                text=f"{name} {words[ack.outcome]} ({ack.detail})",
            )


def of_following(
    deviations: Mapping[str, Deviation], readings: Mapping[str, Reading], setpoints: Mapping[str, Setpoint]
) -> Iterator[Condition]:
    """Name devices that answer but do not do what they were told."""
    for name, away in deviations.items():
        if away.lasting and name in setpoints:
            p_mw, asked = readings[name].values.get("p_mw", 0.0), setpoints[name].p_mw
            yield Condition(
                id=f"not_following:{name}",
                severity=Severity.ALARM,
                source=name,
                text=f"{name} does not follow: {p_mw:.1f} MW metered, {asked:.1f} MW ordered",
            )


def of_tie(window: TieWindow, broken: Mapping[str, float]) -> Iterator[Condition]:
    """Tell of a mean that ends over its limit even at the limit from now on, and of rows not held."""
    if window.over_mwh * 3600 / WINDOW_S > TOLERANCE_MW:
        yield Condition(
            id="tie:mean",
            severity=Severity.ALARM,
            source="tie",
            text=f"import mean of this quarter hour is {window.mean_mw:.1f} MW, "
            f"limit {window.limit_mw:.1f} MW",
        )
    for name, excess in broken.items():
        if excess > TOLERANCE_MW:
            yield Condition(
                id=f"limit:{name}",
                severity=Severity.ALARM,
                source="network",
                text=f"limit {name} cannot be held by any device that may move: over by {excess:.1f}",
            )


def of_plan(
    plan: Plan | None, step: int | None, now: datetime, replan_min: int, roles: frozenset[str] | None
) -> Iterator[Condition]:
    """Tell of no plan to follow (`step` None), a planner that is gone or silent, a plan below optimal.

    A plan that is about to begin is no fault.
    """
    followed = step is not None
    if not followed and (plan is None or now >= plan.start):
        text = "no plan has come yet" if plan is None else f"the plan {plan.id} has ended"
        yield Condition(
            id="plan:none",
            severity=Severity.ALARM,
            source="control",
            text=f"{text}: last values are held while they are trusted",
        )
    gone = roles is not None and "planner" not in roles
    old = plan is not None and now - plan.made_at > timedelta(minutes=2 * replan_min)
    if gone or old:
        why = (
            "is not connected"
            if gone
            else f"has sent no plan for {_span((now - plan.made_at).total_seconds())}"
            if plan
            else ""
        )
        yield Condition(
            id="planner:silent",
            severity=Severity.ALARM,
            source="planner",
            text=f"the planner {why}; control goes on with what it has",
        )
    if plan is not None and followed and plan.label not in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE):
        yield Condition(
            id="plan:label",
            severity=Severity.ACTION,
            source="planner",
            text=f"the plan in force is {plan.label}: {_gives_way(plan) or plan.status}",
        )


def _gives_way(plan: Plan) -> str:
    """Return in words which limit of a plan gives way first, and which others do; empty for none."""
    if not plan.relaxations:
        return ""
    first = min(plan.relaxations, key=lambda r: r.step)
    most = max(r.amount for r in plan.relaxations if r.limit == first.limit)
    others = sorted({r.limit for r in plan.relaxations} - {first.limit})
    also = ", ".join(others[:3]) + (" and more" if len(others) > 3 else "")
    return f"{first.reason}, by up to {most:.3g} {first.unit}" + (f"; also {also}" if also else "")


def of_loads(park: Park, calls: Mapping[str, Mapping[str, float]]) -> Iterator[Condition]:
    """Name loads that are cut longer than their contract allows."""
    for name, entry in calls.items():
        most = park.loads[name].max_shed_min
        if entry["open_blocks"] and entry["running_min"] > most:
            yield Condition(
                id=f"overdue:{name}",
                severity=Severity.ACTION,
                source=name,
                text=f"{name} is cut for {entry['running_min']:.0f} min, allowed are {most:.0f}: restore it",
            )


def of_lease(seat: Seat | None) -> Iterator[Condition]:
    """Tell that this control only watches; to have lost the lease while acting is an alarm."""
    if seat is not None and not seat.active and (seat.lease.lost or seat.lease.cycles > BLIND_CYCLES):
        yield Condition(
            id="passive",
            severity=Severity.ALARM if seat.lease.lost else Severity.INFORMATION,
            source="control",
            text=f"this control is passive and sends nothing: {seat.lease.text}",
        )


def of_journal(trouble: str | None, lost: int) -> Iterator[Condition]:
    """Tell of a journal that the disk does not take."""
    if trouble is not None:
        text = f"{trouble}; {lost} records are lost so far" if lost else trouble
        yield Condition(id="journal", severity=Severity.ALARM, source="control", text=text)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
