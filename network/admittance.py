"""The admittances of a solved grid, and how banks and taps change them; per unit of the net's base."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
from pandapower.pypower import idx_brch, idx_bus

from network.movable import Movable
from vpp.types import Array

Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admittance:
    """Nodes, series elements and what moves in them."""

    base_mva: float
    kv: Array
    """(nodes,): base voltages."""
    ends: npt.NDArray[np.int64]
    """(rows, 2): from and to node of each series element."""
    sides: Complex
    """(rows, 2, 2): current at (from, to) per voltage at (from, to)."""
    matrix: Complex
    """(nodes, nodes) with every element in service."""
    slack: npt.NDArray[np.int64]
    slack_pu: Complex
    bank_node: npt.NDArray[np.int64]
    bank_pu: Complex
    """What one more step of each bank adds at its node."""
    bank_steps: Array
    tap_row: npt.NDArray[np.int64]
    tap_pos: Array
    tap_share: Array
    """Change of the from-side ratio per tap, as a share of the neutral one."""
    tap_neutral: Array
    exact: bool
    """Whether positions change only banks and from-side taps, as here."""

    def at(self, positions: Array | None) -> "tuple[Complex, Complex]":
        """Return (matrix, sides) with banks and taps at `positions`, (banks + taps,)."""
        if positions is None:
            return self.matrix, self.sides
        matrix, sides = self.matrix.copy(), self.sides.copy()
        steps, taps = np.split(np.nan_to_num(positions), [len(self.bank_node)])
        np.add.at(matrix, (self.bank_node, self.bank_node), (steps - self.bank_steps) * self.bank_pu)
        ratio = 1 + (np.round(taps) - self.tap_neutral) * self.tap_share
        ratio /= 1 + (self.tap_pos - self.tap_neutral) * self.tap_share
        one = np.ones_like(ratio)
        by = np.array([[ratio * ratio, ratio], [ratio, one]]).transpose(2, 0, 1)
        sides[self.tap_row] = self.sides[self.tap_row] / by
        self._add(matrix, self.tap_row, sides[self.tap_row] - self.sides[self.tap_row])
        return matrix, sides

    def _add(self, matrix: Complex, rows: npt.NDArray[np.int64], sides: Complex) -> None:
        ends = self.ends[rows]
        np.add.at(matrix, (ends[:, :, None], ends[:, None, :]), sides)

    def without(self, rows: npt.NDArray[np.int64]) -> "Admittance":
        """Return the same grid with series elements out of service."""
        matrix, sides = self.matrix.copy(), self.sides.copy()
        self._add(matrix, rows, -sides[rows])
        sides[rows] = 0.0
        return replace(self, matrix=matrix, sides=sides)


def admittance(
    net: pp.pandapowerNet, ppc: dict[str, Any], own: Movable, node_of: npt.NDArray[np.int64]
) -> Admittance:
    """Return the admittances of a solved net's internal matrices; `node_of` is the node of each bus."""
    bus, branch = np.real(ppc["bus"]), np.real(ppc["branch"])
    kv, base_mva = bus[:, idx_bus.BASE_KV], float(ppc["baseMVA"])
    ends = branch[:, [idx_brch.F_BUS, idx_brch.T_BUS]].astype(np.int64)
    rows = np.arange(len(ends))
    sides = np.stack(
        [
            np.stack([np.asarray(y[rows, ends[:, k]]).ravel() for k in (0, 1)], axis=1)
            for y in (ppc["Yf"], ppc["Yt"])
        ],
        axis=1,
    )
    bank_node = np.array(
        [node_of[net.bus.index.get_loc(net.shunt.at[i, "bus"])] for i in own.bank_row], dtype=np.int64
    )
    step = net.shunt.loc[list(own.bank_row)]
    vn = step["vn_kv"].to_numpy(dtype=float)
    per_step = (step["p_mw"].to_numpy(dtype=float) - 1j * step["q_mvar"].to_numpy(dtype=float)) / base_mva
    plate = net.trafo.loc[list(own.tap_row)]
    slack = np.asarray(ppc["ref"], dtype=np.int64)
    return Admittance(
        base_mva=base_mva,
        kv=kv,
        ends=ends,
        sides=sides,
        matrix=np.asarray(ppc["Ybus"].todense(), dtype=np.complex128),
        slack=slack,
        slack_pu=np.asarray(ppc["V"])[slack],
        bank_node=bank_node,
        bank_pu=per_step * (kv[bank_node] / vn) ** 2 if len(bank_node) else np.empty(0, np.complex128),
        bank_steps=own.bank_steps,
        tap_row=own.tap_branch,
        tap_pos=own.tap_pos,
        tap_share=plate["tap_step_percent"].to_numpy(dtype=float) / 100,
        tap_neutral=np.nan_to_num(plate["tap_neutral"].to_numpy(dtype=float)),
        exact=bool((plate["tap_side"] == "hv").all()),
    )
