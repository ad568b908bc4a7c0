"""A linear problem without what its bounds decide: columns that are fixed, rows of one open column.

With commitments fixed, and outside the plan's steps, that is most of a model. A solver's presolve finds
the same, but gives up the last basis for it. A row of one column is read as a bound; where that bound
holds the column, the column's reduced cost is the row's dual (singleton rows: Andersen and Andersen,
"Presolving in linear programming", 1995).
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vpp.types import Array

Index = npt.NDArray[np.int64]
Entries = tuple[Index, Index, Array]
"""Rows, columns and values of a matrix."""
PASSES = 5
"""Rounds of reading rows and fixing columns; what a later one would find is left to the solver."""
CONTRADICTION = 1e-6
"""Distance, relative to max(1, |bound|), by which bounds may cross: what the solver allows a row."""
LEAST_COEFFICIENT = 1e-4
"""A row of one column with less is not read: the division would make a bound of noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """min cost x, lower <= x <= upper, row_lower <= A x <= row_upper."""

    cost: Array
    lower: Array
    upper: Array
    row_lower: Array
    row_upper: Array
    entries: Entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Giver:
    """By column the row that was read as its lower, or upper, bound; -1 where none was."""

    row: Index
    value: Array
    """Coefficient of the column in that row."""
    turn: Index
    """Pass in which it was read."""

    def take(self, turn: int, entries: Entries, better: npt.NDArray[np.bool_]) -> None:
        """Remember those of the rows read in this pass that gave a better bound."""
        rows, columns, values = (part[better] for part in entries)
        self.row[columns], self.value[columns], self.turn[columns] = rows, values, turn


def _nobody(columns: int) -> Giver:
    return Giver(row=np.full(columns, -1), value=np.ones(columns), turn=np.zeros(columns, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """What is left open of a linear problem, and the way back."""

    whole: Linear
    rest: Linear
    """The problem in what is open, numbered anew."""
    columns: Index
    rows: Index
    """Where its columns and rows stand in the whole."""
    fixed: Array
    """(columns of the whole,): values where fixed, else 0."""
    givers: tuple[Giver, Giver]
    """Of lower and of upper bounds."""

    @property
    def offset(self) -> float:
        """Cost of the fixed columns."""
        return float(self.whole.cost @ self.fixed)

    def restored(self, x: Array) -> Array:
        """Return the solution of the whole."""
        out = self.fixed.copy()
        out[self.columns] = x
        return out

    def duals(self, of_rest: Array) -> Array:
        """Return the duals of all rows: change of the objective per unit of right-hand side."""
        whole, y = self.whole, np.zeros(len(self.whole.row_lower))
        y[self.rows] = of_rest
        rows, columns, values = whole.entries
        for turn in reversed(range(PASSES)):
            rate = whole.cost - np.bincount(columns, values * y[rows], minlength=len(whole.cost))
            for sign, giver in zip((1.0, -1.0), self.givers, strict=True):
                at = np.flatnonzero((giver.row >= 0) & (giver.turn == turn) & (sign * rate > 0))
                y[giver.row[at]] = rate[at] / giver.value[at]
        return y


@dataclass(slots=True)
class _Bench:
    """A problem while it shrinks."""

    lower: Array
    upper: Array
    row_lower: Array
    row_upper: Array
    entries: Entries
    fixed: Array
    is_open: npt.NDArray[np.bool_]
    is_read: npt.NDArray[np.bool_]
    givers: tuple[Giver, Giver] = field(init=False)

    def __post_init__(self) -> None:
        self.givers = (_nobody(len(self.lower)), _nobody(len(self.lower)))

    @property
    def count(self) -> Index:
        """Open columns of each row."""
        return np.bincount(self.entries[0], minlength=len(self.row_lower))

    def fix(self) -> bool:
        """Take out the columns whose bounds meet; return False where bounds contradict each other."""
        crossed = self.lower - self.upper
        shut = self.is_open & (crossed >= 0)
        value = (self.lower[shut] + self.upper[shut]) / 2
        if (crossed[shut] > CONTRADICTION * np.maximum(1.0, np.abs(value))).any():
            return False
        self.fixed[shut] = value
        self.is_open &= ~shut
        rows, columns, values = self.entries
        gone = shut[columns]
        shift = np.bincount(
            rows[gone], values[gone] * self.fixed[columns[gone]], minlength=len(self.row_lower)
        )
        self.row_lower, self.row_upper = self.row_lower - shift, self.row_upper - shift
        self.entries = (rows[~gone], columns[~gone], values[~gone])
        return True

    def read(self, turn: int) -> bool:
        """Read the rows of one column as its bounds; return whether there were any."""
        rows, columns, values = self.entries
        alone = (self.count[rows] == 1) & (np.abs(values) > LEAST_COEFFICIENT)
        found = (r, c, a) = rows[alone], columns[alone], values[alone]
        ends = self.row_lower[r] / a, self.row_upper[r] / a
        low, high = np.minimum(*ends), np.maximum(*ends)
        before = self.lower[c], self.upper[c]
        np.maximum.at(self.lower, c, low)
        np.minimum.at(self.upper, c, high)
        self.givers[0].take(turn, found, (low > before[0]) & (low >= self.lower[c]))
        self.givers[1].take(turn, found, (high < before[1]) & (high <= self.upper[c]))
        self.is_read[r] = True
        self.entries = (rows[~alone], columns[~alone], values[~alone])
        return bool(alone.any())


def reduced(whole: Linear) -> Reduced | None:
    """Return what is left open of a problem, or None where its bounds and rows contradict each other."""
    columns, rows = len(whole.cost), len(whole.row_lower)
    bench = _Bench(
        lower=whole.lower.copy(),
        upper=whole.upper.copy(),
        row_lower=whole.row_lower,
        row_upper=whole.row_upper,
        entries=whole.entries,
        fixed=np.zeros(columns),
        is_open=np.ones(columns, dtype=np.bool_),
        is_read=np.zeros(rows, dtype=np.bool_),
    )
    if not bench.fix():
        return None
    for turn in range(PASSES):
        if not bench.read(turn):
            break
        if not bench.fix():
            return None
    is_left = bench.count > 0
    # a row without any open column holds or does not
    broken = np.fmax(bench.row_lower, -bench.row_upper) > CONTRADICTION
    return None if (broken & ~is_left & ~bench.is_read).any() else _left(whole, bench, is_left)


def _left(whole: Linear, bench: _Bench, is_left: npt.NDArray[np.bool_]) -> Reduced:
    columns, rows = np.flatnonzero(bench.is_open), np.flatnonzero(is_left)
    place = np.cumsum(bench.is_open) - 1, np.cumsum(is_left) - 1
    i, j, a = bench.entries
    rest = Linear(
        cost=whole.cost[columns],
        lower=bench.lower[columns],
        upper=bench.upper[columns],
        row_lower=bench.row_lower[rows],
        row_upper=bench.row_upper[rows],
        entries=(place[1][i], place[0][j], a),
    )
    return Reduced(whole=whole, rest=rest, columns=columns, rows=rows, fixed=bench.fixed, givers=bench.givers)
