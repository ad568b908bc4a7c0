"""The one-step QP: stay with the targets, inside the rows; OSQP, built once, warm.

minimise  sum w (x - target)^2 + RHO * sum s^2
such that low <= x <= high,  slope . x - s <= limit
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite

import numpy as np
import osqp
from scipy import sparse

from controllers.acting.envelope import Row, row_excess
from controllers.acting.setpoints import Narrowed
from vpp.types import Array

WEIGHT: Mapping[str, float] = {"bess": 1.0, "electrolyzer": 4.0, "caes": 10.0, "wind": 30.0, "pv": 30.0}
"""Dislike of leaving the target, per MW squared: batteries first, curtailment last; assumption."""
RHO = 1e4
"""Price of a broken row: 20 MW moved by a battery leaves 0.002 of the row's unit."""
MAX_ROWS = 24
"""Rows of the compiled problem; the tightest ones are taken."""
SLACK_SCALE = 0.05
"""MW of slack per unit of its variable: keeps the Hessian's entries within a factor of 30."""
GAIN = 0.3
"""Greatest share of the tie error that one cycle feeds back (design, section 6)."""
SLOW_S = 300.0
"""Plant seconds after which an error that lasts is left to the tie and the next plan; assumption."""
DEAD_MW = 0.25
"""Fast errors below this move no battery; assumption: half of what the tie meter's class leaves open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The tie error as two first-order filters see it, MW."""

    fast_mw: float = 0.0
    slow_mw: float = 0.0

    @property
    def battery_mw(self) -> float:
        """What batteries give on top of the plan: the fast part, whose mean is 0.

        An error that lasts is the forecast's: it goes to the tie, whose limits are rows of the QP,
        until the next plan knows it. So batteries smooth the tie and keep the plan's energy.
        """
        fast_mw = self.fast_mw - self.slow_mw
        return 0.0 if abs(fast_mw) < DEAD_MW else fast_mw


def corrected(last: Correction, error_mw: float, dt_s: float) -> Correction:
    """Return the correction after one cycle of `dt_s` plant seconds.

    The error is measured minus planned residual demand, from which the batteries' own output has
    been taken out; both filters are of first order and cannot ring however slow a battery is.
    """
    return Correction(
        fast_mw=last.fast_mw + GAIN * (error_mw - last.fast_mw),
        slow_mw=last.slow_mw + min(GAIN, 1 - exp(-dt_s / SLOW_S)) * (error_mw - last.slow_mw),
    )


class Tracker:
    """The compiled QP of a fixed list of devices; `failures` counts solves that fell back."""

    def __init__(self, devices: Sequence[str], kinds: Mapping[str, str]) -> None:
        self.names = tuple(devices)
        self._at = {name: i for i, name in enumerate(self.names)}
        self._weight = np.array([WEIGHT.get(kinds[name], 10.0) for name in self.names])
        n, m = len(self.names), MAX_ROWS
        self._n = n
        matrix = sparse.csc_matrix(
            np.block([[np.eye(n), np.zeros((n, m))], [np.ones((m, n)), -SLACK_SCALE * np.eye(m)]])
        )
        self._solver = osqp.OSQP()
        hessian = sparse.diags(
            np.concatenate([2 * self._weight, np.full(m, 2 * RHO * SLACK_SCALE**2)]), format="csc"
        )
        self._lower = np.concatenate([np.zeros(n), np.full(m, -np.inf)])
        self._upper = np.concatenate([np.zeros(n), np.full(m, np.inf)])
        self._linear = np.zeros(n + m)
        self._slopes = np.ones((m, n))
        self._solver.setup(
            hessian,
            self._linear,
            matrix,
            self._lower,
            self._upper,
            verbose=False,
            eps_abs=1e-4,
            eps_rel=1e-5,
            max_iter=4000,
            check_termination=10,
            polishing=False,
            adaptive_rho_interval=25,
        )
        self.failures = 0

    def solve(
        self, targets: Mapping[str, float], ranges: Mapping[str, Narrowed], rows: Sequence[Row]
    ) -> dict[str, float]:
        """Return by device the value nearest to its target that rows and ranges allow.

        Devices without a target stay out. Clipped targets that break no row are the answer, exactly: a
        value that stays is a repeat and no new setpoint each second. They are it also where the solver
        gives no trusted one; the envelope follows anyway.
        """
        clipped = {d: min(max(p, ranges[d].low_mw), ranges[d].high_mw) for d, p in targets.items()}
        tight = [row for row in rows if _may_bind(row, clipped, ranges)]
        if not any(row_excess(row, clipped) > 0.0 for row in tight):
            return clipped
        self._load(targets, ranges, tight)
        result = self._solver.solve(raise_error=False)
        x = result.x[: self._n]
        if result.info.status_val not in (1, 2) or not np.isfinite(x).all():
            self.failures += 1
            return clipped
        return {d: float(min(max(x[self._at[d]], ranges[d].low_mw), ranges[d].high_mw)) for d in targets}

    def _load(
        self, targets: Mapping[str, float], ranges: Mapping[str, Narrowed], rows: Sequence[Row]
    ) -> None:
        n, m = self._n, MAX_ROWS
        self._linear[:n] = -2 * self._weight * [targets.get(d, 0.0) for d in self.names]
        self._lower[:n] = [ranges[d].low_mw if d in targets else 0.0 for d in self.names]
        self._upper[:n] = [ranges[d].high_mw if d in targets else 0.0 for d in self.names]
        slopes = np.zeros((m, n))
        self._upper[n:] = np.inf
        for i, row in enumerate(rows[:m]):
            scale = max((abs(k) for k in row.slope.values()), default=1.0) or 1.0
            offset = row.value
            for name, k in row.slope.items():
                if name in targets:
                    slopes[i, self._at[name]] = k / scale
                    offset -= k * row.base[name]
            self._upper[n + i] = (row.limit - offset) / scale
        if not np.array_equal(slopes, self._slopes):
            self._slopes = slopes
            self._solver.update(Ax=self._values(slopes))
        self._solver.update(q=self._linear, l=self._lower, u=self._upper)

    def _values(self, slopes: Array) -> Array:
        """Return the non-zeros of the constraint matrix, column by column, as compiled."""
        columns = np.vstack([np.ones((1, self._n)), slopes]).T.ravel()
        return np.concatenate([columns, np.full(MAX_ROWS, -SLACK_SCALE)])


def _may_bind(row: Row, at: Mapping[str, float], ranges: Mapping[str, Narrowed]) -> bool:
    """Return whether a row matters: over its limit, or within 20 MW of it, at the clipped targets."""
    moved = sum(k * (at[name] - row.base[name]) for name, k in row.slope.items() if name in at)
    reach = 20.0 * max((abs(k) for k in row.slope.values()), default=0.0)
    return isfinite(row.value) and row.value + moved > row.limit - reach
