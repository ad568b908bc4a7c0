"""Rows that join a compiled problem after a solve, each with a slack column of its own."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from controllers.planning.reduced import Linear
from vpp.types import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lazy row: sum(coefficient x column) - slack <= upper, the slack priced."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    upper: float
    price: float
    """CNY per unit of slack."""
    key: Hashable = None
    """What the row is about, by which the basis knows it again."""


def keys_of(rows: Sequence[Row]) -> list[Hashable]:
    """Return the keys of rows; the second of the same key counts as another."""
    seen: Counter[Hashable] = Counter()
    out: list[Hashable] = []
    for row in rows:
        out.append((row.key, seen[row.key]))
        seen[row.key] += 1
    return out


def with_rows(
    cost: Array, matrix: Any, bounds: tuple[Array, Array, Array, Array], rows: Sequence[Row]
) -> Linear:
    """Return a problem with lazy rows behind its rows and their slacks behind its columns.

    `matrix` is a scipy CSC matrix, `bounds` are those of columns, then of rows, lower and upper.
    """
    (m, n), count = matrix.shape, len(rows)
    widths, slacks = [len(row.columns) for row in rows], np.arange(count)
    lower, upper, row_lower, row_upper = bounds
    own = np.repeat(np.arange(n), np.diff(matrix.indptr))
    columns = np.concatenate([own, *(row.columns for row in rows), n + slacks]).astype(np.int64)
    return Linear(
        cost=np.append(cost, [row.price for row in rows]),
        lower=np.append(lower, np.zeros(count)),
        upper=np.append(upper, np.full(count, np.inf)),
        row_lower=np.append(row_lower, np.full(count, -np.inf)),
        row_upper=np.append(row_upper, [row.upper for row in rows]),
        entries=(
            np.concatenate([matrix.indices, m + np.repeat(slacks, widths), m + slacks]),
            columns,
            np.concatenate([matrix.data, *(row.coefficients for row in rows), -np.ones(count)]),
        ),
    )
