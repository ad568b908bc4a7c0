"""The search for commitments: relax, round, branch on how often something runs in hours of one price.

Steps of one tariff block are nearly equivalent, so a search that decides them one by one proves nothing
for long. Deciding how many starts and running steps a block holds moves the bound at once; every node is
a warm linear problem, and rounding its solution gives plans. What is left is for the solver's own
search, which begins with the best plan found here.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from controllers.planning.blocks.block import Block
from controllers.planning.problem import Model
from controllers.planning.rounding import calls_settled, machines_settled, split_loads
from controllers.planning.slots import Situation
from controllers.planning.solve import Solution, SolveStatus, WarmSolver
from vpp.clock import monotonic_s
from vpp.types import Array

NO_INTEGERS = np.empty(0, dtype=np.int64)
WHOLE = 1e-4
"""Distance from an integer below which a sum is one."""
MAX_NODES = 60
"""Linear problems of the tree: bounds a search the same way on every machine."""
LEAST_SEARCH_S = 0.2
"""True seconds below which the solver's own search is not worth its start."""
TREE_COLUMNS = 12_000
"""Columns below which the solver's own search alone is faster (measured: 6,800 and 26,800 columns)."""
MAX_CALL_ROUNDS = 14
"""Loads whose calls are settled one by one; the rest at once."""
ROUND_EVERY = 3
"""Levels of a dive between two roundings."""

Sums = Mapping[int, tuple[float, float]]
"""Row of a sum -> its bounds at a node."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A part of the tree that is still open."""

    bound: float
    serial: int
    sums: Sums = field(compare=False)
    x: Array = field(compare=False)


@dataclass(slots=True, kw_only=True)
class Tree:
    """A running search: what is open, what is best, what it has cost."""

    model: Model
    solver: WarmSolver
    now: Situation
    bounds: tuple[Array, Array]
    groups: tuple[tuple[npt.NDArray[np.int64], ...], ...]
    """By weight the columns of each sum."""
    first_row: int
    until_true_s: float
    gap_cny: float
    open: list[Node] = field(default_factory=list)
    best: Solution | None = None
    leaves: float = math.inf
    """Least bound of the nodes in which every sum is whole."""
    nodes: int = 0
    tried: set[bytes] = field(default_factory=set)
    applied: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def bound(self) -> float:
        """Proven lower bound of the whole."""
        return min([self.leaves, self.value, *(node.bound for node in self.open)])

    @property
    def value(self) -> float:
        """Objective of the best plan."""
        return math.inf if self.best is None else self.best.objective

    @property
    def is_closed(self) -> bool:
        """Return whether the best plan is proven to be near enough to the best of all."""
        return self.value - self.bound <= self.gap_cny

    @property
    def is_over(self) -> bool:
        """Return whether the gap is closed, or nodes or time are spent."""
        return self.is_closed or self.nodes >= MAX_NODES or monotonic_s() > self.until_true_s


def begun(
    model: Model,
    solver: WarmSolver,
    now: Situation,
    bounds: tuple[Array, Array],
    *,
    until_true_s: float,
    gap_cny: float,
) -> Tree:
    """Return the search of the problem loaded in `solver` after its root: a bound, and a plan by rounding."""
    groups = _groups(model, now)
    tree = Tree(
        model=model,
        solver=solver,
        now=now,
        bounds=bounds,
        groups=groups,
        first_row=solver.add_sums([columns for level in groups for columns in level]),
        until_true_s=until_true_s,
        gap_cny=gap_cny,
    )
    root = _solved(tree, {})
    if root.status is SolveStatus.OPTIMAL:
        tree.open.append(Node(root.objective, 0, {}, root.x))
        _round(tree, root.x)
    return tree


def searched(tree: Tree) -> Solution:
    """Return the best commitments after the whole search, with a proven bound.

    OPTIMAL where the gap is at most the tree's, FEASIBLE where time or nodes ended the search.
    """
    if not tree.open:
        return _outcome(tree, None, math.nan)
    while tree.open and not tree.is_over and is_large(tree.model):
        _dive(tree, heapq.heappop(tree.open))
    best, bound = tree.best, tree.bound
    seconds = tree.until_true_s - monotonic_s()
    if not tree.is_closed and seconds > LEAST_SEARCH_S:
        for row in tree.applied:
            tree.solver.bound_row(row, -math.inf, math.inf)
        tree.solver.drop_sums()
        if best is not None:
            tree.solver.suggest(best.x)
        found = tree.solver.run(integers=tree.model.integers, seconds=seconds, gap_cny=tree.gap_cny)
        if found.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
            bound = max(bound, found.bound)
            best = found if best is None or found.objective < best.objective else best
    return _outcome(tree, best, bound)


def rounded(tree: Tree) -> Solution:
    """Return the best plan so far."""
    return _outcome(tree, tree.best, tree.bound)


def is_large(model: Model) -> bool:
    """Return whether the tree pays: a small problem is for the solver's own search."""
    return model.compiled.size >= TREE_COLUMNS


