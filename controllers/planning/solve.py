"""The only file of planning that calls a solver: HiGHS, alive and warm behind a compiled problem."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from controllers.planning.basis import Basis
from controllers.planning.compiled import Compiled
from controllers.planning.lazy_rows import Row, keys_of, with_rows
from controllers.planning.reduced import Linear, Reduced, reduced
from vpp.types import Array

FEASIBILITY = 1e-6
"""Tolerance asked of the solver for rows and bounds."""
RESIDUAL = 1e-4
"""Largest violation that the check outside the solver lets pass, relative to max(1, |row|)."""
INTEGRAL = 1e-5
"""Largest distance of an integer variable from its integer."""
OPTIONS: Mapping[str, bool | int | float] = MappingProxyType(
    {
        "output_flag": False,
        "threads": 1,
        "primal_feasibility_tolerance": FEASIBILITY,
        "mip_feasibility_tolerance": FEASIBILITY,
        "mip_rel_gap": 0.0,
        "mip_heuristic_effort": 0.0,
        "mip_heuristic_run_rins": False,
        "mip_heuristic_run_rens": False,
        "mip_heuristic_run_root_reduced_cost": False,
        "mip_allow_restart": False,
        "mip_pscost_minreliable": 0,
        "mip_max_nodes": 1000,
    }
)
"""Searches within a search took three quarters of the time and rounding at the root finds nearly as
good a start (measured on hard days: 66 s to 17 s for six of them). Nodes bound a search the same way
on every machine; the deadline only guards."""


class SolveStatus(StrEnum):
    """What a solve ended with; values exist for the first two only."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    """Best found at the deadline."""
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    """Anything else: its values, if any, are discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Outcome of one solve."""

    status: SolveStatus
    x: Array
    """(columns,), empty where there are no values."""
    objective: float
    bound: float
    """Proven lower bound of the objective; nan where none."""
    words: str
    """The solver's own word."""
    priced: Callable[[], Array] = lambda: np.empty(0)
    """Computes the duals."""

    @property
    def duals(self) -> Array:
        """(rows,) of a linear problem, lazy rows last: change of the objective per unit of right side."""
        return self.priced()


STATUSES = np.array(
    [
        highspy.HighsBasisStatus.kLower,
        highspy.HighsBasisStatus.kBasic,
        highspy.HighsBasisStatus.kUpper,
        highspy.HighsBasisStatus.kZero,
    ],
    dtype=object,
)
"""By the codes of `Basis`."""


