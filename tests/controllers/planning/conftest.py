"""One park, one planner and one real plan for all tests of planning."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from controllers.planning import Planner, Released, initial_state
from forecasts import outlook
from vpp.clock import UTC
from vpp.park import Park, load_park
from vpp.types import Forecast, Plan, PlantState

DAY = date(2026, 3, 17)


def midnight(park: Park, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(park.site.zone)).astimezone(UTC)


def day_forecast(park: Park, day: date) -> Forecast:
    start = midnight(park, day)
    return outlook(park, start - timedelta(hours=9), start, park.horizon.day_ahead_steps)


def state_after(plan: Plan, k: int) -> PlantState:
    """The state in which a park that followed `plan` exactly is after k steps."""
    hours = plan.step_min / 60
    resources = {}
    for name, before in plan.initial.resources.items():
        series = plan.series[name]
        now = dict(before) | {"p_mw": float(series["p_mw"][k - 1])}
        now |= {key: float(series[key][k - 1]) for key in ("e_mwh", "trains") if key in series}
        if "delivery_kg_per_h" in series:
            now["h2_kg"] = float(series["h2_kg"][k - 1])
            now["delivered_kg"] = (
                before["delivered_kg"] + float(series["delivery_kg_per_h"][:k].sum()) * hours
            )
        if "mode_code" in series:
            now |= machine_after(series["mode_code"], k, before, plan.step_min)
        resources[name] = now
    peak = max(plan.initial.month_peak_mw, float(plan.series["tie"]["import_mw"][:k].max()))
    return replace(
        plan.initial,
        at=plan.start + timedelta(minutes=plan.step_min * k),
        resources=resources,
        month_peak_mw=peak,
    )


def machine_after(mode, k, before, step_min):
    past = [int(before["mode_code"]), *(int(m) for m in mode[:k])]
    age = next((j for j in range(1, len(past)) if past[-1 - j] != past[-1]), None)
    held = {"mode_code": float(past[-1]), "mode_min": 1440.0 if age is None else age * step_min}
    # a machine is started ahead of its first step
    if k < len(mode) and mode[k] > 0 and mode[k] != past[-1]:
        held = {"mode_code": 2.0 + mode[k], "mode_min": 0.0}
    for key, code in (("starts_turbine", 2), ("starts_compressor", 1)):
        held[key] = float(sum(b == code != a for a, b in pairwise(past)))
    return held


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")


@pytest.fixture(scope="session")
def planner(park: Park) -> Planner:
    return Planner(park)


@pytest.fixture(scope="session")
def forecast(park: Park) -> Forecast:
    return day_forecast(park, DAY)


@pytest.fixture(scope="session")
def released(park: Park, planner: Planner, forecast: Forecast) -> Released:
    state = initial_state(park, forecast.start)
    return planner.plan(state, forecast, steps=park.horizon.day_ahead_steps, deadline_s=20.0)


@pytest.fixture(scope="session")
def plan(released: Released) -> Plan:
    return released.plan


@pytest.fixture(scope="session")
def forecast_of(park: Park):
    """Day -> its forecast, as made the afternoon before."""
    return lambda day: day_forecast(park, day)


@pytest.fixture(scope="session")
def after():
    """Plan and number of steps -> the state of a park that followed it."""
    return state_after


@pytest.fixture(scope="session")
def forecast_in():
    """Park -> its forecast of the day of all tests."""
    return lambda park: day_forecast(park, DAY)
