"""Banks and taps that may move from solve to solve, as power-grid-model components.

A bank is a shunt whose susceptance is what its steps differ by from the solved net. A tapped
transformer is power-grid-model's own, with the series impedance and half shunts of pandapower's
internal branch: the same equations, and its tap may differ in every row of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
from pandapower.pypower import idx_brch
from power_grid_model import BranchSide, ComponentType, DatasetType, WindingType, initialize_array

from vpp.types import Array

Rows = npt.NDArray[Any]
"""A structured array of power-grid-model's input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable:
    """Named banks and transformers of a solved net and their rows there."""

    banks: tuple[str, ...]
    bank_row: tuple[Any, ...]
    """Index in `net.shunt`."""
    taps: tuple[str, ...]
    tap_row: tuple[Any, ...]
    """Index in `net.trafo`."""
    tap_branch: npt.NDArray[np.int64]
    """Row of the internal branch matrix."""
    bank_steps: Array
    """(banks,) steps of the solved net."""
    tap_pos: Array
    """(taps,) positions of the solved net."""


def movable(
    net: pp.pandapowerNet, banks: Sequence[str], taps: Sequence[str], internal: npt.NDArray[np.int64]
) -> Movable:
    """Return the named banks and taps; KeyError for a name that the net lacks.

    `internal` is the internal branch row of every transformer in the order of `net.trafo`, -1 out
    of service. ValueError for a bank or tap out of service or a tap changer that is no ratio.
    """
    bank_of = {str(name): i for i, name in net.shunt["name"].items()}
    tap_of = {str(name): i for i, name in net.trafo["name"].items()}
    bank_row, tap_row = tuple(bank_of[n] for n in banks), tuple(tap_of[n] for n in taps)
    rows = np.array([internal[net.trafo.index.get_loc(i)] for i in tap_row], dtype=np.int64)
    for name, i, row in zip(taps, tap_row, rows, strict=True):
        if row < 0 or net.trafo.at[i, "tap_changer_type"] != "Ratio":
            raise ValueError(f"transformer {name} is out of service or has no ratio tap changer")
    return Movable(
        banks=tuple(banks),
        bank_row=bank_row,
        taps=tuple(taps),
        tap_row=tap_row,
        tap_branch=rows,
        bank_steps=np.array([net.shunt.at[i, "step"] for i in bank_row], dtype=float),
        tap_pos=np.array([net.trafo.at[i, "tap_pos"] for i in tap_row], dtype=float),
    )


def bank_rows(net: pp.pandapowerNet, own: Movable, node: npt.NDArray[np.int64], first_id: int) -> Rows:
    """Return a shunt of nothing at the internal node of each bank."""
    shunt: Rows = initialize_array(DatasetType.input, ComponentType.shunt, len(own.banks))
    shunt["id"], shunt["status"] = first_id + np.arange(len(own.banks)), 1
    shunt["node"] = [node[net.bus.index.get_loc(net.shunt.at[i, "bus"])] for i in own.bank_row]
    shunt["g1"] = shunt["b1"] = 0.0
    return shunt


def siemens_per_step(net: pp.pandapowerNet, own: Movable) -> tuple[Array, Array]:
    """Return (g, b) in siemens that one more step of each bank adds; a capacitor's b is positive."""
    rows = net.shunt.loc[list(own.bank_row)]
    kv2 = rows["vn_kv"].to_numpy(dtype=float) ** 2
    return rows["p_mw"].to_numpy(dtype=float) / kv2, -rows["q_mvar"].to_numpy(dtype=float) / kv2


def moves(
    own: Movable, per_step: tuple[Array, Array], positions: Array, first_id: int
) -> dict[ComponentType, Any]:
    """Return the batch update that puts banks and taps where `positions` say, (rows, banks + taps).

    `first_id` is the id of the first bank, the taps follow; a position that is no number counts as 0.
    """
    rows, banks = len(positions), len(own.banks)
    steps, taps = np.split(np.nan_to_num(positions), [banks], axis=1)
    found: dict[ComponentType, Any] = {}
    ids = np.arange(first_id, first_id + banks + len(own.taps), dtype=np.int32)
    if own.banks:
        more = steps - own.bank_steps
        found[ComponentType.shunt] = {
            "id": np.tile(ids[:banks], (rows, 1)),
            "g1": more * per_step[0],
            "b1": more * per_step[1],
        }
    if own.taps:
        found[ComponentType.transformer] = {
            "id": np.tile(ids[banks:], (rows, 1)),
            "tap_pos": np.round(taps).astype(np.int8),
        }
    return found


def tap_rows(
    net: pp.pandapowerNet,
    own: Movable,
    line: Rows,
    branch: Array,
    first_id: int,
) -> Rows:
    """Return the transformers that stand for the generic branches `line[own.tap_branch]`.

    Short-circuit and no-load figures are computed back from the branch: `uk`, `pk` from its series
    impedance, `i0`, `p0` from its shunt, all at the rated low voltage of the present tap.
    """
    plate = net.trafo.loc[list(own.tap_row)]
    row = own.tap_branch
    trafo: Rows = initialize_array(DatasetType.input, ComponentType.transformer, len(row))
    trafo["id"] = first_id + np.arange(len(row))
    for end in ("from_node", "to_node"):
        trafo[end] = line[end][row]
    trafo["from_status"], trafo["to_status"] = 1, 1
    u1, u2 = (plate[c].to_numpy(dtype=float) * 1e3 for c in ("vn_hv_kv", "vn_lv_kv"))
    share = plate["tap_step_percent"].to_numpy(dtype=float) / 100
    neutral = np.nan_to_num(plate["tap_neutral"].to_numpy(dtype=float))
    low = (plate["tap_side"] == "lv").to_numpy()
    u2_now = np.where(low, u2 * (1 + (own.tap_pos - neutral) * share), u2)
    sn = plate["sn_mva"].to_numpy(dtype=float) * 1e6
    r, x, g, b = (line[c][row] for c in ("r1", "x1", "g1", "b1"))
    trafo["u1"], trafo["u2"], trafo["sn"] = u1, u2, sn
    trafo["uk"], trafo["pk"] = np.hypot(r, x) * sn / u2_now**2, r * (sn / u2_now) ** 2
    trafo["i0"], trafo["p0"] = np.hypot(g, b) * u2_now**2 / sn, g * u2_now**2
    trafo["winding_from"], trafo["winding_to"] = WindingType.wye_n, WindingType.wye_n
    trafo["clock"] = 0
    trafo["tap_side"] = np.where(low, BranchSide.to_side, BranchSide.from_side)
    for column in ("tap_min", "tap_max", "tap_pos"):
        trafo[column] = plate[column].to_numpy(dtype=float).astype(np.int8)
    trafo["tap_nom"] = neutral.astype(np.int8)
    trafo["tap_size"] = np.where(low, u2, u1) * share
    if np.any(branch[row, idx_brch.SHIFT]):
        raise ValueError("a tapped transformer with a phase shift cannot move in a batch")
    return trafo
