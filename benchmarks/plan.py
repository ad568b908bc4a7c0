"""Day-ahead plans of six kinds of day, against the solver left alone on the same problem.

`./run bench plan` prints for each day of chifeng96 the search without network beside HiGHS cold on the
same MILP, then the whole way with AC security and outages; at the end the limits that no dispatch cures,
and the re-plans of a day of small10. CPU seconds of one thread; about five minutes.
"""

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from importlib.metadata import version
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import highspy
import numpy as np

from controllers.planning import Planner, initial_state, optimise, security
from controllers.planning.bill import gross_cny
from controllers.planning.optimise import Course, first_losses
from controllers.planning.problem import costs_of, set_situation
from controllers.planning.release import GROSS_GAP
from controllers.planning.search import begun, searched
from controllers.planning.situation import situation
from controllers.planning.slots import Situation
from forecasts import CHIFENG_2026, outlook
from network.contingency import AFTER, outage_flows
from network.contingency_curable import uncurable
from vpp.clock import UTC, monotonic_s
from vpp.park import Park, load_park
from vpp.types import Array, Forecast, Plan

SEARCH_S = 12.0
"""True seconds of a search and of its peer."""
PLAN_S = 20.0
"""True seconds of a whole plan."""


def forecast_of(park: Park, day: date) -> Forecast:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(park.site.zone)).astimezone(UTC)
    return outlook(park, start - timedelta(hours=9), start, park.horizon.day_ahead_steps)


def loaded(park: Park, forecast: Forecast) -> tuple[Course, Situation, tuple[Array, Array]]:
    """A fresh planner's problem of the day, in its solver, and its bounds."""
    planner = Planner(park)
    state, steps = initial_state(park, forecast.start), park.horizon.day_ahead_steps
    course = planner.course(forecast.start, steps, state, forecast)
    axis = course.model.frame.axis
    now = situation(park, axis, first=axis.history, steps=steps, state=state, forecast=forecast)
    bounds = set_situation(course.model, now, first_losses(course, planner.oracle, now))
    course.solver.load(*bounds)
    return course, now, bounds


def relaxed_gross(course: Course) -> float:
    """Gross cost of the relaxed problem, CNY."""
    relaxed = course.solver.run(integers=np.empty(0, dtype=np.int64), seconds=SEARCH_S)
    return gross_cny(costs_of(course.model, relaxed.x))


def money(objective: float, bound: float, gross: float) -> str:
    """Gap gross and net, cost."""
    gap = objective - bound
    net = gap / max(1.0, abs(objective))
    return f"gap gross {gap / gross:7.3%} net {net:7.2%}  {objective / 1000:8.1f} kCNY"


def ours(park: Park, planner: Planner, forecast: Forecast) -> str:
    course, now, bounds = loaded(park, forecast)
    began, until = time.process_time(), monotonic_s() + SEARCH_S
    gross = relaxed_gross(course)
    search = begun(course.model, course.solver, now, bounds, until_true_s=until, gap_cny=GROSS_GAP * gross)
    first_s = time.process_time() - began
    first = (search.value - search.bound) / gross
    best = searched(search)
    seconds = time.process_time() - began
    return (
        f"{best.status.value:9} {money(best.objective, best.bound, gross)}  first plan {first_s:5.2f} s at "
        f"{first:6.2%}, end {seconds:5.2f} s CPU"
    )


def peer(park: Park, planner: Planner, forecast: Forecast) -> str:
    """HiGHS with its own defaults on the same problem, to the same gap, from nothing."""
    course, _, _ = loaded(park, forecast)
    gross = relaxed_gross(course)
    lone = highspy.Highs()
    for option, value in {
        "output_flag": False,
        "threads": 1,
        "mip_rel_gap": 0.0,
        "time_limit": SEARCH_S,
    }.items():
        lone.setOptionValue(option, value)
    lone.setOptionValue("mip_abs_gap", GROSS_GAP * gross)
    lone.passModel(course.solver.problem())
    columns = course.model.integers.astype(np.int32)
    lone.changeColsIntegrality(len(columns), columns, np.ones(len(columns), dtype=np.uint8))
    began = time.process_time()
    lone.run()
    seconds, info = time.process_time() - began, lone.getInfo()
    closed = lone.getModelStatus() == highspy.HighsModelStatus.kOptimal
    found = "optimal" if closed else "feasible" if np.isfinite(info.objective_function_value) else "no plan"
    return (
        f"{found:9} {money(info.objective_function_value, info.mip_dual_bound, gross)}  "
        f"end {seconds:5.2f} s CPU"
    )