def _outcome(tree: Tree, best: Solution | None, bound: float) -> Solution:
    if best is None:
        nothing = np.empty(0)
        return Solution(
            status=SolveStatus.FAILED, x=nothing, objective=math.nan, bound=math.nan, words="no plan found"
        )
    closed = best.objective - bound <= tree.gap_cny * (1 + 1e-6)
    status = SolveStatus.OPTIMAL if closed else SolveStatus.FEASIBLE
    return replace(best, bound=bound, status=status, words=f"{tree.nodes} linear problems")


def _groups(model: Model, now: Situation) -> tuple[tuple[npt.NDArray[np.int64], ...], ...]:
    """Return by weight the columns of each sum to branch on.

    First how often something was begun by the end of each span of one price: no or yes to a whole start.
    Then how many slots it is on in a span.
    """
    slots = np.arange(now.window.first, now.window.end)
    edges = np.flatnonzero(np.diff(now.price_cny_per_mwh[slots])) + 1
    spans = np.split(slots, edges)
    begun_by = [slots[: np.searchsorted(slots, span[-1]) + 1] for span in spans]
    levels: list[tuple[npt.NDArray[np.int64], ...]] = []
    for rank, parts in enumerate((begun_by, spans)):
        names = [(block, name) for block in model.blocks.values() for name in _counted(block, rank)]
        columns = [model.compiled.columns(block.variables[name]).start for block, name in names]
        levels.append(tuple(first + part for first in columns for part in parts))
    return tuple(level for level in levels if level)


def _counted(block: Block, rank: int) -> tuple[str, ...]:
    return block.counted[rank] if rank < len(block.counted) else ()


def _solved(tree: Tree, sums: Sums) -> Solution:
    """Return the linear problem of a node, warm from the last one."""
    for row in [row for row in tree.applied if row not in sums]:
        tree.solver.bound_row(row, -math.inf, math.inf)
        del tree.applied[row]
    for row, edges in sums.items():
        if tree.applied.get(row) != edges:
            tree.solver.bound_row(row, *edges)
            tree.applied[row] = edges
    tree.nodes += 1
    return tree.solver.run(integers=NO_INTEGERS, seconds=tree.until_true_s - monotonic_s())


def _dive(tree: Tree, node: Node) -> None:
    """Follow the better child until every sum is whole or nothing better can come; keep the others."""
    depth = 0
    while True:
        choice = _fractional(tree, node.x)
        if choice is None:
            tree.leaves = min(tree.leaves, node.bound)
            _round(tree, node.x)
            return
        children = sorted(_children(tree, node, *choice))
        for child in children[1:]:
            heapq.heappush(tree.open, child)
        if not children:
            return
        node, depth = children[0], depth + 1
        if depth % ROUND_EVERY == 0:
            _round(tree, node.x)
        if node.bound >= tree.value - tree.gap_cny or tree.is_over:
            heapq.heappush(tree.open, node)
            return


def _fractional(tree: Tree, x: Array) -> tuple[int, float] | None:
    """Return (row, value) of the sum farthest from whole, of the weightiest level that has any."""
    row = tree.first_row
    for level in tree.groups:
        sums = np.array([x[columns].sum() for columns in level])
        far = np.abs(sums - np.round(sums))
        k = int(np.argmax(far))
        if far[k] > WHOLE:
            return row + k, float(sums[k])
        row += len(level)
    return None


def _children(tree: Tree, node: Node, row: int, value: float) -> list[Node]:
    """Return the two halves of a node that may hold something better than the best plan."""
    low, high = node.sums.get(row, (-math.inf, math.inf))
    found = []
    for edges in ((low, min(high, math.floor(value))), (max(low, math.ceil(value)), high)):
        sums = {**node.sums, row: edges}
        solution = _solved(tree, sums)
        if solution.status is SolveStatus.INFEASIBLE:
            continue
        if solution.status is not SolveStatus.OPTIMAL:
            # no answer in time: the half stays open with its parent's bound
            found.append(Node(node.bound, tree.nodes, sums, node.x))
        elif solution.objective < tree.value:
            found.append(Node(solution.objective, tree.nodes, sums, solution.x))
    return found


def _round(tree: Tree, x: Array) -> None:
    """Keep the best plan with integers near a solution, if it is the best so far.

    Machines first; what they leave to be shed says which calls to make.
    """
    for machines in machines_settled(tree.model, tree.now, x, *tree.bounds):
        key = machines[0][tree.model.integers].tobytes()
        if key in tree.tried or monotonic_s() > tree.until_true_s:
            continue
        tree.tried.add(key)
        found = _with_calls(tree, machines)
        if found.status is SolveStatus.OPTIMAL and found.objective < tree.value:
            tree.best = found


def _with_calls(tree: Tree, bounds: tuple[Array, Array]) -> Solution:
    """Return a solution in which all calls are whole: load by load, the others relaxed meanwhile."""
    for k in range(MAX_CALL_ROUNDS):
        tree.solver.bound(*bounds)
        found = _solved(tree, {})
        tree.solver.bound(*tree.bounds)
        if found.status is not SolveStatus.OPTIMAL or found.objective >= tree.value:
            return found
        loads = split_loads(tree.model, tree.now, found.x)
        if not loads:
            return found
        some = loads[:1] if k < MAX_CALL_ROUNDS - 2 else loads
        bounds = calls_settled(tree.model, tree.now, found.x, *bounds, loads=some)
    return replace(found, status=SolveStatus.FAILED)
