"""The search's bounds and plans against the solver alone on the whole problem."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, initial_state
from controllers.planning import search as searching
from controllers.planning.optimise import first_losses
from controllers.planning.problem import set_situation
from controllers.planning.search import begun, searched
from controllers.planning.situation import situation
from vpp.clock import monotonic_s

STEPS, GAP_CNY, GUARD_S = 24, 50.0, 30.0
NO_INTEGERS = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module", params=["plenty", "scarce"])
def problem(request, park, forecast):
    """An evening's course, situation and bounds; scarce: no wind, a narrow tie, empty stores."""
    if request.param == "scarce":
        park = replace(
            park, contracts=replace(park.contracts, tie=replace(park.contracts.tie, import_max_mw=70.0))
        )
        still = {**forecast.available_mw, "WF": 0 * forecast.available_mw["WF"]}
        forecast = replace(forecast, available_mw=still)
    start = forecast.start + timedelta(hours=17)
    state, planner = initial_state(park, start), Planner(park)
    if request.param == "scarce":
        low = {"BESS1": {"e_mwh": 20.0}, "CAES1": {"e_mwh": 30.0}}
        state = replace(state, resources={k: {**v, **low.get(k, {})} for k, v in state.resources.items()})
    course = planner.course(start, STEPS, state, forecast)
    axis = course.model.frame.axis
    now = situation(park, axis, first=axis.history, steps=STEPS, state=state, forecast=forecast)
    bounds = set_situation(course.model, now, first_losses(course, planner.oracle, now))
    return course, now, bounds


@pytest.fixture(scope="module")
def found(problem):
    return searched(begin(problem))


@pytest.fixture(scope="module")
def whole(problem):
    """The solver alone on all integers and rows."""
    course, _, bounds = problem
    course.solver.load(*bounds)
    return course.solver.run(integers=course.model.integers, seconds=GUARD_S, gap_cny=GAP_CNY)


def begin(problem):
    course, now, bounds = problem
    course.solver.load(*bounds)
    until = monotonic_s() + GUARD_S
    return begun(course.model, course.solver, now, bounds, until_true_s=until, gap_cny=GAP_CNY)


def test_a_search_finds_what_the_solver_finds_alone_and_its_bound_holds(found, whole):
    assert found.objective - found.bound <= GAP_CNY * (1 + 1e-6)
    assert found.bound <= whole.objective + 1e-6
    assert found.objective >= whole.bound - 1e-6


def test_every_row_of_the_whole_problem_binds_a_plan_of_the_search(problem, found):
    course, _, bounds = problem
    course.solver.load(*bounds)
    assert course.solver.defect(found.x, course.model.integers) == ""


def test_loads_that_the_relaxation_leaves_quiet_are_woken_where_they_are_used(problem, whole, monkeypatch):
    """With every load left out the bound still holds, and what it lacks is told."""
    monkeypatch.setattr(searching, "OPENED", 1e9)
    blind = begin(problem)
    monkeypatch.undo()
    bound, used = searching._decided(blind, set(), blind.bounds, GAP_CNY)
    assert bound <= whole.objective + 1e-6
    assert blind.value >= whole.bound - 1e-6
    assert bool(used) == (problem[1].park.contracts.tie.import_max_mw < 100)


def test_a_relaxation_pays_for_what_must_close_again(problem):
    """What is open in a step closes within the longest call, in fractions too."""
    course, now, bounds = problem
    course.solver.load(*bounds)
    x = course.solver.run(integers=NO_INTEGERS, seconds=GUARD_S).x
    for name in now.park.loads:
        block = course.model.blocks[name]
        if "open" not in block.variables:
            continue
        opened, shut = (x[course.model.compiled.columns(block.variables[k])] for k in ("open", "shut"))
        longest = max(1, int(now.park.loads[name].max_shed_min // now.window.axis.step_min))
        closing = np.convolve(shut, np.ones(longest))[longest:][: len(opened) - longest]
        assert (closing >= opened[: len(opened) - longest] - 1e-5).all()