@contextmanager
def watched(target: ModuleType, name: str) -> Iterator[list[float]]:
    """CPU seconds at which a function of a module came back."""
    original, ends = getattr(target, name), []

    def timed(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        ends.append(time.process_time())
        return found

    setattr(target, name, timed)
    try:
        yield ends
    finally:
        setattr(target, name, original)


def whole(park: Park, planner: Planner, forecast: Forecast) -> str:
    """The plan that stands at the deadline, and when the first one had gone through AC flow and outages."""
    state, steps = initial_state(park, forecast.start), park.horizon.day_ahead_steps
    planner.course(forecast.start, steps, state, forecast)
    began, true_s = time.process_time(), monotonic_s()
    with watched(security, "_checked") as checked, watched(optimise, "secure") as secured:
        plan = planner.plan(state, forecast, steps=steps, deadline_s=PLAN_S).plan
    seconds, costs = time.process_time() - began, plan.cost_breakdown_cny
    gap_cny = plan.gap * gross_cny(costs)
    broken = [r for r in plan.relaxations if r.limit.startswith(("branch:", "voltage:", "power_factor"))]
    ac = [r for r in broken if AFTER not in r.limit]
    left = [b for c in plan.contingencies for b in c.left]
    held = {b.limit for c in plan.contingencies for b in c.held}
    return (
        f"{plan.label.value:9} {money(plan.cost_cny, plan.cost_cny - gap_cny, gross_cny(costs))}\n"
        f"{'':15}first AC-checked {checked[0] - began:5.2f} s, first secured {secured[0] - began:5.2f} s, "
        f"end {seconds:5.2f} s CPU, {monotonic_s() - true_s:5.1f} s true, "
        f"{plan.certificate.cut_rounds if plan.certificate else 0} rounds\n"
        f"{'':15}AC violations {len(ac)}, curable after outages {len(left)}, held {len(held)} limits"
    )


def six_days(park: Park) -> None:
    planner = Planner(park)
    parts: tuple[tuple[str, Callable[[Park, Planner, Forecast], str]], ...] = (
        ("search", ours),
        ("HiGHS cold", peer),
        ("AC-secure", whole),
    )
    for name, day in CHIFENG_2026.items():
        forecast = forecast_of(park, day)
        print(f"{park.name} {day} {name}")
        for label, measure in parts:
            print(f"    {label:10} {measure(park, planner, forecast)}", flush=True)
    print(f"{park.name}: no dispatch cures")
    for one in uncurable(outage_flows(planner.oracle)):
        print(f"    {one.row} after {one.outage}")


def rolling(park: Park, planner: Planner, plan: Plan, forecast: Forecast) -> None:
    """Re-plan each quarter hour from the plan's own energies, commitments kept where they hold."""
    seconds, labels = [], []
    for k in range(1, plan.steps - 3):
        resources = {name: dict(values) for name, values in plan.initial.resources.items()}
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
            deadline_s=park.horizon.planner_deadline_s,
            previous=plan,
        ).plan
        seconds.append(time.process_time() - began)
        labels.append(again.label.value)
    kinds = ", ".join(f"{labels.count(x)} {x}" for x in sorted(set(labels)))
    print(f"{park.name} re-plan  median {np.median(seconds):.3f} s  max {max(seconds):.3f} s  ({kinds})")


def main() -> None:
    print(f"{platform.machine()}, highspy {version('highspy')}, cvxpy {version('cvxpy')}; CPU seconds")
    six_days(load_park("chifeng96"))
    small = load_park("small10")
    planner, forecast = Planner(small), forecast_of(small, date(2026, 3, 17))
    plan = planner.plan(initial_state(small, forecast.start), forecast, steps=96, deadline_s=20.0).plan
    rolling(small, planner, plan, forecast)


if __name__ == "__main__":
    main()
