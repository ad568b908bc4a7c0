"""pandapower's internal branch model as input of power-grid-model.

Pi sections with an ideal transformer at the from side become generic branches, so both programs see
one admittance matrix; banks and taps that may move are components of their own (`movable.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
from pandapower.pypower import idx_brch, idx_bus
from power_grid_model import ComponentType, DatasetType, LoadGenType, PowerGridModel, initialize_array

from network.movable import Movable, bank_rows, tap_rows
from vpp.types import Array

SOURCE_SK_VA = 1e20
"""Short-circuit power of the slack: so large that its voltage is the one the table says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Named branches of a net and where each stands among the internal ones."""

    names: tuple[str, ...]
    row: npt.NDArray[np.int64]
    """(branches,) internal row; -1 out of service."""
    rating_ka: Array
    """(branches, 2): continuous current at the from and to side."""
    ends: npt.NDArray[np.int64]
    """(internal rows, 2): nodes of every series element, named or not."""


def to_internal(net: pp.pandapowerNet) -> npt.NDArray[np.int64]:
    """Return the internal row of every branch of the whole matrix, -1 out of service."""
    in_service = np.asarray(net._ppc["internal"]["branch_is"], dtype=bool)
    return np.where(in_service, np.cumsum(in_service) - 1, -1).astype(np.int64)


def branches_of(net: pp.pandapowerNet, internal: Array) -> Branches:
    """Return the named lines and two-winding transformers of a solved net; `internal` is its matrix."""
    lookup = net._pd2ppc_lookups["branch"]
    row_of = to_internal(net)
    assert (row_of >= 0).sum() == len(internal)
    names: list[str] = []
    rows: list[Any] = []
    ratings: list[Array] = []
    if "line" in lookup:
        line = net.line
        names += [str(name) for name in line["name"]]
        rows.append(row_of[slice(*lookup["line"])])
        i_max = (line["max_i_ka"] * line["df"] * line["parallel"]).to_numpy(dtype=float)
        ratings.append(np.column_stack([i_max, i_max]))
    if "trafo" in lookup:
        trafo = net.trafo
        names += [str(name) for name in trafo["name"]]
        rows.append(row_of[slice(*lookup["trafo"])])
        s_mva = (trafo["sn_mva"] * trafo["df"] * trafo["parallel"]).to_numpy(dtype=float)
        kv = trafo[["vn_hv_kv", "vn_lv_kv"]].to_numpy(dtype=float)
        ratings.append(s_mva[:, None] / (3**0.5 * kv))
    if "trafo3w" in lookup:
        star = net.trafo3w
        legs = row_of[slice(*lookup["trafo3w"])].reshape(3, len(star))
        for leg, side in zip(legs, ("hv", "mv", "lv"), strict=True):
            names += [f"{name}:{side}" for name in star["name"]]
            rows.append(leg)
            s_mva, kv = (
                star[f"{c}_{side}{u}"].to_numpy(dtype=float) for c, u in (("sn", "_mva"), ("vn", "_kv"))
            )
            i_max = s_mva / (3**0.5 * kv)
            # the other end is the star point, where nobody's rating holds
            none = np.full(len(star), np.inf)
            ratings.append(np.column_stack([i_max, none] if side == "hv" else [none, i_max]))
    return Branches(
        names=tuple(names),
        row=np.concatenate(rows).astype(np.int64),
        rating_ka=np.concatenate(ratings),
        ends=internal[:, [idx_brch.F_BUS, idx_brch.T_BUS]].astype(np.int64),
    )


def refuse_foreign(ppc: dict[str, Any]) -> None:
    """Raise ValueError for what a net holds and these equations do not."""
    bus, branch = np.real(ppc["bus"]), np.real(ppc["branch"])
    asymmetric = [idx_brch.BR_R_ASYM, idx_brch.BR_X_ASYM, idx_brch.BR_G_ASYM, idx_brch.BR_B_ASYM]
    if np.any(branch[:, asymmetric]):
        raise ValueError("branches with asymmetric series or shunt halves are not supported")
    if np.any(bus[:, [idx_bus.CID_P, idx_bus.CID_Q, idx_bus.CZD_P, idx_bus.CZD_Q]]):
        raise ValueError("loads that depend on the voltage are not supported")
    if any(len(ppc.get(table, ())) for table in ("svc", "tcsc", "ssc", "vsc")):
        raise ValueError("FACTS devices and DC grids are not supported")


def grid_model(
    net: pp.pandapowerNet, ppc: dict[str, Any], own: Movable, node_of: npt.NDArray[np.int64]
) -> PowerGridModel:
    """Return the power-grid-model of an internal net: a load of 0 at every node, slacks as sources.

    A transformer with a movable tap stands beside its generic branch, which is out of service.
    """
    bus, branch, base_mva = np.real(ppc["bus"]), np.real(ppc["branch"]), float(ppc["baseMVA"])
    n, m = len(bus), len(branch)
    kv = bus[:, idx_bus.BASE_KV]
    node = initialize_array(DatasetType.input, ComponentType.node, n)
    node["id"], node["u_rated"] = np.arange(n), kv * 1e3
    load = initialize_array(DatasetType.input, ComponentType.sym_load, n)
    load["id"], load["node"], load["status"] = n + np.arange(n), np.arange(n), 1
    load["type"], load["p_specified"], load["q_specified"] = LoadGenType.const_power, 0.0, 0.0
    ends = branch[:, [idx_brch.F_BUS, idx_brch.T_BUS]].astype(np.int64)
    z_base = kv[ends[:, 1]] ** 2 / base_mva
    line = initialize_array(DatasetType.input, ComponentType.generic_branch, m)
    line["id"], line["from_node"], line["to_node"] = 2 * n + np.arange(m), ends[:, 0], ends[:, 1]
    line["from_status"], line["to_status"] = 1, 1
    line["r1"], line["x1"] = branch[:, idx_brch.BR_R] * z_base, branch[:, idx_brch.BR_X] * z_base
    line["g1"], line["b1"] = branch[:, idx_brch.BR_G] / z_base, branch[:, idx_brch.BR_B] / z_base
    tap = branch[:, idx_brch.TAP]
    line["k"], line["theta"] = np.where(tap == 0, 1.0, tap), np.radians(branch[:, idx_brch.SHIFT])
    line["sn"] = base_mva * 1e6
    banks = bank_rows(net, own, node_of, first_id=4 * n + m)
    trafo = tap_rows(net, own, line, branch, first_id=4 * n + m + len(own.banks))
    line["from_status"][own.tap_branch] = line["to_status"][own.tap_branch] = 0
    return PowerGridModel(
        {
            ComponentType.node: node,
            ComponentType.sym_load: load,
            ComponentType.generic_branch: line,
            ComponentType.transformer: trafo,
            ComponentType.shunt: np.concatenate([_shunts(bus, first_id=2 * n + m), banks]),
            ComponentType.source: _sources(ppc, first_id=3 * n + m),
        },
        system_frequency=50.0,
    )


def _shunts(bus: Array, first_id: int) -> npt.NDArray[Any]:
    at = np.flatnonzero((bus[:, idx_bus.GS] != 0) | (bus[:, idx_bus.BS] != 0))
    shunt: npt.NDArray[Any] = initialize_array(DatasetType.input, ComponentType.shunt, len(at))
    # GS and BS are MW drawn and Mvar injected at 1 pu, whatever the base
    kv2 = bus[at, idx_bus.BASE_KV] ** 2
    shunt["id"], shunt["node"], shunt["status"] = first_id + np.arange(len(at)), at, 1
    shunt["g1"], shunt["b1"] = bus[at, idx_bus.GS] / kv2, bus[at, idx_bus.BS] / kv2
    return shunt


def _sources(ppc: dict[str, Any], first_id: int) -> npt.NDArray[Any]:
    slack = np.asarray(ppc["ref"], dtype=np.int64)
    source: npt.NDArray[Any] = initialize_array(DatasetType.input, ComponentType.source, len(slack))
    source["id"], source["node"], source["status"] = first_id + np.arange(len(slack)), slack, 1
    source["u_ref"], source["u_ref_angle"] = np.abs(ppc["V"][slack]), np.angle(ppc["V"][slack])
    source["sk"], source["rx_ratio"] = SOURCE_SK_VA, 0.1
    return source
