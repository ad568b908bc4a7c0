"""The last basis of a problem of which every solve sees another part.

Kept by place in the whole problem, for lazy rows by their key: the next solve takes from it what its own
columns and rows have, and what is new begins at its lower bound, or slack.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from controllers.planning.reduced import Index, Reduced
from vpp.types import Array

LOWER, BASIC, UPPER, FREE = range(4)
"""Codes of `highspy.HighsBasisStatus`."""
Codes = npt.NDArray[np.int64]


class Basis:
    """Statuses of all columns and rows that have been in a solved problem."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = np.full(columns, LOWER)
        self._rows = np.full(rows, BASIC)
        self._lazy: dict[Hashable, tuple[int, int]] = {}

    def of(self, part: Reduced, keys: Sequence[Hashable]) -> tuple[Codes, Codes]:
        """Return the codes of a part's columns and rows; `keys` are those of the lazy rows."""
        known = [self._lazy.get(key, (LOWER, BASIC)) for key in keys]
        lazy = np.array(known, dtype=np.int64).reshape(-1, 2)
        columns, rows = np.append(self._columns, lazy[:, 0]), np.append(self._rows, lazy[:, 1])
        return columns[part.columns], rows[part.rows]

    def take(self, part: Reduced, keys: Sequence[Hashable], basic: Index, x: Array, activity: Array) -> None:
        """Remember the basis of a solved part.

        `basic` are its columns, and its rows as -1 - row; `x` and `activity` tell at which bound the
        others stand.
        """
        columns = _codes(x, part.rest.lower, part.rest.upper, basic[basic >= 0])
        rows = _codes(activity, part.rest.row_lower, part.rest.row_upper, -1 - basic[basic < 0])
        n, m = len(self._columns), len(self._rows)
        all_columns = np.full(n + len(keys), LOWER)
        all_rows = np.full(m + len(keys), BASIC)
        all_columns[part.columns], all_rows[part.rows] = columns, rows
        self._columns, self._rows = all_columns[:n], all_rows[:m]
        pairs = zip(all_columns[n:].tolist(), all_rows[m:].tolist(), strict=True)
        self._lazy = dict(zip(keys, pairs, strict=True))


def _codes(value: Array, lower: Array, upper: Array, basic: Index) -> Codes:
    """Return the codes of what is basic, at its nearer bound, or free."""
    with np.errstate(invalid="ignore"):
        codes = np.where(np.abs(upper - value) < np.abs(value - lower), UPPER, LOWER)
    codes[np.isinf(lower) & np.isinf(upper)] = FREE
    codes[basic] = BASIC
    return codes
