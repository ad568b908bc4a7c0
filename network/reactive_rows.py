"""How voltages, loadings, the tie's reactive power and the losses move with reactive power.

Sensitivities are finite differences of the batched power flow at a few reference steps; every other
step borrows those of the reference whose injections are nearest. They choose, the power flow judges.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from network.ac_states import AcStates
from network.powerflow import Oracle
from network.security import LOADING_MAX_PERCENT, tie_q_max_mvar, voltage_limits
from vpp.types import Array

FLOWS = 600
"""Power flows that one set of sensitivities may cost, at least `LEAST_REFERENCES` steps."""
LEAST_REFERENCES = 6
NUDGE_MVAR = 1.0
"""Forward difference: far above the solver's tolerance, far below any rating."""
CURVATURE_MVAR = 10.0
"""Step of the second difference of losses, which are close to quadratic."""
NEAR_LOADING_PERCENT = 90.0
"""A branch above this takes part; below, reactive power cannot overload it unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper limits on the values of `values_of`, the same rows in every step."""

    upper: Array
    """(steps, rows)."""
    scale: Array
    """(rows,) what counts as one unit of excess: a thousandth of voltage, a Mvar, a percent."""
    branches: npt.NDArray[np.int64]
    """Branches that take part."""


def limits_of(oracle: Oracle, states: AcStates, *, margins: tuple[float, float, float]) -> Limits:
    """Return the limits less margins: (vm pu, share of the tie's Mvar, percent of loading)."""
    bands = voltage_limits(oracle.park)
    low = np.array([bands[bus][0] for bus in oracle.buses])
    high = np.array([bands[bus][1] for bus in oracle.buses])
    vm, share, percent = margins
    branches = np.flatnonzero(np.nanmax(states.loading_percent, axis=0, initial=0.0) > NEAR_LOADING_PERCENT)
    steps = len(states.converged)
    tie = (1 - share) * tie_q_max_mvar(oracle.park, states.p_tie_mw)
    band = np.tile(np.concatenate([high - vm, -low - vm]), (steps, 1))
    loading = np.full((steps, len(branches)), LOADING_MAX_PERCENT - percent)
    return Limits(
        upper=np.hstack([band, tie[:, None], tie[:, None], loading]),
        scale=np.concatenate([np.full(2 * len(low), 1e-3), [1.0, 1.0], np.full(len(branches), 1.0)]),
        branches=branches,
    )


