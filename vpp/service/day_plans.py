"""Days planned one after the other, each from the state in which the one before it ends."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning import Planner, initial_state
from controllers.planning.slots import day_steps
from forecasts import outlook
from vpp.devices import Ammonia
from vpp.park.model import Park
from vpp.park.pins import local_midnight
from vpp.types import Array, Pin, Plan, PlantState

MADE_BEFORE = timedelta(hours=9)
"""A day's forecast is that of 15:00 the day before, the hour of the day-ahead job."""


def plan_days(park: Park, first: date, days: int, pins: Sequence[Pin] = ()) -> Iterator[Plan]:
    """Yield the plans of `days` local days; the first starts from the park's initial state.

    Each day's plan holds the pins that lie in it.

    Raises InvalidInput before the first one where a series of the park does not reach to the last
    day, NoPlan for the first day that none can be released for.
    """
    wanted = [first + timedelta(days=k) for k in range(days)]
    starts, steps = [local_midnight(park, day) for day in wanted], [day_steps(park, day) for day in wanted]
    outlooks = [outlook(park, at - MADE_BEFORE, at, n) for at, n in zip(starts, steps, strict=True)]
    planner, state = Planner(park), initial_state(park, starts[0])
    for forecast, n in zip(outlooks, steps, strict=True):
        made = planner.plan(
            state, forecast, steps=n, deadline_s=park.horizon.day_ahead_deadline_s, pins=pins
        ).plan
        state = state_after(park, made)
        yield made


def state_after(park: Park, plan: Plan) -> PlantState:
    """Return the state in which a plan leaves the park at its end, taken for a midnight.

    Stores, machines and open breakers are as planned; what counts by the day (starts, hydrogen
    delivered, calls) begins anew; the month's peak is the highest so far, unless a month begins.
    """
    at = plan.start + timedelta(minutes=plan.step_min * plan.steps)
    fresh = initial_state(park, at)
    zone, peak_mw = ZoneInfo(park.site.zone), fresh.month_peak_mw
    if at.astimezone(zone).month == plan.start.astimezone(zone).month:
        peak_mw = max(plan.initial.month_peak_mw, float(plan.series["tie"]["import_mw"].max()))
    return PlantState(
        at=at,
        resources={
            name: {**values, **_left(plan.series[name], plan.step_min), **_restarts(park, plan, name)}
            for name, values in fresh.resources.items()
        },
        calls={
            name: {**ledger, **_open(plan.series[name], plan.step_min)}
            for name, ledger in fresh.calls.items()
        },
        month_peak_mw=peak_mw,
        positions={name: float(plan.series[name]["position"][-1]) for name in plan.initial.positions},
    )


def _left(series: Mapping[str, Array], step_min: int) -> dict[str, float]:
    """Return a resource's state at the end of its last step."""
    left = {k: float(series[k][-1]) for k in ("p_mw", "e_mwh", "mode_code", "trains") if k in series}
    if "mode_code" in series:
        # a synchronous condenser (6) is as idle as rest
        left["mode_min"] = _minutes_unchanged(series["mode_code"] % 6, step_min)
    if "stacks" in series:
        left |= {"on_stacks": float(series["stacks"][-1]), "warm_stacks": float(series["warm_stacks"][-1])}
    elif "h2_kg" in series:
        left["h2_kg"] = float(series["h2_kg"][-1])
    return left


def _restarts(park: Park, plan: Plan, name: str) -> dict[str, float]:
    """Return what is left of the restart of an ammonia loop that ends the plan in hot idle."""
    device = park.devices[name]
    if not isinstance(device, Ammonia):
        return {}
    running = plan.series[name]["nh3_t"] > 0
    before_min = plan.initial.resources[name].get("restart_min", 0.0)
    if running[-1]:
        return {"restart_min": 0.0}
    least_min = device.params.restart_h * 60 if running.any() else before_min
    return {"restart_min": max(0.0, least_min - _minutes_unchanged(running, plan.step_min))}


def _open(series: Mapping[str, Array], step_min: int) -> dict[str, float]:
    """Return what of a load's ledger a call that still runs at the end changes."""
    if "open_blocks" not in series or not series["open_blocks"][-1]:
        return {}
    running = _minutes_unchanged(series["open_blocks"] > 0, step_min)
    return {"open_blocks": float(series["open_blocks"][-1]), "running_min": running}


def _minutes_unchanged(values: Array | np.ndarray[tuple[int], np.dtype[np.bool_]], step_min: int) -> float:
    """Return for how long a series has had its last value."""
    other = np.flatnonzero(values != values[-1])
    return float(step_min * (len(values) - 1 - other[-1] if len(other) else len(values)))
