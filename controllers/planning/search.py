"""The search for commitments: relax, round, then the solver's own search for what is still open.

Rounding the relaxed solution gives a plan at once, and on most days one that is near enough to the bound.
Else the solver decides machines and the loads that the relaxation sheds in, while the ledgers of the
others are left out: what is found then is a bound of the whole all the same, and a plan of the whole as
long as the others stay quiet. Those that do not are woken, and the solver is asked again. Of a large
park it first looks where rounding was in doubt: a proof goes fast from a good plan only.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from controllers.planning.problem import Model
from controllers.planning.rounding import calls_settled, machines_settled, split_loads
from controllers.planning.slots import Situation
from controllers.planning.solve import Solution, SolveStatus, WarmSolver
from vpp.clock import monotonic_s
from vpp.types import Array

NO_INTEGERS = np.empty(0, dtype=np.int64)
OPENED = 1e-6
"""Blocks of a load that a relaxation opens."""
LEAST_SEARCH_S = 0.2
"""True seconds below which the solver's own search is not worth its start."""
LARGE_COLUMNS = 12_000
"""Columns from which a search takes seconds, not tenths (measured: 6,800 and 26,800 columns)."""
DOUBT = 0.15
"""Distance of a relaxed integer from the plan's from which a first, narrow search may change it."""
NARROW_GAP = 0.25
"""Share of the gap at which that search ends: what it finds must leave room for the proof."""
MAX_CALL_ROUNDS = 14
"""Loads whose calls are settled one by one; the rest at once."""
MAX_WAKINGS = 3
"""Searches of the solver, each with the loads that the one before has used; the last has all of them."""


@dataclass(slots=True, kw_only=True)
class Search:
    """A running search: what is best, what is proven, what it has cost."""

    model: Model
    solver: WarmSolver
    now: Situation
    bounds: tuple[Array, Array]
    until_true_s: float
    gap_cny: float
    relaxed: Solution
    """The linear relaxation."""
    bound: float
    """Proven lower bound."""
    best: Solution | None = None
    solves: int = 1

    @property
    def value(self) -> float:
        """Objective of the best plan."""
        return math.inf if self.best is None else self.best.objective

    @property
    def is_closed(self) -> bool:
        """Return whether the best plan is proven to be near enough to the best of all."""
        return self.value - self.bound <= self.gap_cny

    def keep(self, found: Solution) -> None:
        """Take over a plan that is better than the best so far."""
        if found.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE) and found.objective < self.value:
            self.best = found


def begun(
    model: Model,
    solver: WarmSolver,
    now: Situation,
    bounds: tuple[Array, Array],
    *,
    until_true_s: float,
    gap_cny: float,
) -> Search:
    """Return the search of the problem loaded in `solver` after its root: a bound, and a plan by rounding."""
    relaxed = solver.run(integers=NO_INTEGERS, seconds=until_true_s - monotonic_s())
    found = relaxed.status is SolveStatus.OPTIMAL
    search = Search(
        model=model,
        solver=solver,
        now=now,
        bounds=bounds,
        until_true_s=until_true_s,
        gap_cny=gap_cny,
        relaxed=relaxed,
        bound=relaxed.objective if found else -math.inf,
    )
    if found:
        _round(search)
    return search


def searched(search: Search) -> Solution:
    """Return the best commitments after the whole search, with a proven bound.

    OPTIMAL where the gap is at most the search's, FEASIBLE where time or nodes ended the search.
    """
    if search.relaxed.status is SolveStatus.OPTIMAL:
        awake = _shedding(search, search.relaxed.x)
        if is_large(search.model) and search.best is not None and _goes_on(search):
            _decided(search, awake, _doubtful(search, search.best.x), NARROW_GAP * search.gap_cny)
        for k in range(MAX_WAKINGS):
            if not _goes_on(search):
                break
            every = k == MAX_WAKINGS - 1
            bound, used = _decided(
                search, set(_callable(search)) if every else awake, search.bounds, search.gap_cny
            )
            search.bound = max(search.bound, bound)
            if not used:
                break
            awake |= used
    return rounded(search)


def _goes_on(search: Search) -> bool:
    return not search.is_closed and search.until_true_s - monotonic_s() > LEAST_SEARCH_S


def _doubtful(search: Search, x: Array) -> tuple[Array, Array]:
    """Return the bounds with those integers fixed in which relaxation and plan agree."""
    lower, upper = search.bounds[0].copy(), search.bounds[1].copy()
    integers = search.model.integers
    whole = np.round(x[integers])
    sure = np.abs(search.relaxed.x[integers] - whole) < DOUBT
    lower[integers[sure]] = upper[integers[sure]] = whole[sure]
    return lower, upper


