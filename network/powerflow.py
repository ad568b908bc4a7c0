"""Batched AC power flow: hundreds of operating points of one grid in milliseconds.

The equations are pandapower's: its internal branch model (pi sections with an ideal transformer at
the from side) is handed to power-grid-model as generic branches, so both see one admittance matrix.
Powers here are injections, positive into the grid.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
from pandapower.pypower import idx_brch, idx_bus, idx_gen
from power_grid_model import ComponentType, DatasetType, LoadGenType, PowerGridModel, initialize_array
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from network.model import elements, to_pandapower
from vpp.park.model import Park
from vpp.types import Array

SOURCE_SK_VA = 1e20
"""Short-circuit power of the slack: so large that its voltage is the one the table says."""
TOLERANCE_PU = 1e-9
"""Newton's last voltage step; agreement with runpp is asked to 1e-6."""
COLLAPSED_PU = 0.5
"""A solution with a voltage below this lies on the lower branch of the nose curve (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcStates:
    """Operating points, a row per step; a step that found no solution is nan throughout."""

    buses: tuple[str, ...]
    branches: tuple[str, ...]
    vm_pu: Array
    """(steps, buses); nan at a bus that no source feeds."""
    loading_percent: Array
    """(steps, branches): current of the worse side by the continuous rating; 0 out of service."""
    p_tie_mw: Array
    """(steps,), import positive, all external grids together."""
    q_tie_mvar: Array
    """(steps,), import positive."""
    losses_mw: Array
    """(steps,), what the grid itself uses up: series, iron and shunt losses."""
    converged: npt.NDArray[np.bool_]
    """(steps,); False where there is no solution or an injection was not a finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branches:
    """Named branches of a net and where each stands among the internal ones."""

    names: tuple[str, ...]
    row: npt.NDArray[np.int64]
    """(branches,) internal row; -1 out of service."""
    rating_ka: Array
    """(branches, 2): continuous current at the from and to side."""
    ends: npt.NDArray[np.int64]
    """(internal rows, 2): nodes of every series element, named or not."""


