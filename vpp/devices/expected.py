"""The power that a plan means at a moment: its levels joined by the ramps of the device."""

from datetime import datetime, timedelta

from vpp.devices.pv import Pv
from vpp.devices.registry import DEVICE_TYPES, Device
from vpp.devices.wind import Wind
from vpp.types import Plan

SAME_MW = 1e-3
"""Levels closer than this are one level: a solver's last digits begin no ramp (assumption)."""


def step_at(plan: Plan, at: datetime) -> tuple[float, float, int]:
    """Return (step length s, seconds since the step's start, its index inside the plan)."""
    step_s = plan.step_min * 60.0
    since_s = (at - plan.start) / timedelta(seconds=1)
    i = min(max(int(since_s // step_s), 0), plan.steps - 1)
    return step_s, since_s - i * step_s, i


def expected_mw(device: Device, plan: Plan, at: datetime) -> float:
    """Return the power that the plan means at `at`, MW injection: its levels joined by centred ramps."""
    powers = plan.series[device.resource.id]["p_mw"]
    step_s, into_s, i = step_at(plan, at)
    level = powers.item(i)
    if isinstance(device, Wind | Pv) or not 0.0 <= into_s < step_s:
        return level
    change = DEVICE_TYPES[device.resource.kind].change
    for k, distance_s in ((i - 1, into_s), (i + 1, step_s - into_s)):
        if 0 <= k < plan.steps and abs(powers.item(k) - level) > SAME_MW:
            first, second = (powers.item(k), level) if k < i else (level, powers.item(k))
            half_s = min(change(device, first, second).half_ramp_s, step_s / 2)
            if distance_s < half_s:
                return level + (powers.item(k) - level) * (half_s - distance_s) / (2 * half_s)
    return level
