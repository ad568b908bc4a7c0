"""From a plan's interval means to what a device is asked for at a moment.

A plan says one power per step; a device has ramps and starts. Asking for each step's power so much
ahead of its boundary that ramps lie centred on it and starts are over in time (`DeviceType.change`)
makes the energy of the simulated day equal the plan's. Setpoints are a step function: a controller
that looks only once a minute is late by at most that minute at both ends of a block.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from vpp.devices import DEVICE_TYPES, Bess, Device, Electrolyzer, Pv, Wind
from vpp.devices.expected import SAME_MW, expected_mw, step_at
from vpp.park.interruption import TRIM_S
from vpp.types import Plan

FREE_MW = 1e-3
"""A planned curtailment below this is none: the cap is opened (assumption)."""


def target_mw(device: Device, plan: Plan, at: datetime) -> float:
    """Return the setpoint for plant time `at`, MW at the terminals, injection positive.

    For wind and PV it is a cap, the rating in steps that curtail nothing. Before the plan's start
    its first step holds, after its end the last.
    """
    series = plan.series[device.resource.id]
    powers = series["p_mw"]
    step_s, into_s, i = step_at(plan, at)
    if isinstance(device, Wind | Pv):
        curtailed = series["curtailed_mw"].item(i) > FREE_MW
        return min(powers.item(i), device.resource.p_max_mw) if curtailed else device.resource.p_max_mw
    change = DEVICE_TYPES[device.resource.kind].change
    level = powers.item(i)
    until_s = step_s - into_s
    for k in range(i + 1, plan.steps):
        following = powers.item(k)
        if abs(following - level) > SAME_MW:
            start_s, half_ramp_s = change(device, level, following)
            if until_s > start_s + half_ramp_s:
                # an earlier start must not undo the change that comes before it
                break
            level = following
        until_s += step_s
    return level


def target_h2_kg_per_h(device: Device, plan: Plan, at: datetime) -> float:
    """Return the delivery asked of a hydrogen store at plant time `at`; 0 for other devices."""
    delivery = plan.series[device.resource.id].get("delivery_kg_per_h")
    return 0.0 if delivery is None else delivery.item(step_at(plan, at)[2])


def target_warm_stacks(device: Device, plan: Plan, at: datetime) -> float:
    """Return how many stacks an electrolyser is to keep warm at plant time `at`; 0 for other devices.

    Cold stacks of a step are asked for their cold start ahead of it.
    """
    if not isinstance(device, Electrolyzer):
        return 0.0
    warm = plan.series[device.resource.id].get("warm_stacks")
    if warm is None:
        return float(device.params.stacks)
    i = step_at(plan, at)[2]
    ahead = step_at(plan, at + timedelta(minutes=device.params.cold_start_min))[2]
    return float(warm[i : ahead + 1].max())


def target_trim_mw(load: str, plan: Plan, at: datetime) -> float:
    """Return what a load is to trim at plant time `at`, MW: half of `TRIM_S` ahead, as ramps lie centred."""
    planned = plan.series.get(load, {}).get("modulated_mw")
    return 0.0 if planned is None else planned.item(step_at(plan, at + timedelta(seconds=TRIM_S / 2))[2])


def mirrored_mw(slow: Sequence[Device], battery: Bess, plan: Plan, at: datetime) -> float:
    """Return what a battery gives on top of its step while slow devices ramp the other way.

    A jump of the battery that the plan means to be taken up by a ramp is spread over that ramp, so
    that the tie does not see both one after the other. Each half is the other's negative: the
    battery keeps its energy. Only as much of the ramp as the battery itself moves by.
    """
    step_s, into_s, i = step_at(plan, at)
    k = i - 1 if into_s < step_s / 2 else i + 1
    if not (0.0 <= into_s < step_s and 0 <= k < plan.steps):
        return 0.0
    own = plan.series[battery.resource.id]["p_mw"]
    moved = own.item(k) - own.item(i)
    if abs(moved) <= SAME_MW:
        return 0.0
    levels = [plan.series[device.resource.id]["p_mw"] for device in slow]
    theirs = sum(level.item(k) - level.item(i) for level in levels)
    if moved * theirs >= 0.0:
        return 0.0
    away = sum(
        expected_mw(device, plan, at) - level.item(i) for device, level in zip(slow, levels, strict=True)
    )
    return -away * min(1.0, -moved / theirs)
