"""The upper rungs of the ladder: kept commitments, then a search for new ones."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from controllers.planning.bill import gross_cny
from controllers.planning.blocks.load import OVERDUE
from controllers.planning.carried import carried, limits_of
from controllers.planning.pins import can_be_held, given_up, held, in_the_way
from controllers.planning.problem import Losses, Model, costs_of, narrow, row_of, set_situation
from controllers.planning.release import GROSS_GAP, Candidate, plan_of
from controllers.planning.search import begun, is_large, rounded, searched
from controllers.planning.security import TIE_TOLERANCE_MW, Secured, losses_at, secure
from controllers.planning.slots import Situation
from controllers.planning.solve import Solution, SolveStatus, WarmSolver
from network.powerflow import Oracle
from network.reactive import ruled
from network.security import Cut, sensitivities_all
from vpp.clock import monotonic_s
from vpp.types import Array, Plan, TieSensitivity

SEARCH_SHARE = 0.75
"""Share of the time left that a search for commitments may take; the rest is for the AC loop."""
SEARCHES = 3
"""Searches for commitments, each knowing what the one before could not keep."""
WORSE = 1.1
"""Growth of a relaxation up to which commitments are not searched anew (assumption)."""
PIN_ATTEMPTS = 3
"""As wished, without what has no solution, without what breaks the network."""
NO_INTEGERS = np.empty(0, dtype=np.int64)


@dataclass(slots=True, kw_only=True)
class Course:
    """What stays from plan to plan: a compiled model, a warm solver, where the window lies."""

    model: Model
    solver: WarmSolver
    start: datetime
    end: datetime
    linear: dict[datetime, tuple[TieSensitivity, float]] = field(default_factory=dict)
    """By start of step the last network model and losses (MW)."""
    limits: frozenset[tuple[datetime, str]] = frozenset()
    """Limits after outages that the last plan had rows for, by start of step."""


def optimised(course: Course, oracle: Oracle, now: Situation, until_true_s: float) -> Iterator[Candidate]:
    """Yield plans by optimisation, best first, without certificate.

    With a previous plan its commitments are kept, which makes the problem a warm LP; where that has no
    solution or needs a relaxation that the previous plan did not, commitments are searched anew. Pins
    are bounds; where they leave no solution or break the network, they give way.
    """
    losses = first_losses(course, oracle, now)
    if not now.pins:
        bounds = set_situation(course.model, now, losses)
        yield from _ways(course, oracle, now, bounds, losses, until_true_s=until_true_s)
        return
    yield from _pinned(course, oracle, now, losses, until_true_s=until_true_s)


def _pinned(
    course: Course, oracle: Oracle, now: Situation, losses: Losses, *, until_true_s: float
) -> Iterator[Candidate]:
    """Yield plans that hold the pins, then those in which some give way, then those that hurt the network."""
    given: dict[tuple[int, int], float] = {}
    hurting: list[Candidate] = []
    for _ in range(PIN_ATTEMPTS):
        free = set_situation(course.model, now, losses)
        bounds = held(course.model, now, free, given)
        left_s = until_true_s - monotonic_s()
        found = False
        if left_s > 0 and can_be_held(course.solver, bounds, seconds=left_s):
            for candidate in _ways(course, oracle, now, bounds, losses, until_true_s=until_true_s):
                found = True
                broken = in_the_way(course.model, now, candidate.plan)
                if not broken.keys() - given.keys():
                    yield candidate
                else:
                    hurting.append(candidate)
                    given |= broken
        if found and not hurting:
            return
        if not found and left_s > 0:
            given |= given_up(course.model, course.solver, now, free, seconds=SEARCH_SHARE * left_s)
    yield from hurting


def _ways(
    course: Course,
    oracle: Oracle,
    now: Situation,
    bounds: tuple[Array, Array],
    losses: Losses,
    *,
    until_true_s: float,
) -> Iterator[Candidate]:
    """Yield the plans inside bounds, best first: kept commitments where they do, else a search."""
    kept = _kept(course, oracle, now, bounds, losses, until_true_s=until_true_s)
    if kept is not None and _nothing_new(kept.plan, now.previous):
        yield kept
    found = _searched(course, oracle, now, bounds, losses, until_true_s=until_true_s)
    candidates = [candidate for candidate in (found, kept) if candidate is not None]
    yield from sorted(candidates, key=lambda candidate: candidate.plan.cost_cny)


def _nothing_new(plan: Plan, previous: Plan | None) -> bool:
    """Return whether a plan gives up no limit by more than the previous plan does from the same step on.

    A call that is overdue when it begins is no plan's doing.
    """
    amounts: defaultdict[str, float] = defaultdict(float)
    known: defaultdict[str, float] = defaultdict(float)
    for r in plan.relaxations:
        if not r.limit.startswith(f"{OVERDUE}:"):
            amounts[r.limit] += r.amount
    if previous is not None:
        passed = (plan.start - previous.start) / timedelta(minutes=plan.step_min)
        for r in previous.relaxations:
            known[r.limit] += r.amount if r.step >= passed else 0.0
    return all(amount <= WORSE * known[limit] for limit, amount in amounts.items())


def _kept(
    course: Course,
    oracle: Oracle,
    now: Situation,
    bounds: tuple[Array, Array],
    losses: Losses,
    *,
    until_true_s: float,
) -> Candidate | None:
    lower, upper = bounds[0].copy(), bounds[1].copy()
    fixed = False
    for block in course.model.blocks.values():
        held = block.committed(now) if block.committed is not None else {}
        fixed = fixed or bool(held)
        narrow(course.model, block, held, lower, upper)
    if not fixed or (lower > upper + 1e-9).any():
        return None
    course.solver.load(lower, upper)
    known = carried(course.model, oracle, now, course.limits)
    course.solver.add_rows([row_of(course.model, now, cut) for cut in known])
    integers = course.model.integers
    free = integers[lower[integers] < upper[integers]]
    solution = course.solver.run(integers=NO_INTEGERS, seconds=until_true_s - monotonic_s())
    if solution.status is not SolveStatus.OPTIMAL:
        return None
    if len(free) and np.abs(solution.x[free] - np.round(solution.x[free])).max() > 1e-6:
        return None
    secured = secure(
        course.model,
        course.solver,
        oracle,
        now,
        (lower, upper),
        first=solution,
        losses=losses,
        deadline_true_s=until_true_s,
        known_cuts=known,
        look_below_mw=TIE_TOLERANCE_MW,
    )
    if secured is None:
        return None
    course.limits = limits_of(now, secured)
    return plan_of(course.model, now, secured, math.nan)


def _searched(
    course: Course,
    oracle: Oracle,
    now: Situation,
    bounds: tuple[Array, Array],
    losses: Losses,
    *,
    until_true_s: float,
) -> Candidate | None:
    model, solver = course.model, course.solver
    for block in model.blocks.values():
        block.update(now)
    solver.load(*bounds)
    relaxed = solver.run(integers=NO_INTEGERS, seconds=until_true_s - monotonic_s())
    if relaxed.status is not SolveStatus.OPTIMAL:
        return None
    gross = gross_cny(costs_of(model, relaxed.x))
    cuts: tuple[Cut, ...] = ()
    best: tuple[Solution, Secured] | None = None
    for attempt in range(SEARCHES):
        seconds = max(0.1, SEARCH_SHARE * (until_true_s - monotonic_s()))
        solver.load(*bounds)
        solver.add_rows([row_of(model, now, cut) for cut in cuts])
        tree = begun(
            model, solver, now, bounds, until_true_s=monotonic_s() + seconds, gap_cny=GROSS_GAP * gross
        )
        # of a large park first a plan, then a good one
        only_rounded = attempt == 0 and is_large(model) and tree.best is not None
        solution = rounded(tree) if only_rounded else searched(tree)
        if solution.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
            break
        secured = secure(
            model,
            solver,
            oracle,
            now,
            bounds,
            first=solution,
            losses=losses,
            deadline_true_s=until_true_s,
            known_cuts=cuts,
            near=best[1].vars if best is not None else None,
        )
        # limits that these commitments cannot keep, or air that the true curves take, may suit others:
        # the next search knows the rows and the curves' corrections
        best = _better(best, solution, secured)
        cuts = secured.cuts if secured is not None else cuts
        good = solution.status is SolveStatus.OPTIMAL or not only_rounded
        if monotonic_s() > until_true_s or (secured is not None and secured.is_kept and good):
            break
    if best is None:
        return None
    solution, secured = best
    course.limits = limits_of(now, secured)
    gap = max(0.0, solution.objective - float(np.fmax(solution.bound, relaxed.objective)))
    return plan_of(model, now, secured, gap)


def _better(
    best: tuple[Solution, Secured] | None, solution: Solution, secured: Secured | None
) -> tuple[Solution, Secured] | None:
    """Return the later outcome, which knows more rows; the earlier where that keeps as much for less."""
    if secured is None or (
        best is not None
        and best[1].is_kept >= secured.is_kept
        and best[1].solution.objective < secured.solution.objective
    ):
        return best
    return solution, secured


def first_losses(course: Course, oracle: Oracle, now: Situation) -> Losses:
    """Return losses through the last plan's operating points, or through one without storage."""
    window, elements = now.window, oracle.elements
    starts = [window.slot_start(slot) for slot in range(window.first, window.end)]
    if not all(start in course.linear for start in starts):
        known = {**now.available_mw, **{name: -mw for name, mw in now.load_mw.items()}}
        rest = np.zeros(window.axis.n)
        p = np.column_stack([known.get(name, rest)[window.span] for name in elements])
        var = ruled(oracle, p)
        remember(course, oracle, starts, (p, var.q_mvar, var.positions))
    pairs = [course.linear[start] for start in starts]
    return losses_at(
        window.first, window.axis.n, tuple(m for m, _ in pairs), np.array([mw for _, mw in pairs])
    )


def remember(
    course: Course, oracle: Oracle, starts: list[datetime], operation: tuple[Array, Array, Array]
) -> tuple[TieSensitivity, ...]:
    """Return the network models of operating points, and keep them for the next plan.

    `operation` is (p_mw, q_mvar, positions), a row per step.
    """
    models = sensitivities_all(oracle, *operation)
    losses = oracle.solve(*operation).losses_mw
    kept = {start: (model, float(mw)) for start, model, mw in zip(starts, models, losses, strict=True)}
    course.linear = {start: pair for start, pair in course.linear.items() if start >= starts[0]} | kept
    return models


def steps_of(plan: Plan) -> list[datetime]:
    """Return the start of each step of a plan."""
    return [plan.start + timedelta(minutes=plan.step_min * k) for k in range(plan.steps)]