class WarmSolver:
    """One HiGHS instance, and the basis from solve to solve.

    The solver sees what bounds leave open (`reduced`); values, duals and basis are told of the whole.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._highs = highspy.Highs()
        for option, value in OPTIONS.items():
            self._highs.setOptionValue(option, value)
        self._basis: Basis | None = None
        self._cost: Array = np.empty(0)
        self._matrix: Any = None
        self._bounds: tuple[Array, Array, Array, Array] = (np.empty(0),) * 4
        self._rows: list[Row] = []
        self._loaded_rows: tuple[Array, Array] = (np.empty(0),) * 2
        self._start: Array = np.empty(0)

    def load(self, lower: Array, upper: Array) -> None:
        """Take over the present parameters and native bounds; lazy rows are dropped."""
        self._cost, self._matrix, rhs = self._compiled.apply()
        equal = self._compiled.equalities
        row_lower = np.full(len(rhs), -np.inf)
        row_lower[:equal] = rhs[:equal]
        self._bounds, self._rows, self._loaded_rows = (lower, upper, row_lower, rhs), [], (row_lower, rhs)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add lazy rows, each with a slack column of its own."""
        self._rows += rows

    def bound(self, lower: Array, upper: Array) -> None:
        """Change the native bounds of all columns of the compiled problem; rows and basis stay."""
        self._bounds = (lower, upper, *self._bounds[2:])

    def leave_out(self, rows: Sequence[slice]) -> None:
        """Let these rows of the compiled problem bind nothing, and all others what they did when loaded."""
        lower, upper = (edges.copy() for edges in self._loaded_rows)
        for span in rows:
            lower[span], upper[span] = -np.inf, np.inf
        self._bounds = (*self._bounds[:2], lower, upper)

    def problem(self) -> highspy.HighsLp:
        """Return the loaded problem with its lazy rows, as HiGHS takes it."""
        return _as_highs(self._whole(), 0.0)

    def suggest(self, x: Array) -> None:
        """Give the next search a solution to start from, (columns,) with the slacks of lazy rows."""
        self._start = x

    def run(
        self,
        *,
        integers: npt.NDArray[np.int64],
        seconds: float,
        gap_cny: float = 0.0,
    ) -> Solution:
        """Solve; with `integers` empty as LP, warm from the last basis.

        `seconds` of true time are left; `gap_cny` is the absolute gap at which a search may stop.
        """
        highs, part = self._highs, reduced(self._whole())
        if part is None:
            return _none(SolveStatus.INFEASIBLE, "bounds and rows contradict each other")
        highs.passModel(_as_highs(part.rest, part.offset))
        if len(integers):
            self._prepare(part, integers)
        else:
            self._warm(part)
        # an LP's limit counts from the instance's first run, a search's from its own start (HiGHS 1.15)
        passed = 0.0 if len(integers) else highs.getRunTime()
        highs.setOptionValue("time_limit", passed + max(0.01, seconds))
        highs.setOptionValue("mip_abs_gap", gap_cny)
        if highs.run() == highspy.HighsStatus.kError and not len(integers):
            # a basis of another part of the problem may be too near a singular one
            highs.clearSolver()
            highs.run()
        return self._solution(part, integers)

    def _whole(self) -> Linear:
        return with_rows(self._cost, self._matrix, self._bounds, self._rows)

    def _prepare(self, part: Reduced, integers: npt.NDArray[np.int64]) -> None:
        """Mark the integers that are open, and hand over the solution to start from."""
        marked = np.zeros(len(part.whole.cost), dtype=np.bool_)
        marked[integers] = True
        at = np.flatnonzero(marked[part.columns]).astype(np.int32)
        kinds = np.full(len(at), int(highspy.HighsVarType.kInteger), dtype=np.uint8)
        self._highs.changeColsIntegrality(len(at), at, kinds)
        if len(self._start):
            n = len(part.columns)
            self._highs.setSolution(n, np.arange(n, dtype=np.int32), self._start[part.columns])
            self._start = np.empty(0)

    def _warm(self, part: Reduced) -> None:
        """Hand over the last basis, as far as it goes."""
        if self._basis is None:
            return
        columns, rows = self._basis.of(part, keys_of(self._rows))
        basis = highspy.HighsBasis()
        basis.col_status, basis.row_status = STATUSES[columns].tolist(), STATUSES[rows].tolist()
        basis.valid = True
        # the solver mends what has not as many basics as rows
        basis.alien = True
        self._highs.setBasis(basis)

    def _solution(self, part: Reduced, integers: npt.NDArray[np.int64]) -> Solution:
        highs = self._highs
        status, info = highs.getModelStatus(), highs.getInfo()
        words = highs.modelStatusToString(status)
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            self._basis = None
            return _none(SolveStatus.INFEASIBLE, words)
        stopped = status in (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kSolutionLimit)
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        # nothing may be left open
        best = status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty)
        if not best and not (stopped and feasible and len(integers)):
            return _none(SolveStatus.FAILED, words)
        solution = highs.getSolution()
        own = np.array(solution.col_value)
        x = part.restored(own)
        found = self.defect(x, integers)
        if found:
            return _none(SolveStatus.FAILED, found)
        duals = solution.row_dual
        if not len(integers):
            self._remember(part, own, np.array(solution.row_value))
        value = float(part.whole.cost @ x)
        return Solution(
            status=SolveStatus.OPTIMAL if best else SolveStatus.FEASIBLE,
            x=x,
            objective=value,
            bound=float(info.mip_dual_bound) if len(integers) else value,
            words=words,
            priced=lambda: np.empty(0) if len(integers) else part.duals(np.array(duals)),
        )

    def _remember(self, part: Reduced, x: Array, activity: Array) -> None:
        status, basic = self._highs.getBasicVariables()
        if status == highspy.HighsStatus.kOk and len(basic) == len(activity):
            self._basis = self._basis or Basis(len(self._bounds[0]), len(self._bounds[2]))
            self._basis.take(part, keys_of(self._rows), basic, x, activity)

    def defect(self, x: Array, integers: npt.NDArray[np.int64]) -> str:
        """Return in words what is wrong with a solution, computed outside the solver; else ''."""
        lower, upper, row_lower, row_upper = self._bounds
        n = len(lower)
        core = x[:n]
        if not np.isfinite(x).all():
            return "the solver's values are not finite"
        activity = np.asarray(self._matrix @ core)
        size = 1.0 + np.abs(activity)
        worst = max(
            float(((row_lower - activity) / size).max(initial=0.0)),
            float(((activity - row_upper) / size).max(initial=0.0)),
            float((lower - core).max(initial=0.0)),
            float((core - upper).max(initial=0.0)),
        )
        for k, row in enumerate(self._rows):
            excess = float(np.dot(row.coefficients, x[list(row.columns)])) - x[n + k] - row.upper
            worst = max(worst, excess / (1.0 + abs(row.upper)))
        if worst > RESIDUAL:
            return f"the solver's values break a row by {worst:.2g}"
        if len(integers) and np.abs(x[integers] - np.round(x[integers])).max() > INTEGRAL:
            return "the solver's integers are not integral"
        return ""


def _none(status: SolveStatus, words: str) -> Solution:
    return Solution(status=status, x=np.empty(0), objective=math.nan, bound=math.nan, words=words)


def _as_highs(of: Linear, offset: float) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_, model.offset_ = len(of.cost), len(of.row_lower), offset
    model.col_cost_, model.col_lower_, model.col_upper_ = of.cost, of.lower, of.upper
    model.row_lower_, model.row_upper_ = of.row_lower, of.row_upper
    rows, columns, values = of.entries
    matrix = sparse.csc_matrix((values, (rows, columns)), shape=(model.num_row_, model.num_col_))
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    return model
