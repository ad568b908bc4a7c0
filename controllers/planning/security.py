"""The AC loop: solve, check all steps by AC power flow, add what is violated as rows, solve again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from controllers.planning.blocks.block import Bounds, Values
from controllers.planning.contingency import Looked, look, rows_for
from controllers.planning.curable import is_curable, is_held, resting
from controllers.planning.problem import Losses, Model, row_of, set_losses, solution_of
from controllers.planning.reactive import NETWORK_RULES, planned
from controllers.planning.slots import Situation
from controllers.planning.solve import Solution, SolveStatus, WarmSolver
from controllers.planning.spinning import spin
from network.ac_states import AcStates
from network.contingency import Breach, Operation
from network.powerflow import Oracle
from network.reactive_ease import VarPlan
from network.security import Cut, cuts, sensitivities_all, violations
from vpp.clock import monotonic_s
from vpp.types import Array, TieSensitivity, Violation

MAX_ROUNDS = 8
LEAST_SOLVE_S = 0.5
"""True seconds that a linear problem of the loop gets even behind the deadline: without it no plan."""
TIE_TOLERANCE_MW = 0.01
"""Largest difference between the linear tie power and the AC one that ends the loop (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A solution that went through the loop."""

    solution: Solution
    values: Mapping[str, Mapping[str, Array]]
    """Block or limit -> variable -> (n,)."""
    p_mw: Array
    """(steps, elements) in the oracle's order."""
    reactive: VarPlan
    """Q, steps and taps, and the AC states with them."""
    cuts: tuple[Cut, ...]
    rounds: int
    violations: tuple[Violation, ...]
    """Network violations that were left."""
    held: frozenset[tuple[int, str]]
    """Rows, as (step, name), that no dispatch can keep: they are held at what they are without one."""
    tie_error_mw: float
    """Largest difference between the linear tie power and the AC one."""
    looked: Looked | None
    """What the park's outages would do; None where nobody has looked yet."""

    @property
    def states(self) -> AcStates:
        """AC states of all steps."""
        return self.reactive.states

    @property
    def outages(self) -> Looked:
        """What the park's outages would do; ValueError where nobody has looked yet."""
        if self.looked is None:
            raise ValueError("the outages of this solution have not been looked at")
        return self.looked

    @property
    def vars(self) -> tuple[Array, Array]:
        """Return (q_mvar, positions)."""
        return self.reactive.q_mvar, self.reactive.positions

    @property
    def curable_outages(self) -> tuple[Breach, ...]:
        """What outages would break and some dispatch may cure."""
        return self.looked.curable(self.held) if self.looked is not None else ()

    @property
    def curable(self) -> tuple[Violation, ...]:
        """Violations that some dispatch may cure."""
        return tuple(v for v in self.violations if not is_held(self.held, v))

    @property
    def is_kept(self) -> bool:
        """Return whether nothing curable is broken, with and without an outage."""
        return not self.curable and not self.curable_outages

    @property
    def is_clean(self) -> bool:
        """Return whether nothing curable is broken, as looked at, and the linear tie meets the AC one."""
        return self.looked is not None and self.is_kept and self.tie_error_mw < TIE_TOLERANCE_MW


def losses_at(window_first: int, n: int, models: tuple[TieSensitivity, ...], losses_mw: Array) -> Losses:
    """Return linear losses through operating points: one model and one AC loss per step."""
    constant, slope = np.zeros(n), {name: np.zeros(n) for name in models[0].p_mw}
    for k, model in enumerate(models):
        at = sum(model.loss_mw_per_mw.get(name, 0.0) * p for name, p in model.p_mw.items())
        constant[window_first + k] = (losses_mw[k] if np.isfinite(losses_mw[k]) else 0.0) - at
        for name, value in model.loss_mw_per_mw.items():
            slope[name][window_first + k] = value
    return Losses(constant_mw=constant, slope=slope)


def injections(model: Model, values: Mapping[str, Mapping[str, Array]], situation: Situation) -> Array:
    """Return (steps, elements) of a solution."""
    return np.column_stack([values[name]["p_mw"][situation.window.span] for name in model.blocks])


def series_of(
    model: Model, values: Mapping[str, Mapping[str, Array]], p_mw: Array, situation: Situation
) -> dict[str, dict[str, Array]]:
    """Return the series of every block of a solution, p_mw among them, (steps,)."""
    span = situation.window.span
    return {
        name: {
            "p_mw": p_mw[:, k],
            **{key: mw[span] for key, mw in block.series(values[name], situation).items()},
        }
        for k, (name, block) in enumerate(model.blocks.items())
    }


def secure(
    model: Model,
    solver: WarmSolver,
    oracle: Oracle,
    situation: Situation,
    bounds: tuple[Array, Array],
    *,
    first: Solution,
    losses: Losses,
    deadline_true_s: float,
    known_cuts: tuple[Cut, ...] = (),
    near: tuple[Array, Array] | None = None,
    look_below_mw: float = math.inf,
) -> Secured | None:
    """Return the solution made AC-clean with its integers fixed, or None when the first solve has no values.

    Each round settles the rounded variables, moves losses and efficiency curves to the solution,
    adds a row for each violated limit and re-solves warm. It ends when nothing curable is
    broken and the linear tie power agrees with the AC one, or after `MAX_ROUNDS` or at the deadline.
    `near` is (q_mvar, positions) of a solution of the same situation. Outages are looked at in every round;
    with `look_below_mw` only after a solve whose tie power is off by less. What is returned is looked at.
    """
    lower, upper = bounds[0].copy(), bounds[1].copy()
    _fix(lower, upper, first.x, model.integers)
    now = _checked(model, oracle, situation, first, cuts=known_cuts, near=near)
    now = _looked(model, oracle, situation, now) if math.isinf(look_below_mw) else now
    for round_ in range(2, MAX_ROUNDS + 1):
        losses = _moved(losses, model, situation, now.p_mw, now.states.losses_mw)
        last, now = now, _cut(model, oracle, situation, now)
        spin(model, situation, now.reactive, lower, upper)
        for name, block in model.blocks.items():
            if block.relinearise is not None:
                block.relinearise(now.values[name], situation)
        _settle(model, now.values, lower, upper)
        set_losses(model, losses)
        solver.load(lower, upper)
        solver.add_rows([row_of(model, situation, cut) for cut in now.cuts])
        seconds = max(LEAST_SOLVE_S, deadline_true_s - monotonic_s())
        again = solver.run(integers=np.empty(0, dtype=np.int64), seconds=seconds)
        if again.status is not SolveStatus.OPTIMAL:
            # out of time: what an earlier round settled and checked is still a plan that tells what it breaks
            return _looked(model, oracle, situation, last) if last.rounds > 1 else None
        now = _checked(
            model, oracle, situation, again, cuts=now.cuts, near=now.vars, rounds=round_, held=now.held
        )
        if now.tie_error_mw < look_below_mw:
            now = _looked(model, oracle, situation, now)
        moved = _settle(model, now.values, lower.copy(), upper.copy())
        if (now.is_clean and not moved) or monotonic_s() > deadline_true_s:
            break
    return _looked(model, oracle, situation, now)


def _looked(model: Model, oracle: Oracle, situation: Situation, now: Secured) -> Secured:
    """Return the same with what outages would do to it."""
    if now.looked is not None:
        return now
    before = Operation(p_mw=now.p_mw, q_mvar=now.reactive.q_mvar, positions=now.reactive.positions)
    return replace(now, looked=look(oracle, before, series_of(model, now.values, now.p_mw, situation)))


def _settle(model: Model, values: Mapping[str, Values], lower: Array, upper: Array) -> bool:
    """Narrow the bounds to what the blocks' own rounding asks of a solution; return whether they moved."""
    before = lower.copy(), upper.copy()
    for name, block in model.blocks.items():
        narrow_inside(model, name, block.rounded(values[name]), lower, upper)
    return bool((lower != before[0]).any() or (upper != before[1]).any())


def _checked(
    model: Model,
    oracle: Oracle,
    situation: Situation,
    solution: Solution,
    *,
    cuts: tuple[Cut, ...],
    near: tuple[Array, Array] | None,
    rounds: int = 1,
    held: frozenset[tuple[int, str]] = frozenset(),
) -> Secured:
    """Return a solution with its AC states and what they break."""
    values = solution_of(model, solution.x[: model.compiled.size])
    p = injections(model, values, situation)
    series = series_of(model, values, p, situation)
    modes = {name: own["mode_code"] for name, own in series.items() if "mode_code" in own}
    var = planned(oracle, situation, p, modes, near)
    states = var.states
    tie = (values["tie"]["import_mw"] - values["tie"]["export_mw"])[situation.window.span]
    return Secured(
        solution=solution,
        values=values,
        p_mw=p,
        reactive=var,
        cuts=cuts,
        rounds=rounds,
        violations=tuple(v for v in violations(model.park, states) if v.rule in NETWORK_RULES),
        held=held,
        tie_error_mw=float(np.nanmax(np.abs(tie - states.p_tie_mw), initial=0.0)),
        looked=None,
    )


def _cut(model: Model, oracle: Oracle, situation: Situation, now: Secured) -> Secured:
    """Return the same with a row for each violation; rows that no dispatch can keep are only held.

    Rows of earlier rounds stay: replacing them lets the solution swing between two points.
    """
    found, held = list(now.cuts), set(now.held)
    if now.looked is not None:
        after = rows_for(situation, now.looked, now.held, movable(model))
        found, held = [*found, *after.cuts], held | after.held
    steps = sorted({v.step for v in now.curable if v.step is not None})
    linear = sensitivities_all(oracle, now.p_mw, *now.vars, steps=steps) if steps else ()
    for cut in cuts(linear, movable(model)):
        curable = is_curable(situation, cut)
        found.append(cut if curable else resting(situation, cut))
        held |= set() if curable else {(cut.step, cut.name)}
    return replace(now, cuts=tuple(found), held=frozenset(held))


def narrow_inside(model: Model, name: str, bounds: Bounds, lower: Array, upper: Array) -> None:
    """Narrow bounds of a block, leaving alone what would contradict the bounds that are there."""
    block = model.blocks[name]
    for variable, wanted in bounds.items():
        span = model.compiled.columns(block.variables[variable])
        low, high = (np.clip(edge, lower[span], upper[span]) for edge in wanted)
        lower[span], upper[span] = low, high


def _fix(lower: Array, upper: Array, x: Array, integers: npt.NDArray[np.int64]) -> None:
    lower[integers] = upper[integers] = np.round(x[integers])


def movable(model: Model) -> list[str]:
    """Return the elements whose power the plan decides; blocks that only follow others are left out."""
    return list(model.park.resources) + [name for name in model.park.loads if model.blocks[name].integers]


def _moved(losses: Losses, model: Model, situation: Situation, p_mw: Array, losses_mw: Array) -> Losses:
    """Return the same slopes through the new operating points.

    New slopes in each round would let the solution swing between two points that are nearly as good.
    """
    constant = losses.constant_mw.copy()
    first = situation.window.first
    for k, true in enumerate(losses_mw):
        if np.isfinite(true):
            at = sum(losses.slope[name][first + k] * p_mw[k, j] for j, name in enumerate(model.blocks))
            constant[first + k] = true - at
    return Losses(constant_mw=constant, slope=losses.slope)