class BatchedFlow:
    """A solved pandapower net, frozen: only the injections at its buses change from here on.

    Voltage-controlled generators have no counterpart: they stay at the P and Q of the solved state
    unless the caller's injections say otherwise. Three-winding transformers and impedances take
    part in the flow but have no loading. `buses` follow `net.bus`, `branches` are lines, then
    two-winding transformers. Raises ValueError for a net without a solution or with series elements
    whose two halves differ.
    """

    def __init__(self, net: pp.pandapowerNet) -> None:
        if not net.get("converged", False):
            raise ValueError("the net has no solved power flow: call pandapower.runpp first")
        ppc = net._ppc["internal"]
        bus, branch = ppc["bus"], np.real(ppc["branch"])
        asymmetric = [idx_brch.BR_R_ASYM, idx_brch.BR_X_ASYM, idx_brch.BR_G_ASYM, idx_brch.BR_B_ASYM]
        if np.any(branch[:, asymmetric]):
            raise ValueError("branches with asymmetric series or shunt halves are not supported")
        self.buses = tuple(str(name) for name in net.bus["name"])
        self._nodes = len(bus)
        node = np.asarray(net._pd2ppc_lookups["bus"])[net.bus.index.to_numpy()].astype(np.int64)
        self._node = np.where((node >= 0) & (node < self._nodes), node, -1)
        self.unfed = tuple(b for b, n in zip(self.buses, self._node, strict=True) if n < 0)
        """Buses that no source feeds: their injections are left out and their voltage is nan."""
        self.to_node = np.zeros((len(self.buses), self._nodes))
        """(buses, internal nodes): 1 where a bus lies in a node; closed couplers merge buses."""
        fed = np.flatnonzero(self._node >= 0)
        self.to_node[fed, self._node[fed]] = 1.0
        self._own(net, ppc)
        self._branches = _branches(net, branch)
        self._slack = np.asarray(ppc["ref"], dtype=np.int64)
        self._live = np.ones(self._nodes, dtype=np.bool_)
        self.branches = self._branches.names
        self._model = _grid(ppc)

    def _own(self, net: pp.pandapowerNet, ppc: dict[str, Any]) -> None:
        bus, gen = ppc["bus"], ppc["gen"]
        p, q = -bus[:, idx_bus.PD].copy(), -bus[:, idx_bus.QD].copy()
        slack = set(np.asarray(ppc["ref"]).tolist())
        for row in gen:
            node = int(row[idx_gen.GEN_BUS].real)
            if node not in slack:
                p[node] += row[idx_gen.PG].real
                q[node] += row[idx_gen.QG].real
        first = np.array(
            [np.flatnonzero(self._node == n)[0] if n in self._node else -1 for n in range(len(bus))]
        )
        self.p_mw, self.q_mvar = np.zeros(len(self.buses)), np.zeros(len(self.buses))
        """The net's own injections at the solved state, (buses,)."""
        named = first >= 0
        self.p_mw[first[named]], self.q_mvar[first[named]] = p[named], q[named]

    def without(self, branches: Sequence[str]) -> "BatchedFlow":
        """Return the same grid with branches (by name) out of service.

        Buses that are cut off join `unfed`: their injections are left out and their voltage is nan.
        """
        row, ends = self._branches.row, self._branches.ends
        out = np.array([row[self.branches.index(name)] for name in branches], dtype=np.int64)
        out = np.unique(out[out >= 0])
        rest = copy(self)
        rest._model = self._model.copy()
        update = initialize_array(DatasetType.update, ComponentType.generic_branch, len(out))
        update["id"], update["from_status"], update["to_status"] = 2 * self._nodes + out, 0, 0
        rest._model.update(update_data={ComponentType.generic_branch: update})
        kept = np.delete(ends, out, axis=0)
        graph = coo_array((np.ones(len(kept)), (kept[:, 0], kept[:, 1])), shape=(self._nodes,) * 2)
        _, island = connected_components(graph, directed=False)
        rest._live = self._live & np.isin(island, island[self._slack])
        fed = (self._node >= 0) & rest._live[self._node]
        rest._node = np.where(fed, self._node, -1)
        rest.unfed = tuple(bus for bus, is_fed in zip(self.buses, fed, strict=True) if not is_fed)
        rest.to_node = self.to_node * fed[:, None]
        rest._branches = replace(self._branches, row=np.where(np.isin(row, out), -1, row))
        return rest

    def solve(self, p_mw: Array, q_mvar: Array) -> AcStates:
        """Solve one power flow per row of injections of shape (steps, buses), in MW and Mvar."""
        return self.solve_nodes(p_mw @ self.to_node, q_mvar @ self.to_node)

    def solve_nodes(self, p_node_mw: Array, q_node_mvar: Array) -> AcStates:
        """Solve one power flow per row of injections at the internal nodes (see `to_node`)."""
        finite = np.asarray(np.isfinite(p_node_mw + q_node_mvar).all(axis=1), dtype=np.bool_)
        p = np.where(finite[:, None], p_node_mw, 0.0)
        q = np.where(finite[:, None], q_node_mvar, 0.0)
        out = self._model.calculate_power_flow(
            update_data={ComponentType.sym_load: {"p_specified": -1e6 * p, "q_specified": -1e6 * q}},
            output_component_types={
                ComponentType.node: {"u_pu"},
                ComponentType.source: {"p", "q"},
                ComponentType.generic_branch: {"i_from", "i_to"},
            },
            error_tolerance=TOLERANCE_PU,
            continue_on_batch_error=True,
        )
        u_pu = out[ComponentType.node]["u_pu"]
        ok = finite & (u_pu[:, self._live] > COLLAPSED_PU).all(axis=1)
        if (error := self._model.batch_error) is not None:
            ok[error.failed_scenarios] = False
        vm = u_pu[:, self._node]
        vm[:, self._node < 0] = np.nan
        side = out[ComponentType.generic_branch]
        loading = self._loading(side["i_from"], side["i_to"])
        tie = out[ComponentType.source]
        p_tie, q_tie = tie["p"].sum(axis=1) / 1e6, tie["q"].sum(axis=1) / 1e6
        losses = p_tie + p.sum(axis=1)
        for values in (vm, loading, p_tie, q_tie, losses):
            values[~ok] = np.nan
        return AcStates(
            buses=self.buses,
            branches=self.branches,
            vm_pu=vm,
            loading_percent=loading,
            p_tie_mw=p_tie,
            q_tie_mvar=q_tie,
            losses_mw=losses,
            converged=ok,
        )

    def _loading(self, i_from_a: Array, i_to_a: Array) -> Array:
        row, rating = self._branches.row, self._branches.rating_ka
        loading = np.maximum(i_from_a[:, row] / rating[:, 0], i_to_a[:, row] / rating[:, 1]) / 10
        loading[:, row < 0] = 0.0
        return loading


