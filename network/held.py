"""Batched AC power flow of grids with voltage-controlled generators, which power-grid-model lacks.

Newton's method in polar coordinates, all rows of a batch at once with the matrix of the solved net
(chord method); rows that this does not bring home are solved one by one with their own matrix.
Powers are injections, positive into the grid.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pandapower.pypower import idx_brch, idx_bus
from scipy.sparse import block_array, csc_array, csr_array, diags_array, vstack
from scipy.sparse.linalg import splu

from vpp.types import Array

Complex = npt.NDArray[np.complex128]
Index = npt.NDArray[np.int64]

MISMATCH_PU = 1e-9
"""Greatest power left over at a node, per unit of the net's base (usually 100 MVA)."""
CHORD_STEPS = 20
"""Steps with the frozen matrix: it wins a digit or two a step near the solved net."""
NEWTON_STEPS = 20
"""Steps with a matrix of their own for the rows that are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A solved net with voltage-controlled nodes, in per unit."""

    admittance: csr_array[Any]
    """(nodes, nodes)"""
    currents: csr_array[Any]
    """(2 x branches, nodes): currents at the from sides, then at the to sides."""
    base_a: Array
    """(2 x branches,): amperes of one per unit there."""
    base_mva: float
    v: Complex
    """(nodes,), solved."""
    slack: Index
    at: Index
    """Nodes with an unknown angle: voltage-controlled, then the others."""
    free: Index
    """Nodes with an unknown voltage."""
    inverse: Array
    """Of the Jacobian at `v`, (unknowns, unknowns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFlow:
    """Solved rows of a batch; where `converged` is False the numbers mean nothing."""

    vm_pu: Array
    """(rows, nodes)"""
    i_from_a: Array
    i_to_a: Array
    """(rows, branches)"""
    p_tie_mw: Array
    q_tie_mvar: Array
    """(rows,), import positive."""
    converged: npt.NDArray[np.bool_]


def held(ppc: dict[str, Any]) -> Held | None:
    """Return the net of pandapower's internal matrices, None where no generator holds a voltage."""
    controlled = np.asarray(ppc["pv"], dtype=np.int64)
    if not len(controlled):
        return None
    free = np.asarray(ppc["pq"], dtype=np.int64)
    at = np.concatenate([controlled, free])
    kv = np.real(ppc["bus"])[:, idx_bus.BASE_KV]
    ends = np.real(ppc["branch"])[:, [idx_brch.F_BUS, idx_brch.T_BUS]].astype(np.int64)
    base_mva = float(ppc["baseMVA"])
    v = np.asarray(ppc["V"], dtype=np.complex128)
    admittance = csr_array(ppc["Ybus"])
    slopes = _jacobian(admittance, v, at, free)
    return Held(
        admittance=admittance,
        currents=csr_array(vstack([csr_array(ppc["Yf"]), csr_array(ppc["Yt"])])),
        base_a=base_mva * 1e3 / (3**0.5 * kv[ends.T.ravel()]),
        base_mva=base_mva,
        v=v,
        slack=np.asarray(ppc["ref"], dtype=np.int64),
        at=at,
        free=free,
        inverse=splu(slopes).solve(np.eye(slopes.shape[0], dtype=np.float64)),
    )


def solve_held(net: Held, p_mw: Array, q_mvar: Array) -> NodeFlow:
    """Solve one power flow per row of finite injections at the nodes, shape (rows, nodes).

    At the slack nodes and for the Q of voltage-controlled nodes the injections state what is drawn
    there beside the generators.
    """
    s = np.asarray(p_mw + 1j * q_mvar, dtype=np.complex128) / net.base_mva
    with np.errstate(all="ignore"):  # a row without a solution runs away
        v, ok = _chord(net, s)
        for row in np.flatnonzero(~ok):
            v[row], ok[row] = _newton(net, s[row])
        amperes = np.abs(_times(net.currents, v)) * net.base_a
        slack = net.slack
        tie = v[:, slack] * np.conj(_times(net.admittance, v)[:, slack]) - s[:, slack]
    half = len(net.base_a) // 2
    return NodeFlow(
        vm_pu=np.abs(v),
        i_from_a=amperes[:, :half],
        i_to_a=amperes[:, half:],
        p_tie_mw=net.base_mva * tie.real.sum(axis=1),
        q_tie_mvar=net.base_mva * tie.imag.sum(axis=1),
        converged=ok,
    )


def _chord(net: Held, s: Complex) -> tuple[Complex, npt.NDArray[np.bool_]]:
    angle = np.tile(np.angle(net.v), (len(s), 1))
    size = np.tile(np.abs(net.v), (len(s), 1))
    for _ in range(CHORD_STEPS):
        v = size * np.exp(1j * angle)
        left = _left_over(net, v, s)
        ok = np.asarray(np.abs(left).max(axis=1, initial=0.0) < MISMATCH_PU)
        if ok.all():
            break
        step = left @ net.inverse.T
        angle[:, net.at] -= step[:, : len(net.at)]
        size[:, net.free] -= step[:, len(net.at) :]
    return v, ok


def _newton(net: Held, s: Complex) -> tuple[Complex, bool]:
    angle, size = np.angle(net.v), np.abs(net.v)
    for _ in range(NEWTON_STEPS):
        v = size * np.exp(1j * angle)
        left = _left_over(net, v[None], s[None])[0]
        if not np.isfinite(left).all():
            break
        if np.abs(left).max(initial=0.0) < MISMATCH_PU:
            return v, True
        try:
            step = splu(_jacobian(net.admittance, v, net.at, net.free)).solve(left)
        except RuntimeError:  # exactly singular
            break
        angle[net.at] -= step[: len(net.at)]
        size[net.free] -= step[len(net.at) :]
    return net.v, False


def _left_over(net: Held, v: Complex, s: Complex) -> Array:
    """Return computed minus given power at the unknowns, (rows, unknowns): P, then Q."""
    more = v * np.conj(_times(net.admittance, v)) - s
    return np.concatenate([more.real[:, net.at], more.imag[:, net.free]], axis=1)


def _times(matrix: csr_array[Any], v: Complex) -> Complex:
    """Return the matrix times every row of `v`."""
    return np.asarray(matrix @ v.T, dtype=np.complex128).T


def _jacobian(admittance: csr_array[Any], v: Complex, at: Index, free: Index) -> csc_array[Any]:
    """Return d(P at `at`, Q at `free`) / d(angle at `at`, voltage at `free`)."""
    voltage, current = diags_array(v), diags_array(_times(admittance, v))
    unit = diags_array(v / np.abs(v))
    by_angle = 1j * voltage @ (current - admittance @ voltage).conj()
    by_size = voltage @ (admittance @ unit).conj() + current.conj() @ unit
    a, m = csr_array(by_angle), csr_array(by_size)
    rows = [[a[at][:, at].real, m[at][:, free].real], [a[free][:, at].imag, m[free][:, free].imag]]
    return csc_array(block_array(rows))
