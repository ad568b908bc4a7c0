"""How a grid's states move with its injections, around many operating points at once.

The power flow is linearised in rectangular coordinates at each solved point, where one linear
system answers for every element; a difference of power flows would ask for a flow per element.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from network.admittance import Complex
from network.powerflow import Oracle
from vpp.types import Array

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Derivatives by each element's MW at each step; nan where a step has no solution."""

    loading: Array
    """(steps, elements, branches), percent per MW."""
    vm: Array
    """(steps, elements, buses), pu per MW."""
    losses: Array
    """(steps, elements), MW per MW."""


def has_tangent(oracle: Oracle) -> bool:
    """Return whether `slopes` holds: not where branches are out in some steps or a low-voltage tap moves."""
    return oracle.rests is None and oracle.flow.admittance.exact


def slopes(oracle: Oracle, p_mw: Array, q_mvar: Array, positions: Array | None, *, q_per_p: Array) -> Slopes:
    """Return the derivatives at points of shape (steps, elements), positions (steps, actuators).

    Q moves by `q_per_p` (elements,) with an element's P.
    """
    flow = oracle.flow
    k, n = p_mw.shape
    found = Slopes(
        loading=np.full((k, n, len(oracle.branches)), np.nan),
        vm=np.full((k, n, len(oracle.buses)), np.nan),
        losses=np.full((k, n), np.nan),
    )
    p_node, q_node, at = oracle.at_nodes(p_mw, q_mvar, positions)
    v = flow.voltages(p_node, q_node, at)
    solved = np.isfinite(v).all(axis=1)
    alike = np.zeros(k, dtype=np.int64)
    if at is not None:
        # banks and taps stand still for hours: one admittance matrix serves many steps
        alike = np.unique(np.round(at, 6), axis=0, return_inverse=True)[1].ravel()
    for group in np.unique(alike[solved]):
        rows = np.flatnonzero(solved & (alike == group))
        stand = None if at is None else at[rows[0]]
        found.loading[rows], found.vm[rows], found.losses[rows] = _at_one_stand(
            oracle, v[rows], stand, q_per_p
        )
    return found


def _at_one_stand(
    oracle: Oracle, v: Complex, stand: Array | None, q_per_p: Array
) -> tuple[Array, Array, Array]:
    own = oracle.flow.admittance
    matrix, sides = own.at(stand)
    eye = np.eye(len(oracle.elements))
    to_node = oracle.at_nodes(eye, eye, None)[0]
    free = np.setdiff1d(np.flatnonzero(oracle.flow.live), own.slack)
    given = np.vstack([to_node[:, free].T, (to_node[:, free] * q_per_p[:, None]).T]) / own.base_mva
    moved = np.linalg.solve(_jacobian(matrix, v, free), np.broadcast_to(given, (len(v), *given.shape)))
    dv = np.zeros((len(v), len(matrix), len(to_node)), dtype=np.complex128)
    dv[:, free] = moved[:, : len(free)] + 1j * moved[:, len(free) :]
    vm = _along(v, dv)
    bus = oracle.flow.to_node
    fed = np.asarray(bus.any(axis=1))
    at_bus = np.where(fed[:, None], vm[:, bus.argmax(axis=1)], np.nan)
    drawn = np.einsum("sj,kjn->ksn", matrix[own.slack], dv)
    tie = own.base_mva * (v[:, own.slack, None] * np.conj(drawn)).real.sum(axis=1)
    # what is fed in at the slack's own node passes through no element
    losses = tie + to_node[:, free].sum(axis=1)
    return _loading(oracle, sides, v, dv), at_bus.transpose(0, 2, 1), losses


def _jacobian(matrix: Complex, v: Complex, free: Index) -> Array:
    """Return d(P, Q) / d(real, imaginary voltage) at the free nodes, (steps, 2 free, 2 free)."""
    current = np.conj(v @ matrix.T)[:, free]
    cross = v[:, free, None] * np.conj(matrix[np.ix_(free, free)])
    f, i = len(free), np.arange(len(free))
    slope = np.empty((len(v), 2 * f, 2 * f))
    slope[:, :f, :f], slope[:, :f, f:] = cross.real, cross.imag
    slope[:, f:, :f], slope[:, f:, f:] = cross.imag, -cross.real
    slope[:, i, i] += current.real
    slope[:, i, f + i] -= current.imag
    slope[:, f + i, i] += current.imag
    slope[:, f + i, f + i] += current.real
    return slope


def _along(z: Complex, dz: Complex) -> Array:
    """Return d|z| for z (steps, things) and dz (steps, things, elements); 0 where z is 0."""
    size = np.abs(z)
    unit = np.divide(np.conj(z), size, out=np.zeros_like(z), where=size > 0)
    return np.asarray((unit[:, :, None] * dz).real)


def _loading(oracle: Oracle, sides: Complex, v: Complex, dv: Complex) -> Array:
    """Return the derivative of the worse side's loading, (steps, elements, branches); 0 out of service."""
    own = oracle.flow.admittance
    row, rating_ka = oracle.flow.named_rows
    ends = own.ends[row]
    percent = 100.0 * own.base_mva / (3**0.5 * own.kv[ends]) / rating_ka
    size, rise = [], []
    for side in (0, 1):
        by_from, by_to = sides[row, side, 0], sides[row, side, 1]
        current = by_from * v[:, ends[:, 0]] + by_to * v[:, ends[:, 1]]
        change = by_from[:, None] * dv[:, ends[:, 0]] + by_to[:, None] * dv[:, ends[:, 1]]
        size.append(np.abs(current) * percent[:, side])
        rise.append(_along(current, change) * percent[:, side, None])
    worse = np.where((size[0] >= size[1])[:, :, None], rise[0], rise[1])
    worse[:, row < 0] = 0.0
    return worse.transpose(0, 2, 1)
