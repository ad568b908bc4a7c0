"""The only file of planning that calls a solver: HiGHS, alive and warm behind a compiled problem."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

from controllers.planning.compiled import Compiled
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
    duals: Array = field(default_factory=lambda: np.empty(0))
    """(rows,) of a linear problem, lazy rows last: change of the objective per unit of right-hand side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lazy row: sum(coefficient x column) - slack <= upper, the slack priced."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    upper: float
    price: float
    """CNY per unit of slack."""


class WarmSolver:
    """One HiGHS instance that keeps its basis from solve to solve."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._highs = highspy.Highs()
        for option, value in OPTIONS.items():
            self._highs.setOptionValue(option, value)
        self._basis: Any = None
        self._matrix: Any = None
        self._bounds: tuple[Array, Array, Array, Array] = (np.empty(0),) * 4
        self._rows: list[Row] = []
        self._loaded_rows: tuple[Array, Array] = (np.empty(0),) * 2
        self._searching = False

    def load(self, lower: Array, upper: Array) -> None:
        """Take over the present parameters and native bounds; lazy rows are dropped."""
        cost, matrix, rhs = self._compiled.apply()
        equal = self._compiled.equalities
        row_lower = np.full(len(rhs), -np.inf)
        row_lower[:equal] = rhs[:equal]
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = matrix.shape[1], matrix.shape[0]
        model.col_cost_, model.col_lower_, model.col_upper_ = cost, lower, upper
        model.row_lower_, model.row_upper_ = row_lower, rhs
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
        model.a_matrix_.value_ = matrix.data
        self._highs.passModel(model)
        self._matrix, self._bounds, self._rows = matrix, (lower, upper, row_lower, rhs), []
        self._loaded_rows, self._searching = (row_lower, rhs), False
        if self._basis is not None:
            self._highs.setBasis(self._basis)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add lazy rows, each with a slack column of its own."""
        for row in rows:
            slack = self._highs.getNumCol()
            self._highs.addCol(row.price, 0.0, highspy.kHighsInf, 0, np.empty(0, np.int32), np.empty(0))
            columns = np.array([*row.columns, slack], dtype=np.int32)
            values = np.array([*row.coefficients, -1.0])
            self._highs.addRow(-highspy.kHighsInf, row.upper, len(columns), columns, values)
            self._rows.append(row)

    def bound(self, lower: Array, upper: Array) -> None:
        """Change the native bounds of all columns of the compiled problem; rows and basis stay."""
        n = len(lower)
        self._highs.changeColsBounds(n, np.arange(n, dtype=np.int32), lower, upper)
        self._bounds = (lower, upper, *self._bounds[2:])

    def leave_out(self, rows: Sequence[slice]) -> None:
        """Let these rows of the compiled problem bind nothing, and all others what they did when loaded."""
        lower, upper = (edges.copy() for edges in self._loaded_rows)
        for span in rows:
            lower[span], upper[span] = -np.inf, np.inf
        n = len(lower)
        self._highs.changeRowsBounds(n, np.arange(n, dtype=np.int32), lower, upper)
        self._bounds = (*self._bounds[:2], lower, upper)

    def problem(self) -> Any:
        """Return the loaded problem with its rows, as the solver keeps it."""
        return self._highs.getLp()

    def suggest(self, x: Array) -> None:
        """Give the search a solution to start from, (columns,) with the slacks of lazy rows."""
        known = highspy.HighsSolution()
        known.col_value = list(x)
        self._highs.setSolution(known)

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
        highs = self._highs
        if len(integers) or self._searching:
            self._mark(integers)
        # an LP's limit counts from the instance's first run, a search's from its own start (HiGHS 1.15)
        passed = 0.0 if len(integers) else highs.getRunTime()
        highs.setOptionValue("time_limit", passed + max(0.01, seconds))
        highs.setOptionValue("mip_abs_gap", gap_cny)
        basis = highs.getBasis()
        highs.run()
        found = self._solution(integers)
        if len(integers) and basis.valid:
            # a search leaves none behind, and what follows is linear
            highs.setBasis(basis)
        return found

    def _mark(self, integers: npt.NDArray[np.int64]) -> None:
        n = self._highs.getNumCol()
        kinds = np.full(n, int(highspy.HighsVarType.kContinuous), dtype=np.uint8)
        kinds[integers] = int(highspy.HighsVarType.kInteger)
        self._highs.changeColsIntegrality(n, np.arange(n, dtype=np.int32), kinds)
        self._searching = len(integers) > 0

    def _solution(self, integers: npt.NDArray[np.int64]) -> Solution:
        highs = self._highs
        status, info = highs.getModelStatus(), highs.getInfo()
        words = highs.modelStatusToString(status)
        nothing = Solution(
            status=SolveStatus.FAILED, x=np.empty(0), objective=math.nan, bound=math.nan, words=words
        )
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            self._basis = None
            return replace(nothing, status=SolveStatus.INFEASIBLE)
        stopped = status in (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kSolutionLimit)
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        if status != highspy.HighsModelStatus.kOptimal and not (stopped and feasible and len(integers)):
            return nothing
        x = np.array(highs.getSolution().col_value)
        found = self.defect(x, integers)
        if found:
            return Solution(
                status=SolveStatus.FAILED, x=np.empty(0), objective=math.nan, bound=math.nan, words=found
            )
        if not len(integers) and highs.getNumRow() == len(self._bounds[2]):
            # a basis with lazy rows fits no other problem
            self._basis = highs.getBasis()
        value = float(info.objective_function_value)
        return Solution(
            status=SolveStatus.OPTIMAL
            if status == highspy.HighsModelStatus.kOptimal
            else SolveStatus.FEASIBLE,
            x=x,
            objective=value,
            bound=float(info.mip_dual_bound) if len(integers) else value,
            words=words,
            duals=np.empty(0) if len(integers) else np.array(highs.getSolution().row_dual),
        )

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

    @property
    def lazy_rows(self) -> tuple[Row, ...]:
        """Lazy rows in force."""
        return tuple(self._rows)
