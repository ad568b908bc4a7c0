"""What a contract by the day still asks of the days that a window touches."""

from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning.slots import DAYS, Situation
from vpp.types import Array


def owed(situation: Situation, per_day: float, so_far: float) -> Array:
    """Return (DAYS,) what is owed in each local day of the window, in the unit of `per_day`.

    A day that the window only touches owes its share by time; the first day owes what `so_far`, since
    its midnight, lacks of what is due by the window's end.
    """
    window = situation.window
    out, slots_a_day = np.zeros(DAYS), 24 / window.axis.step_h
    for day in range(DAYS):
        slots = np.flatnonzero(window.days[day])
        if not len(slots):
            continue
        if day == 0:
            left = slots_a_day - slots_before(situation) - len(slots)
            out[day] = max(0.0, per_day * (1 - left / slots_a_day) - so_far)
        else:
            out[day] = per_day * len(slots) / slots_a_day
    return out


def slots_before(situation: Situation) -> int:
    """Return how many steps of the first local day lie before the window."""
    local = situation.window.start.astimezone(ZoneInfo(situation.park.site.zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return round((local - midnight).total_seconds() / 60 / situation.window.axis.step_min)
