"""Devices that do not give what their name plate says: what control has learned, who else holds them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from math import inf

from controllers.acting.alarms import Condition
from controllers.acting.conditions import DEVIATION_MW, DEVIATION_SHARE, Deviation
from controllers.acting.core import Core
from controllers.acting.learned import found
from controllers.acting.setpoints import Bound
from controllers.acting.shadow import STARTING
from controllers.acting.targets import Request
from vpp.types import Mode, Quality, Reading, Severity, Source

QUICK_KINDS = ("bess", "wind", "pv")
QUICK_CYCLES = 3
"""Kinds that follow within a second or two are judged after so many cycles (fault D11)."""
STEADY_S = 120.0
"""A machine is judged once it has stood still for so long: one that is late is no weaker one; assumption."""
LOCAL = 5.0
"""Code of point `status` (docs/architecture.md)."""


def is_due(kind: str, away: Deviation, reading: Reading) -> bool:
    """Return whether a device has been away for long enough to be judged."""
    if kind in QUICK_KINDS:
        return away.cycles >= QUICK_CYCLES
    if reading.values.get("status") == STARTING or not away.lasting:
        return False
    return away.still_s >= STEADY_S


def learn(core: Core, now: datetime) -> None:
    """Learn from devices that do not follow, and forget limits that have opened."""
    for name, away in core.deviations.items():
        row = core.park.resources[name]
        rating_mw = max(row.p_max_mw, -row.p_min_mw)
        last, reading = core.learned.get(name), core.readings[name]
        if last is not None:
            low, high = last.span(now, rating_mw)
            if low <= row.p_min_mw and high >= row.p_max_mw:
                del core.learned[name]
                core.journal.append("learned", {"device": name, "text": "its limit has opened"})
                last = None
        sent = core.setpoints.get(name)
        if away.cycles == 0 or sent is None or row.kind == "h2_store" or not is_due(row.kind, away, reading):
            continue
        asked_mw = core.expected[name].p_mw if row.kind in ("wind", "pv") else sent.p_mw
        given_mw = reading.values["p_mw"]
        if row.kind == "bess" and not _unmeant(core, name, given_mw, asked_mw, rating_mw):
            continue
        new = found(last, asked_mw, given_mw, now, rating_mw)
        if new is not None and new is not last:
            core.learned[name] = new
            core.journal.append("learned", {"device": name, "limit": new, "asked_mw": asked_mw})


def _unmeant(core: Core, name: str, given_mw: float, asked_mw: float, rating_mw: float) -> bool:
    """Return whether a battery gives what no command of the cycles that it is judged by asked of it.

    A meter may show the command before last, as at rate 1: it would teach limits that are none.
    """
    near_mw = max(DEVIATION_MW, DEVIATION_SHARE * rating_mw) / 2
    told = [asked_mw, *(sent.output_mw.get(name, given_mw) for sent in core.sent[-QUICK_CYCLES:])]
    return not min(told) - near_mw <= given_mw <= max(told) + near_mw


def within(core: Core, request: Request, name: str, now: datetime) -> Request:
    """Return a device's request inside what it was found to give."""
    last = core.learned.get(name)
    if name in core.jumps:
        held = Bound(source=Source.PROTECTION, low_mw=-inf, high_mw=0.0, why="its charge has jumped")
        request = replace(request, bounds=(*request.bounds, held))
    if last is None:
        return request
    row = core.park.resources[name]
    low, high = last.span(now, max(row.p_max_mw, -row.p_min_mw))
    bound = Bound(source=Source.PROTECTION, low_mw=low, high_mw=high, why="learned: it gives no more")
    return replace(request, bounds=(*request.bounds, bound))


def spans(core: Core, now: datetime) -> Mapping[str, tuple[float, float]]:
    """Return by device that gives less than its rating what it is believed to give, MW.

    What is in local control, in manual mode, or commanded by another master, stands where it is.
    """
    shown = {}
    for name, last in core.learned.items():
        row = core.park.resources[name]
        low, high = last.span(now, max(row.p_max_mw, -row.p_min_mw))
        shown[name] = (max(low, row.p_min_mw), min(high, row.p_max_mw))
    for name in core.jumps:
        low, high = shown.get(name, (core.park.resources[name].p_min_mw, 0.0))
        shown[name] = (min(low, 0.0), min(high, 0.0))
    for name in core.park.resources:
        reading = core.readings[name]
        ours = core.modes[name] is not Mode.MANUAL and name not in core.intruders
        if ours and reading.values.get("status") != LOCAL:
            continue
        if reading.quality is not Quality.BAD and "p_mw" in reading.values:
            shown[name] = (reading.values["p_mw"], reading.values["p_mw"])
    return shown


def of_learned(core: Core, now: datetime) -> Iterator[Condition]:
    """Name devices that do not follow, and what control asks them for meanwhile."""
    shown = spans(core, now)
    for name, last in core.learned.items():
        low, high = shown[name]
        yield Condition(
            id=f"not_following:{name}",
            severity=Severity.ALARM,
            source=name,
            text=f"{name} does not follow: {last.given_mw:.1f} MW metered, {last.asked_mw:.1f} MW ordered; "
            f"asked for {low:.1f} to {high:.1f} MW for now",
        )
