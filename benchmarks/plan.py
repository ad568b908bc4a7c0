"""Times of the planner on small10: whole days, and the re-plans of one day. Prints a small table."""

import platform
import time
from datetime import date, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning import Planner, initial_state
from forecasts import outlook
from vpp.clock import UTC
from vpp.park import Park, load_park
from vpp.types import Forecast, Plan

DAYS = tuple(
    date(2026, month, day) for month, day in enumerate((5, 12, 17, 20, 11, 9, 10, 18, 24, 6, 2, 15), start=1)
)
"""A day of each month; 5 January, 20 April and 15 December are the hard ones."""


def whole_day(park: Park, planner: Planner, day: date) -> tuple[Plan, Forecast]:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(park.site.zone)).astimezone(UTC)
    forecast = outlook(park, start - timedelta(hours=9), start, 96)
    began = time.process_time()
    plan = planner.plan(initial_state(park, start), forecast, steps=96, deadline_s=20.0).plan
    seconds = time.process_time() - began
    rounds = plan.certificate.cut_rounds if plan.certificate else 0
    print(f"{day}  {seconds:5.2f} s  {plan.label.value:9} gap {plan.gap:6.2%}  {rounds} rounds")
    return plan, forecast


def rolling(park: Park, planner: Planner, plan: Plan, forecast: Forecast) -> None:
    """Re-plan each quarter hour from the plan's own energies, commitments kept where they hold."""
    seconds, labels = [], []
    state = plan.initial
    for k in range(1, plan.steps - 3):
        resources = {name: dict(values) for name, values in state.resources.items()}
        for name, values in resources.items():
            for key in ("e_mwh", "mode_code", "trains", "p_mw"):
                if key in plan.series[name]:
                    values[key] = float(plan.series[name][key][k - 1])
            if "delivery_kg_per_h" in plan.series[name]:
                values["h2_kg"] = float(plan.series[name]["h2_kg"][k - 1])
        now = initial_state(park, plan.start + timedelta(minutes=15 * k))
        began = time.process_time()
        again = planner.plan(
            type(now)(at=now.at, resources=resources, calls=now.calls, month_peak_mw=now.month_peak_mw),
            forecast,
            steps=plan.steps - k,
            deadline_s=4.0,
            previous=plan,
        ).plan
        seconds.append(time.process_time() - began)
        labels.append(again.label.value)
    kinds = ", ".join(f"{labels.count(x)} {x}" for x in sorted(set(labels)))
    print(f"re-plan  median {np.median(seconds):.3f} s  max {max(seconds):.3f} s  ({kinds})")


def main() -> None:
    park = load_park("small10")
    planner = Planner(park)
    print(f"{platform.machine()}, highspy {version('highspy')}, cvxpy {version('cvxpy')}; CPU seconds")
    for day in DAYS:
        plan, forecast = whole_day(park, planner, day)
    rolling(park, planner, plan, forecast)


if __name__ == "__main__":
    main()
