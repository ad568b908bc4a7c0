"""Tie and feeder meters: the last measured step and the energy counters."""

import numpy as np

from network.ac_states import AcStates
from vpp.park import Park
from vpp.types import Array, Meter


class MeterState:
    """One meter; `take` gives it the power flow of an advance.

    The tie meter reads the external grid. A feeder meter reads what the elements at its bus draw
    together. Both count import (into the park, into the feeder) positive.
    """

    def __init__(self, meter: Meter, park: Park, elements: tuple[str, ...], buses: tuple[str, ...]) -> None:
        self._tie = meter.kind == "tie"
        self._bus = buses.index(meter.bus)
        at = [(park.resources.get(e) or park.loads[e]).bus == meter.bus for e in elements]
        self._here = np.array(at, dtype=bool)
        self.p_mw = 0.0
        self.q_mvar = 0.0
        self.vm_pu = 1.0
        self.energy_in_mwh = 0.0
        self.energy_out_mwh = 0.0

    def take(self, p_mw: Array, q_mvar: Array, states: AcStates, dt_s: float) -> None:
        """Take injections of shape (steps, elements) and their AC states, `dt_s` each."""
        if self._tie:
            p, q = states.p_tie_mw, states.q_tie_mvar
        else:
            p, q = -p_mw[:, self._here].sum(axis=1), -q_mvar[:, self._here].sum(axis=1)
        self.p_mw, self.q_mvar = float(p[-1]), float(q[-1])
        self.vm_pu = float(states.vm_pu[-1, self._bus])
        self.energy_in_mwh += float(np.maximum(p, 0.0).sum()) * dt_s / 3600
        self.energy_out_mwh += float(np.maximum(-p, 0.0).sum()) * dt_s / 3600
