"""A power flow whose branches are out of service in some steps: planned outages of a window."""

from collections.abc import Sequence
from copy import copy
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from network.ac_states import AcStates, Rests
from network.powerflow import Oracle
from vpp.types import Array


def timetabled(oracle: Oracle, out: Sequence[frozenset[str]]) -> Oracle:
    """Return the oracle for a window of `len(out)` steps with the branches `out[k]` missing in step k.

    Its `solve` takes rows one per step, or any rows with `steps` that say which step each is of; other
    rows see the whole grid. Buses that are cut off show 1 pu there: nothing is judged at them.
    """
    found = copy(oracle)
    flows = {names: oracle.without(sorted(names)) for names in set(out) if names}
    found.rests = Rests(tuple(out), flows, _merged)
    return found


def _merged(
    oracle: Oracle, rows_of: tuple[Array, Array, Array | None], steps: npt.NDArray[np.int64]
) -> AcStates:
    """Solve each row (p_mw, q_mvar, positions) on the grid of its step."""
    p_mw, q_mvar, positions = rows_of
    rests = oracle.rests
    assert rests is not None
    whole = copy(oracle)
    whole.rests = None
    states = whole.solve(p_mw, q_mvar, positions)
    columns = {
        f.name: getattr(states, f.name).copy() for f in fields(states) if f.name not in ("buses", "branches")
    }
    for names, flow in rests.flows.items():
        rows = np.array([k for k, step in enumerate(steps) if rests.out[step] == names], dtype=np.int64)
        if not len(rows):
            continue
        at = positions if positions is None or positions.ndim == 1 else positions[rows]
        part = flow.solve(p_mw[rows], q_mvar[rows], at)
        for name, values in columns.items():
            values[rows] = getattr(part, name)
        cut_off = np.isnan(part.vm_pu) & part.converged[:, None]
        columns["vm_pu"][rows] = np.where(cut_off, 1.0, part.vm_pu)
    return replace(states, **columns)