def rounded(search: Search) -> Solution:
    """Return the best plan so far."""
    best = search.best
    if best is None:
        nothing = np.empty(0)
        return Solution(
            status=SolveStatus.FAILED, x=nothing, objective=math.nan, bound=math.nan, words="no plan found"
        )
    closed = best.objective - search.bound <= search.gap_cny * (1 + 1e-6)
    status = SolveStatus.OPTIMAL if closed else SolveStatus.FEASIBLE
    return replace(best, bound=search.bound, status=status, words=f"{search.solves} problems solved")


def is_large(model: Model) -> bool:
    """Return whether the first plan should not wait for the search."""
    return model.compiled.size >= LARGE_COLUMNS


def _callable(search: Search) -> list[str]:
    """Return the loads that can be called."""
    return [name for name in search.model.park.loads if search.model.blocks[name].integers]


def _shedding(search: Search, x: Array) -> set[str]:
    """Return the loads that open breakers in a solution."""
    where = {
        name: search.model.compiled.columns(search.model.blocks[name].variables["open"])
        for name in _callable(search)
    }
    return {name for name, span in where.items() if x[span].max(initial=0.0) > OPENED}


def _decided(
    search: Search, awake: set[str], bounds: tuple[Array, Array], gap_cny: float
) -> tuple[float, set[str]]:
    """Let the solver decide machines and the loads awake inside bounds, and keep what it finds.

    Return the least that any plan inside them costs, and the loads that could not be left quiet.
    """
    model, solver = search.model, search.solver
    quiet = [name for name in _callable(search) if name not in awake]
    lower, upper = bounds[0], bounds[1].copy()
    for name in quiet:
        for key in ("begun", "ended"):
            # they stand in no row that is left
            span = model.compiled.columns(model.blocks[name].variables[key])
            upper[span] = lower[span]
    solver.bound(lower, upper)
    solver.leave_out([model.compiled.rows(row) for name in quiet for row in model.blocks[name].ledger])
    if search.best is not None:
        solver.suggest(search.best.x)
    found = solver.run(
        integers=_integers(search, set(model.blocks) - set(quiet)),
        seconds=search.until_true_s - monotonic_s(),
        gap_cny=gap_cny,
    )
    solver.leave_out([])
    solver.bound(*search.bounds)
    search.solves += 1
    if found.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        return -math.inf, set()
    used = _shedding(search, found.x) & set(quiet)
    if used:
        low, high = search.bounds[0].copy(), search.bounds[1].copy()
        machines = _integers(search, set(model.park.resources))
        low[machines] = high[machines] = np.round(found.x[machines])
        search.keep(_with_calls(search, (low, high)))
    else:
        search.keep(found)
    return found.bound, used


def _integers(search: Search, names: set[str]) -> npt.NDArray[np.int64]:
    """Return the columns of the integers of these blocks."""
    compiled, blocks = search.model.compiled, search.model.blocks
    spans = [
        np.arange(compiled.size)[compiled.columns(block.variables[key])]
        for name, block in blocks.items()
        if name in names
        for key in block.integers
    ]
    return np.concatenate([*spans, NO_INTEGERS])


def _round(search: Search) -> None:
    """Keep the best plan with integers near the relaxed solution.

    Machines first; what they leave to be shed says which calls to make.
    """
    integers, tried = search.model.integers, set[bytes]()
    for machines in machines_settled(search.model, search.now, search.relaxed.x, *search.bounds):
        key = machines[0][integers].tobytes()
        if key not in tried and monotonic_s() < search.until_true_s:
            tried.add(key)
            search.keep(_with_calls(search, machines))


def _with_calls(search: Search, bounds: tuple[Array, Array]) -> Solution:
    """Return a solution in which all calls are whole: load by load, the others relaxed meanwhile."""
    for k in range(MAX_CALL_ROUNDS):
        search.solver.bound(*bounds)
        found = search.solver.run(integers=NO_INTEGERS, seconds=search.until_true_s - monotonic_s())
        search.solver.bound(*search.bounds)
        search.solves += 1
        if found.status is not SolveStatus.OPTIMAL or found.objective >= search.value:
            return found
        loads = split_loads(search.model, search.now, found.x)
        if not loads:
            return found
        some = loads[:1] if k < MAX_CALL_ROUNDS - 2 else loads
        bounds = calls_settled(search.model, search.now, found.x, *bounds, loads=some)
    return replace(found, status=SolveStatus.FAILED)