def values_of(states: AcStates, limits: Limits) -> Array:
    """Return (steps, rows): voltages, -voltages, tie Mvar, -tie Mvar, loadings; unknown ones are -inf."""
    tie = states.q_tie_mvar[:, None]
    loading = states.loading_percent[:, limits.branches]
    values = np.hstack([states.vm_pu, -states.vm_pu, tie, -tie, loading])
    return np.where(np.isfinite(values), values, -np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Changes per Mvar or per position, at reference steps."""

    reference: npt.NDArray[np.int64]
    """(steps,) which reference a step borrows from."""
    rows: Array
    """(references, rows, columns)."""
    losses: Array
    """(references, columns), MW."""
    at: Array
    """(references, columns) where the columns stood."""


def references(p_mw: Array, columns: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (chosen steps, for each step the number of its reference).

    Farthest points first, so that every kind of hour has one; then the nearest by injections.
    """
    most = min(len(p_mw), max(LEAST_REFERENCES, FLOWS // max(columns, 1)))
    chosen = [len(p_mw) // 2]
    away = np.abs(p_mw - p_mw[chosen[0]]).sum(axis=1)
    while len(chosen) < most and away.max() > 1e-6:
        chosen.append(int(np.argmax(away)))
        away = np.minimum(away, np.abs(p_mw - p_mw[chosen[-1]]).sum(axis=1))
    picked = np.array(sorted(chosen), dtype=np.int64)
    distance = np.abs(p_mw[:, None, :] - p_mw[picked][None, :, :]).sum(axis=2)
    return picked, np.argmin(distance, axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What may move: injections of elements, statcoms, and groups of banks or taps."""

    elements: npt.NDArray[np.int64]
    """Columns of `oracle.elements`."""
    statcoms: npt.NDArray[np.int64]
    """Columns of `oracle.actuators`."""

    @property
    def count(self) -> int:
        """Number of continuous columns."""
        return len(self.elements) + len(self.statcoms)

    def of(self, q_mvar: Array, positions: Array) -> Array:
        """Return (steps, columns) of a plan."""
        return np.hstack([q_mvar[:, self.elements], positions[:, self.statcoms]])

    def into(self, x: Array, q_mvar: Array, positions: Array) -> tuple[Array, Array]:
        """Return copies of (q_mvar, positions) with these columns written."""
        q, at = q_mvar.copy(), positions.copy()
        q[:, self.elements], at[:, self.statcoms] = np.split(x, [len(self.elements)], axis=1)
        return q, at


def slopes(
    oracle: Oracle,
    plan: tuple[Array, Array, Array],
    columns: Columns,
    limits: Limits,
    groups: tuple[npt.NDArray[np.int64], ...] = (),
) -> Slopes:
    """Return the slopes of limits and losses along `columns`, then along `groups` of actuators.

    `plan` is (p_mw, q_mvar, positions), each with a row per step. A group moves by one position,
    towards the middle of its range where it stands at an end.
    """
    p, q, at = plan
    picked, nearest = references(p, columns.count + len(groups))
    n, total = columns.count, columns.count + len(groups)
    x = columns.of(q[picked], at[picked])
    shape = (len(picked), total + 1)
    p_all = np.repeat(p[picked], total + 1, axis=0)
    q_all = np.repeat(q[picked], total + 1, axis=0).reshape(*shape, -1)
    at_all = np.repeat(at[picked], total + 1, axis=0).reshape(*shape, -1)
    for k, j in enumerate(columns.elements):
        q_all[:, k + 1, j] += NUDGE_MVAR
    for k, j in enumerate(columns.statcoms, start=len(columns.elements)):
        at_all[:, k + 1, j] += NUDGE_MVAR
    sign = np.ones((len(picked), total))
    for k, group in enumerate(groups, start=n):
        high = at[picked][:, group] + 1 > oracle.position_max[group]
        sign[:, k] = np.where(high.any(axis=1), -1.0, 1.0)
        at_all[:, k + 1, group] += sign[:, k, None]
    shaped = q_all.reshape(len(p_all), -1), at_all.reshape(len(p_all), -1)
    states = oracle.solve(p_all, *shaped, np.repeat(picked, total + 1))
    values = values_of(states, limits).reshape(*shape, -1)
    losses = states.losses_mw.reshape(shape)
    with np.errstate(invalid="ignore"):
        rows = (values[:, 1:] - values[:, :1]) * sign[:, :, None]
        d_losses = (losses[:, 1:] - losses[:, :1]) * sign
    return Slopes(
        reference=nearest,
        rows=np.nan_to_num(rows.transpose(0, 2, 1), nan=0.0, posinf=0.0, neginf=0.0),
        losses=np.nan_to_num(d_losses),
        at=x,
    )


def loss_curvature(oracle: Oracle, columns: Columns, p_mw: Array, q_mvar: Array, positions: Array) -> Array:
    """Return d2(losses)/dx2, (columns, columns), MW per Mvar squared, at one operating point.

    Second differences; made positive semidefinite, since what is left of other signs is noise.
    """
    m, h = columns.count, CURVATURE_MVAR
    left, right = np.triu_indices(m)
    moves = np.vstack([np.zeros((1, m)), h * np.eye(m), h * (np.eye(m)[left] + np.eye(m)[right])])
    q, at = np.tile(q_mvar, (len(moves), 1)), np.tile(positions, (len(moves), 1))
    q, at = columns.into(columns.of(q, at) + moves, q, at)
    first = np.zeros(len(moves), dtype=np.int64)
    mw = oracle.solve(np.tile(p_mw, (len(moves), 1)), q, at, first).losses_mw
    single, pair = mw[1 : m + 1], mw[m + 1 :]
    second = np.zeros((m, m))
    second[left, right] = (pair - single[left] - single[right] + mw[0]) / h**2
    second = second + np.triu(second, 1).T
    values, vectors = np.linalg.eigh(np.nan_to_num(second))
    curved: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return curved
