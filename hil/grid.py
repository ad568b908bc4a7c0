"""The plant's own AC power flow, batched over an advance and cross-checked by plain `runpp`."""

import numpy as np
import pandapower as pp

from network.ac_states import AcStates
from network.model import inject, place, q_per_p, to_pandapower
from network.powerflow import Oracle
from vpp.park import Park
from vpp.types import Array

AGREEMENT_PU = 1e-5
"""Largest deviation from `runpp` at any bus; beyond it the plant is wrong and stops."""


class Grid:
    """The grid behind the meters."""

    def __init__(self, park: Park) -> None:
        self._oracle = Oracle(park)
        self._rests: dict[frozenset[str], Oracle] = {frozenset(): self._oracle}
        """The grid without some branches, built when they first go out."""
        self._park = park
        self._net = to_pandapower(park)
        self.elements, self.buses = self._oracle.elements, self._oracle.buses
        self.q_per_p = {element: q_per_p(park, element) for element in self.elements}

    def solve(
        self, p_mw: Array, q_mvar: Array, positions: Array, out: frozenset[str] = frozenset()
    ) -> AcStates:
        """Solve the injections of shape (steps, elements); FloatingPointError where none exists.

        `positions` has shape (steps, actuators); the branches `out` are out of service.
        """
        if out not in self._rests:
            self._rests[out] = self._oracle.without(sorted(out))
        states = self._rests[out].solve(p_mw, q_mvar, positions)
        if not states.converged.all():
            worst = p_mw[int(np.flatnonzero(~states.converged)[0])]
            named = ", ".join(f"{e} {p:.1f}" for e, p in zip(self.elements, worst, strict=True))
            raise FloatingPointError(f"the plant's power flow has no solution at (MW): {named}")
        return states

    def deviation_pu(
        self, p_mw: Array, q_mvar: Array, positions: Array, vm_pu: Array, out: frozenset[str]
    ) -> float:
        """Return the largest voltage difference to `pandapower.runpp` for one row of values."""
        for table in (self._net.line, self._net.trafo):
            table["in_service"] = ~table["name"].isin(out)
        place(self._net, self._park, dict(zip(self._oracle.actuators, positions.tolist(), strict=True)))
        inject(
            self._net,
            dict(zip(self.elements, p_mw.tolist(), strict=True)),
            dict(zip(self.elements, q_mvar.tolist(), strict=True)),
        )
        pp.runpp(self._net, numba=False, calculate_voltage_angles=True)
        return float(np.nanmax(np.abs(self._net.res_bus["vm_pu"].to_numpy() - vm_pu)))
