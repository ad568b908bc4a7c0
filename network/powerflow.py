"""The AC power flow of a park: its resources, loads and actuators on one batched grid."""

from collections.abc import Sequence
from copy import copy

import numpy as np
import numpy.typing as npt
import pandapower as pp

from network.ac_states import AcStates, Rests
from network.batched_flow import BatchedFlow
from network.model import elements, inject, to_pandapower
from vpp.park.model import Park
from vpp.park.positions import position_at_rest, position_range
from vpp.types import Array

KINDS = ("shunt", "statcom", "tap")
"""Kinds of actuators."""


class Oracle:
    """The AC power flow of a park: injections of its resources and loads in, states out.

    `elements` fixes the order of the columns: resources, then loads; `actuators` that of positions:
    steps in of a bank, tap position, Mvar injected by a statcom. Where no positions are given all
    stand `at_rest`: as in the park's tables, banks wholly in, statcoms at 0. Couplers are those of
    the tables. Building takes one pandapower run (tens of milliseconds).
    """

    def __init__(self, park: Park) -> None:
        self.park = park
        self.rests: Rests | None = None
        net = to_pandapower(park)
        # an imported grid may have no solution without the powers that it was delivered with
        points = park.operating_point.values()
        inject(net, {o.element: o.p_mw for o in points}, {o.element: o.q_mvar for o in points})
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        self.actuators = tuple(park.actuators)
        self.at_rest = np.array([position_at_rest(park, name) for name in self.actuators])
        spans = np.array([position_range(park, name) for name in self.actuators]).reshape(-1, 2)
        self.position_min, self.position_max = spans[:, 0], spans[:, 1]
        by_kind = {
            kind: [k for k, a in enumerate(park.actuators.values()) if a.kind == kind] for kind in KINDS
        }
        name_of = [actuator.element for actuator in park.actuators.values()]
        self._order = by_kind["shunt"] + by_kind["tap"]
        self._statcoms = by_kind["statcom"]
        banks, taps = ([name_of[k] for k in by_kind[kind]] for kind in ("shunt", "tap"))
        self.flow = BatchedFlow(net, banks=banks, taps=taps)
        self.elements = elements(park)
        self.buses, self.branches = self.flow.buses, self.flow.branches
        items = [park.resources.get(e) or park.loads[e] for e in self.elements]
        at = [self.flow.buses.index(item.bus) for item in items]
        self._at = at
        self._to_node = self.flow.to_node[at]
        bus_of = {shunt.name: shunt.bus for shunt in park.grid.shunts}
        self._statcom_at = [self.buses.index(bus_of[name_of[k]]) for k in self._statcoms]
        dead = [e for e, i in zip(self.elements, at, strict=True) if self.buses[i] in self.flow.unfed]
        self.notes = tuple(
            f"bus {b} is fed by no source: its voltage is unknown" for b in self.flow.unfed
        ) + tuple(f"{e} stands at a bus that no source feeds: its power is left out" for e in dead)

    def without(self, branches: Sequence[str]) -> "Oracle":
        """Return the power flow of the same park with branches (by name) out of service."""
        rest = copy(self)
        rest.rests = None
        rest.flow = self.flow.without(branches)
        rest._to_node = rest.flow.to_node[self._at]
        return rest

    def probing(self, buses: Sequence[str]) -> "Oracle":
        """Return the same power flow with an element more at each of these buses, after those of the park."""
        found = copy(self)
        found.elements = (*self.elements, *(f"bus:{bus}" for bus in buses))
        found._at = [*self._at, *(self.buses.index(bus) for bus in buses)]
        found._to_node = self.flow.to_node[found._at]
        return found

    def solve(
        self,
        p_mw: Array,
        q_mvar: Array,
        positions: Array | None = None,
        steps: npt.NDArray[np.int64] | None = None,
    ) -> AcStates:
        """Solve one power flow per row of injections of shape (steps, elements), MW and Mvar.

        `positions` has shape (steps, actuators), or (actuators,) for all steps alike. A single row
        may have shape (elements,). `steps` names the step of each row where branches are out in some
        (see `network.timetable`). ValueError for another shape.
        """
        p, q = np.atleast_2d(p_mw), np.atleast_2d(q_mvar)
        if p.shape != q.shape or p.shape[1] != len(self.elements):
            raise ValueError(f"expected (steps, {len(self.elements)}), got {p.shape} and {q.shape}")
        if self.rests is not None and (steps is not None or len(p) == len(self.rests.out)):
            rows = np.arange(len(p)) if steps is None else steps
            return self.rests.solve(self, (p, q, positions), rows)
        return self.flow.solve_nodes(*self.at_nodes(p, q, positions))

    def at_nodes(
        self, p_mw: Array, q_mvar: Array, positions: Array | None
    ) -> tuple[Array, Array, Array | None]:
        """Return injections at the internal nodes, statcoms among them, and positions of banks and taps."""
        with np.errstate(invalid="ignore"):  # an infinite injection becomes nan and is flagged
            p_node, q_node = p_mw @ self._to_node, q_mvar @ self._to_node
        if positions is None:
            return p_node, q_node, None
        at = np.broadcast_to(positions, (len(p_mw), len(self.actuators)))
        q_node = q_node + at[:, self._statcoms] @ self.flow.to_node[self._statcom_at]
        return p_node, q_node, at[:, self._order]
