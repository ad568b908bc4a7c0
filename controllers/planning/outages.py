"""Planned outages of a window.

What is out is held off, weather and demand behind it are lost, and the power flow of each step misses
the branches that are out in it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from network.powerflow import Oracle
from network.timetable import timetabled
from vpp.park.model import Park
from vpp.park.outages import Calendar, calendar
from vpp.types import Array, Forecast, Hold, Pin, Plan

STANDS_OFF = ("bess", "caes", "electrolyzer")
"""Kinds that stand still with their own use; others are held at 0 MW (assumption: own use is still fed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """What a plan is made from where planned outages touch its window."""

    oracle: Oracle
    forecast: Forecast
    pins: tuple[Pin, ...]
    calendar: Calendar | None


def affected(park: Park, oracle: Oracle, forecast: Forecast, start: datetime, steps: int) -> Affected:
    """Return oracle, forecast and pins of a window; the same oracle and forecast where nothing is out."""
    found = calendar(park, start, forecast.step_min, steps)
    if found is None:
        return Affected(oracle=oracle, forecast=forecast, pins=(), calendar=None)
    first = round((start - forecast.start) / timedelta(minutes=forecast.step_min))
    available, loads = dict(forecast.available_mw), dict(forecast.load_mw)
    for name, lost in found.lost_mw.items():
        if name in available:
            most = np.maximum(0.0, park.resources[name].p_max_mw - np.array(lost))
            available[name] = _cut(available[name], first, np.where(np.array(lost) > 0, most, math.inf))
        elif name in loads:
            served = np.maximum(0.0, loads[name][first : first + steps] - np.array(lost))
            loads[name] = _cut(loads[name], first, served)
    return Affected(
        oracle=timetabled(oracle, found.branches) if any(found.branches) else oracle,
        forecast=replace(forecast, available_mw=available, load_mw=loads),
        pins=tuple(_pins(park, found, start, forecast.step_min)),
        calendar=found,
    )


def _cut(values: Array, first: int, most: Array) -> Array:
    """Return a series cut to `most` in the steps from `first` on, as far as it reaches."""
    out = values.copy()
    part = out[first : first + len(most)]
    out[first : first + len(most)] = np.minimum(part, most[: len(part)])
    return out


def _pins(park: Park, found: Calendar, start: datetime, step_min: int) -> Iterator[Pin]:
    """Yield a pin for each unbroken run of steps in which a device can do less; weather is cut instead."""
    step, zone = timedelta(minutes=step_min), ZoneInfo(park.site.zone)
    for name, lost in found.lost_mw.items():
        row = park.resources.get(name)
        if row is None or row.kind in ("wind", "pv"):
            continue
        for first, last in _runs(lost):
            begins, ends = start + first * step, start + (last + 1) * step
            off = math.isinf(lost[first]) and row.kind in STANDS_OFF
            left = max(0.0, max(row.p_max_mw, -row.p_min_mw) - lost[first])
            local = begins.astimezone(zone), ends.astimezone(zone)
            yield Pin(
                id=f"outage {name} {local[0]:%Y-%m-%dT%H:%M}/{local[1]:%Y-%m-%dT%H:%M}",
                element=name,
                start=begins,
                end=ends,
                hold=Hold.OFF if off else Hold.WITHIN,
                p_mw=0.0 if off else left,
            )


def _runs(lost: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of every run of equal values above 0."""
    first = 0
    for k in range(1, len(lost) + 1):
        if k == len(lost) or lost[k] != lost[first]:
            if lost[first] > 0:
                yield first, k - 1
            first = k


def free_of(pins: Sequence[Pin], outages: Sequence[Pin]) -> tuple[Pin, ...]:
    """Return outages and the pins that meet none of them: what is out cannot be asked for anything."""
    kept = [
        pin
        for pin in pins
        if not any(o.element == pin.element and o.start < pin.end and pin.start < o.end for o in outages)
    ]
    return (*outages, *kept)


def marked(plan: Plan, found: Calendar | None) -> Plan:
    """Return the plan with 0 pu at buses that are cut off, and a note of what is out."""
    if found is None:
        return plan
    vm_pu = {
        bus: np.array([0.0 if bus in dead else v for v, dead in zip(values, found.dead_buses, strict=True)])
        for bus, values in plan.vm_pu.items()
    }
    out = sorted({name for names in found.branches for name in names} | set(found.lost_mw))
    return replace(plan, vm_pu=vm_pu, notes=(*plan.notes, "planned outages: " + ", ".join(out)))
