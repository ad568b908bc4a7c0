"""Batched AC power flow: hundreds of operating points of one grid in milliseconds.

The equations are pandapower's: its internal branch model (pi sections with an ideal transformer at
the from side) is handed to power-grid-model as generic branches, so both see one admittance matrix.
Powers here are injections, positive into the grid.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
from pandapower.pypower import idx_bus, idx_gen
from power_grid_model import ComponentType, DatasetType, initialize_array
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from network.ac_states import AcStates
from network.admittance import admittance
from network.held import Complex, NodeFlow, held, solve_held
from network.internal import branches_of, grid_model, refuse_foreign, to_internal
from network.movable import movable, moves, siemens_per_step
from vpp.types import Array

TOLERANCE_PU = 1e-9
"""Newton's last voltage step; agreement with runpp is asked to 1e-6."""
COLLAPSED_PU = 0.5
"""A solution with a voltage below this lies on the lower branch of the nose curve (assumption)."""


class BatchedFlow:
    """A solved pandapower net, frozen: only injections, and banks and taps named as movable, change.

    Voltage-controlled generators hold the voltages of the solved state with whatever Q it takes, as
    in `runpp` without Q limits; such a net has no `without` and nothing movable. Impedances take part
    in the flow but have no loading. `buses` follow `net.bus`, `branches` are lines, two-winding
    transformers, and `NAME:hv`, `NAME:mv`, `NAME:lv` of three-winding ones. Raises ValueError for a
    net without a solution and for what has no counterpart here: series elements whose halves differ,
    loads that depend on the voltage, DC lines.
    """

    def __init__(self, net: pp.pandapowerNet, *, banks: Sequence[str] = (), taps: Sequence[str] = ()) -> None:
        if not net.get("converged", False):
            raise ValueError("the net has no solved power flow: call pandapower.runpp first")
        ppc = net._ppc["internal"]
        bus, branch = ppc["bus"], np.real(ppc["branch"])
        refuse_foreign(ppc)
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
        self._branches = branches_of(net, branch)
        self._slack = np.asarray(ppc["ref"], dtype=np.int64)
        self._live = np.ones(self._nodes, dtype=np.bool_)
        self.branches = self._branches.names
        lookup = net._pd2ppc_lookups["branch"]
        internal = to_internal(net)[slice(*lookup["trafo"])] if "trafo" in lookup else np.empty(0, np.int64)
        self.movable = movable(net, banks, taps, internal)
        self._per_step = siemens_per_step(net, self.movable)
        self.admittance = admittance(net, ppc, self.movable, node)
        self._model = grid_model(net, ppc, self.movable, node)
        self._held = held(ppc)
        if self._held is not None and (banks or taps):
            raise ValueError("banks and taps cannot move where generators hold voltages")

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
        if self._held is not None:
            raise ValueError("branches cannot be taken out where generators hold voltages")
        row, ends = self._branches.row, self._branches.ends
        out = np.array([row[self.branches.index(name)] for name in branches], dtype=np.int64)
        out = np.unique(out[out >= 0])
        rest = copy(self)
        rest._model = self._model.copy()
        update = initialize_array(DatasetType.update, ComponentType.generic_branch, len(out))
        update["id"], update["from_status"], update["to_status"] = 2 * self._nodes + out, 0, 0
        moving = np.flatnonzero(np.isin(self.movable.tap_branch, out))
        trafo = initialize_array(DatasetType.update, ComponentType.transformer, len(moving))
        trafo["id"], trafo["from_status"], trafo["to_status"] = self._first_tap + moving, 0, 0
        rest._model.update(
            update_data={ComponentType.generic_branch: update, ComponentType.transformer: trafo}
        )
        rest.admittance = self.admittance.without(out[np.any(self.admittance.sides[out], axis=(1, 2))])
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

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """Return (internal nodes,): True where a source feeds."""
        return self._live

    @property
    def named_rows(self) -> tuple[npt.NDArray[np.int64], Array]:
        """Return (internal row or -1, rating in kA at both ends) of every named branch."""
        return self._branches.row, self._branches.rating_ka

    @property
    def _first_tap(self) -> int:
        """Id of the first transformer of `movable`, behind nodes, loads, branches, shunts and sources."""
        return 4 * self._nodes + len(self._branches.ends) + len(self.movable.banks)

    def solve(self, p_mw: Array, q_mvar: Array, positions: Array | None = None) -> AcStates:
        """Solve one power flow per row of injections of shape (steps, buses), in MW and Mvar.

        `positions` has shape (steps, banks + taps): steps in, then tap positions, in the order named;
        without it all stand as in the solved net.
        """
        return self.solve_nodes(p_mw @ self.to_node, q_mvar @ self.to_node, positions)

    def solve_nodes(self, p_node_mw: Array, q_node_mvar: Array, positions: Array | None = None) -> AcStates:
        """Solve one power flow per row of injections at the internal nodes (see `to_node`)."""
        finite = np.asarray(np.isfinite(p_node_mw + q_node_mvar).all(axis=1), dtype=np.bool_)
        p = np.where(finite[:, None], p_node_mw, 0.0)
        q = np.where(finite[:, None], q_node_mvar, 0.0)
        flow = self._flow(p, q, positions) if self._held is None else solve_held(self._held, p, q)
        ok = finite & flow.converged & (flow.vm_pu[:, self._live] > COLLAPSED_PU).all(axis=1)
        vm = flow.vm_pu[:, self._node]
        vm[:, self._node < 0] = np.nan
        loading = self._loading(flow.i_from_a, flow.i_to_a)
        losses = flow.p_tie_mw + p.sum(axis=1)
        for values in (vm, loading, flow.p_tie_mw, flow.q_tie_mvar, losses):
            values[~ok] = np.nan
        return AcStates(
            buses=self.buses,
            branches=self.branches,
            vm_pu=vm,
            loading_percent=loading,
            p_tie_mw=flow.p_tie_mw,
            q_tie_mvar=flow.q_tie_mvar,
            losses_mw=losses,
            converged=ok,
        )

    def voltages(self, p_node_mw: Array, q_node_mvar: Array, positions: Array | None = None) -> Complex:
        """Return complex voltages in pu, (steps, internal nodes).

        0 where no source feeds, nan in a step without a solution. ValueError where generators hold
        voltages.
        """
        if self._held is not None:
            raise ValueError("voltages are not told where generators hold them")
        s = p_node_mw + 1j * q_node_mvar
        finite = np.asarray(np.isfinite(s).all(axis=1), dtype=np.bool_)
        s = np.where(finite[:, None], s, 0.0)
        out, ok = self._run(s.real, s.imag, positions, {ComponentType.node: {"u_pu", "u_angle"}})
        node = out[ComponentType.node]
        v = np.asarray(node["u_pu"] * np.exp(1j * node["u_angle"]))
        v[:, ~self._live] = 0.0
        v[~(finite & ok & (np.abs(v[:, self._live]) > COLLAPSED_PU).all(axis=1))] = np.nan
        return v

    def _run(
        self, p: Array, q: Array, positions: Array | None, wanted: Any
    ) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Return power-grid-model's answer and (steps,) whether it found one."""
        first = 4 * self._nodes + len(self._branches.ends)
        moved = {} if positions is None else moves(self.movable, self._per_step, positions, first)
        drawn = {"p_specified": -1e6 * p, "q_specified": -1e6 * q}
        out = self._model.calculate_power_flow(
            update_data={ComponentType.sym_load: drawn, **moved},
            output_component_types=wanted,
            error_tolerance=TOLERANCE_PU,
            continue_on_batch_error=True,
        )
        ok = np.ones(len(p), dtype=np.bool_)
        if (error := self._model.batch_error) is not None:
            ok[error.failed_scenarios] = False
        return out, ok

    def _flow(self, p: Array, q: Array, positions: Array | None) -> NodeFlow:
        wanted = {
            ComponentType.node: {"u_pu"},
            ComponentType.source: {"p", "q"},
            ComponentType.generic_branch: {"i_from", "i_to"},
            ComponentType.transformer: {"i_from", "i_to"},
        }
        out, ok = self._run(p, q, positions, wanted)
        side = out[ComponentType.generic_branch]
        if self.movable.taps:
            for end in ("i_from", "i_to"):
                side[end][:, self.movable.tap_branch] = out[ComponentType.transformer][end]
        tie = out[ComponentType.source]
        return NodeFlow(
            vm_pu=out[ComponentType.node]["u_pu"],
            i_from_a=side["i_from"],
            i_to_a=side["i_to"],
            p_tie_mw=tie["p"].sum(axis=1) / 1e6,
            q_tie_mvar=tie["q"].sum(axis=1) / 1e6,
            converged=ok,
        )

    def _loading(self, i_from_a: Array, i_to_a: Array) -> Array:
        row, rating = self._branches.row, self._branches.rating_ka
        loading = np.maximum(i_from_a[:, row] / rating[:, 0], i_to_a[:, row] / rating[:, 1]) / 10
        loading[:, row < 0] = 0.0
        return loading
