"""How much a plan leaves the one before it: what a plan that swings shows first."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from vpp.devices import H2Store, Pv, Wind
from vpp.park.model import Park
from vpp.types import Array, Plan, PlanChange

HOUR_MIN = 60
FOLLOWS = (Wind, Pv, H2Store)
"""Devices whose power is the weather's, or others'."""


def change_of(park: Park, previous: Plan | None, plan: Plan) -> PlanChange | None:
    """Return how much `plan` leaves `previous`; None where they have no step in common."""
    if previous is None:
        return None
    passed = round((plan.start - previous.start) / timedelta(minutes=plan.step_min))
    common = min(plan.steps, previous.steps - passed)
    if passed < 0 or common <= 0:
        return None
    hour = min(common, HOUR_MIN // plan.step_min)
    moved_mw, starts = 0.0, 0
    for name, device in park.devices.items():
        if isinstance(device, FOLLOWS):
            continue
        old, new = previous.series[name], plan.series[name]
        off = np.abs(new["p_mw"][:hour] - old["p_mw"][passed : passed + hour])
        moved_mw += float(off.mean())
        if "mode_code" in old and "mode_code" in new:
            was, mode = (np.round(s["mode_code"]) for s in (old, new))
            before = was[passed - 1] if passed else was[0]
            planned = _starts(was[passed : passed + common], before)
            starts += int((planned != _starts(mode[:common], before)).sum())
    return PlanChange(previous=previous.id, moved_mw=moved_mw, starts=starts)


def _starts(mode: Array, before: float) -> npt.NDArray[np.float64]:
    """Return by step the machine that starts in it, 0 where none does."""
    return np.where(mode != np.append(before, mode[:-1]), mode, 0.0)
