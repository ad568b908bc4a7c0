"""The state that a plan starts from: assumed, or read from control's snapshot."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controllers.planning.blocks.caes_history import MACHINE_OF
from vpp.devices import DEVICE_TYPES, Ammonia, Caes
from vpp.park import initial_of, share_of_loops
from vpp.park.interruption import connected_share, demand_mw
from vpp.park.model import Park
from vpp.park.pins import local_midnight
from vpp.park.positions import position_at_rest
from vpp.types import Load, Plan, PlantState, Quality, Reading, Snapshot

STATE_POINTS = (
    *("p_mw", "e_mwh", "mode_code", "trains", "starts_turbine", "starts_compressor"),
    *("on_stacks", "h2_kg", "delivered_kg", "nh3_t", "restart_min"),
    *("warm_stacks", "heating_stacks", "heating_min"),
)
"""Measured points that are state."""
USABLE = (Quality.GOOD, Quality.SUBSTITUTED)
FAULT = 3.0
"""Code of point `status` of a device that is out (docs/architecture.md)."""


def due(plant_now: datetime, last_at: datetime | None, replan_min: int) -> bool:
    """Return whether a new plan should be made: `plant_now` lies in a later period than `last_at`.

    Periods of `replan_min` minutes are counted from midnight UTC, so they meet the quarter hours.
    """
    if last_at is None:
        return True
    period = replan_min * 60
    return plant_now.timestamp() // period > last_at.timestamp() // period


def initial_state(park: Park, at: datetime) -> PlantState:
    """Return the state of `park.toml` at `at`: nothing measured, every device as it stands there.

    Of the hydrogen and ammonia owed today, the share by time is taken as delivered; the month's peak
    so far is the contract's.
    """
    contract = park.contracts
    day = at.astimezone(ZoneInfo(park.site.zone)).date()
    begin, end = (local_midnight(park, day + timedelta(days=k)) for k in (0, 1))
    passed = (at - begin) / (end - begin)
    resources: dict[str, dict[str, float]] = {}
    for name, row in park.resources.items():
        kind, device = DEVICE_TYPES[row.kind], park.devices[name]
        state = kind.initial(device, initial_of(park, device))
        resources[name] = _kept(kind.measure(device, state)) | {"available": 1.0}
        if isinstance(device, Caes):
            resources[name]["mode_min"] = 24 * 60.0
        if row.kind == "h2_store" and contract.hydrogen is not None:
            resources[name]["delivered_kg"] = contract.hydrogen.pipeline_daily_min_kg * passed
        if isinstance(device, Ammonia) and contract.ammonia is not None:
            resources[name]["nh3_t"] = contract.ammonia.daily_min_t * passed * share_of_loops(park, device)
    return PlantState(
        at=at,
        resources=resources,
        calls={name: full_ledger(load) for name, load in park.loads.items()},
        month_peak_mw=contract.tie.month_peak_so_far_mw,
        positions={name: position_at_rest(park, name) for name in park.actuators},
    )


def full_ledger(load: Load) -> dict[str, float]:
    """Return the ledger of a load that was not called today."""
    return {
        "calls_left": float(load.max_calls_per_day),
        "rest_min": 0.0,
        "open_blocks": 0.0,
        "running_min": 0.0,
    }


def answers(reading: Reading | None) -> bool:
    """Return whether a device can be planned with: it is read, and is in no fault."""
    return reading is not None and reading.quality in USABLE and reading.values.get("status") != FAULT


def _kept(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(values[name]) for name in STATE_POINTS if name in values}


def state_from_snapshot(park: Park, snapshot: Snapshot, plan: Plan | None = None) -> PlantState:
    """Return the state that control measured.

    A reading that is neither good nor substituted, or of a device in fault, is replaced by what `plan`
    expected, or by `initial_state` without one, and the device is planned as not available: it stands at
    0 MW and keeps what it stores. `mode_min` counts from the plan's schedule, since no point carries it.
    """
    assumed = initial_state(park, snapshot.at)
    resources: dict[str, dict[str, float]] = {}
    for name in park.resources:
        reading = snapshot.readings.get(name)
        expected = dict(assumed.resources[name]) | _expected(plan, name, snapshot.at)
        good = answers(reading)
        measured = _kept(reading.values) if good and reading is not None else {}
        measured = {k: v for k, v in measured.items() if math.isfinite(v)}
        resources[name] = expected | measured | {"available": 1.0 if good else 0.0}
        if not good:
            resources[name]["p_mw"] = 0.0
        if isinstance(park.devices[name], Caes):
            resources[name]["mode_min"] = _minutes_in_mode(plan, name, snapshot.at, resources[name])
            starts = snapshot.starts.get(name, {})
            for machine in ("turbine", "compressor"):
                if machine in starts:
                    resources[name][f"starts_{machine}"] = starts[machine]
    calls = {}
    for name, load in park.loads.items():
        reading = snapshot.readings.get(name)
        calls[name] = full_ledger(load) | dict(snapshot.calls.get(name, {}))
        calls[name]["open_blocks"] = float(int(snapshot.open_blocks.get(name, 0)).bit_count())
        if reading is None or reading.quality not in USABLE:
            calls[name]["calls_left"] = 0.0
    peak = snapshot.month_peak_mw
    return PlantState(
        at=snapshot.at,
        resources=resources,
        calls=calls,
        month_peak_mw=peak if math.isfinite(peak) else assumed.month_peak_mw,
        positions=_positions(park, snapshot),
        moved=dict(snapshot.moved),
    )


def _positions(park: Park, snapshot: Snapshot) -> dict[str, float]:
    """Return where the actuators stand that answer; one that does not stays where it is."""
    readings = {name: snapshot.readings.get(name) for name in park.actuators}
    return {
        name: reading.values["position"]
        for name, reading in readings.items()
        if reading is not None and reading.quality in USABLE and "position" in reading.values
    }


def measured_mw(park: Park, snapshot: Snapshot) -> dict[str, float]:
    """Return what a nowcast corrects with: available wind and PV, demand before interruption, MW.

    Elements without a usable reading are left out.
    """
    out = {}
    for name in (*park.resources, *park.loads):
        reading = snapshot.readings.get(name)
        if reading is None or reading.quality not in USABLE:
            continue
        if name in park.resources and "available_mw" in reading.values:
            out[name] = reading.values["available_mw"]
        elif name in park.loads and "p_mw" in reading.values:
            load, values = park.loads[name], reading.values
            opened = int(snapshot.open_blocks.get(name, 0)).bit_count()
            if connected_share(load, opened) > 1e-9:
                out[name] = demand_mw(load, -values["p_mw"], opened, values.get("trimmed_mw", 0.0))
    return out


def _step_of(plan: Plan, at: datetime) -> int:
    return int((at - plan.start).total_seconds() // (plan.step_min * 60))


def _expected(plan: Plan | None, name: str, at: datetime) -> dict[str, float]:
    """Return what a plan holds of a resource at the end of the step before `at`."""
    if plan is None or name not in plan.series:
        return {}
    step = min(_step_of(plan, at) - 1, plan.steps - 1)
    if step < 0:
        return {k: v for k, v in plan.initial.resources.get(name, {}).items() if k != "available"}
    series = plan.series[name]
    return {
        k: float(series[k][step])
        for k in ("e_mwh", "h2_kg", "mode_code", "trains", "warm_stacks")
        if k in series and not (k == "h2_kg" and "stacks" in series)
    }


def _minutes_in_mode(plan: Plan | None, name: str, at: datetime, state: Mapping[str, float]) -> float:
    """Return how long the plan has held its present mode, minutes; a day where it does not say."""
    if plan is None or "mode_code" not in plan.series.get(name, {}):
        return 24 * 60.0
    machine = MACHINE_OF.get(int(state.get("mode_code", 0)), 0)
    modes = [MACHINE_OF[int(mode)] for mode in plan.series[name]["mode_code"]]
    step = min(_step_of(plan, at), plan.steps - 1)
    minutes = max(0.0, (at - plan.start).total_seconds() / 60 - step * plan.step_min)
    k = step - 1
    if step >= 0 and modes[step] != machine:
        # at a boundary the measured mode may still be the old step's: count from there
        minutes = 0.0
    while k >= 0 and modes[k] == machine:
        minutes += plan.step_min
        k -= 1
    if k < 0:
        minutes += plan.initial.resources.get(name, {}).get("mode_min", 24 * 60.0)
    return minutes