def _branches(net: pp.pandapowerNet, internal: Array) -> _Branches:
    lookup = net._pd2ppc_lookups["branch"]
    in_service = np.asarray(net._ppc["internal"]["branch_is"], dtype=bool)
    to_internal = np.where(in_service, np.cumsum(in_service) - 1, -1)
    assert in_service.sum() == len(internal)
    names: list[str] = []
    rows: list[Any] = []
    ratings: list[Array] = []
    if "line" in lookup:
        line = net.line
        names += [str(name) for name in line["name"]]
        rows.append(to_internal[slice(*lookup["line"])])
        i_max = (line["max_i_ka"] * line["df"] * line["parallel"]).to_numpy(dtype=float)
        ratings.append(np.column_stack([i_max, i_max]))
    if "trafo" in lookup:
        trafo = net.trafo
        names += [str(name) for name in trafo["name"]]
        rows.append(to_internal[slice(*lookup["trafo"])])
        s_mva = (trafo["sn_mva"] * trafo["df"] * trafo["parallel"]).to_numpy(dtype=float)
        kv = trafo[["vn_hv_kv", "vn_lv_kv"]].to_numpy(dtype=float)
        ratings.append(s_mva[:, None] / (3**0.5 * kv))
    return _Branches(
        names=tuple(names),
        row=np.concatenate(rows).astype(np.int64),
        rating_ka=np.concatenate(ratings),
        ends=internal[:, [idx_brch.F_BUS, idx_brch.T_BUS]].astype(np.int64),
    )


def _grid(ppc: dict[str, Any]) -> PowerGridModel:
    """Return the power-grid-model of an internal net: a load of 0 at every node, slacks as sources."""
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
    return PowerGridModel(
        {
            ComponentType.node: node,
            ComponentType.sym_load: load,
            ComponentType.generic_branch: line,
            ComponentType.shunt: _shunts(bus, first_id=2 * n + m),
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


class Oracle:
    """The AC power flow of a park: injections of its resources and loads in, states out.

    `elements` fixes the order of the columns: resources, then loads. Taps, banks and couplers are
    those of the park's tables. Building takes one pandapower run (tens of milliseconds).
    """

    def __init__(self, park: Park) -> None:
        self.park = park
        net = to_pandapower(park)
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        self.flow = BatchedFlow(net)
        self.elements = elements(park)
        self.buses, self.branches = self.flow.buses, self.flow.branches
        items = [park.resources.get(e) or park.loads[e] for e in self.elements]
        at = [self.flow.buses.index(item.bus) for item in items]
        self._at = at
        self._to_node = self.flow.to_node[at]
        dead = [e for e, i in zip(self.elements, at, strict=True) if self.buses[i] in self.flow.unfed]
        self.notes = tuple(
            f"bus {b} is fed by no source: its voltage is unknown" for b in self.flow.unfed
        ) + tuple(f"{e} stands at a bus that no source feeds: its power is left out" for e in dead)

    def without(self, branches: Sequence[str]) -> "Oracle":
        """Return the power flow of the same park with branches (by name) out of service."""
        rest = copy(self)
        rest.flow = self.flow.without(branches)
        rest._to_node = rest.flow.to_node[self._at]
        return rest

    def solve(self, p_mw: Array, q_mvar: Array) -> AcStates:
        """Solve one power flow per row of injections of shape (steps, elements), MW and Mvar.

        A single row may have shape (elements,). ValueError for another shape.
        """
        p, q = np.atleast_2d(p_mw), np.atleast_2d(q_mvar)
        if p.shape != q.shape or p.shape[1] != len(self.elements):
            raise ValueError(f"expected (steps, {len(self.elements)}), got {p.shape} and {q.shape}")
        with np.errstate(invalid="ignore"):  # an infinite injection becomes nan and is flagged
            return self.flow.solve_nodes(p @ self._to_node, q @ self._to_node)
