"""Synchronous condensers: a CAES plant that stands spins for its Q where what runs does not give enough."""

import numpy as np
import numpy.typing as npt

from controllers.planning.problem import Model
from controllers.planning.reactive import TOLERATED_MVAR, excess_mvar
from controllers.planning.slots import Situation
from network.reactive_ease import VarPlan
from network.security import violations
from vpp.types import Array


def steps_short_of_q(model: Model, plan: VarPlan) -> npt.NDArray[np.int64]:
    """Return the steps whose voltages or power factor at the tie the reactive plan could not keep."""
    steps = {
        v.step for v in violations(model.park, plan.states) if v.rule == "voltage" and v.step is not None
    }
    steps |= set(np.flatnonzero(excess_mvar(model.park, plan) > TOLERATED_MVAR).tolist())
    return np.array(sorted(steps), dtype=np.int64)


def spin(model: Model, situation: Situation, plan: VarPlan, lower: Array, upper: Array) -> None:
    """Fix the condenser of every CAES plant at 1 in the steps short of Q in which its machines stand.

    In place; the bounds of its machines must be settled. What it costs, its loss and wear, is small
    against a broken limit, so that it is not asked whether it cures all of it.
    """
    slots = situation.window.first + steps_short_of_q(model, plan)
    for block in model.blocks.values():
        if "condenser" not in block.variables or not len(slots):
            continue
        machines = [model.compiled.columns(block.variables[name]).start + slots for name in block.integers]
        own = model.compiled.columns(block.variables["condenser"]).start + slots
        stands = np.all([upper[columns] < 0.5 for columns in machines], axis=0) & (upper[own] > 0.5)
        lower[own[stands]] = 1.0
