"""What a contract by the day still asks of the days that a window touches."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning.slots import DAYS, Situation
from vpp.park.pins import local_midnight
from vpp.types import Array


def owed(situation: Situation, per_day: float, so_far: float) -> Array:
    """Return (DAYS,) what is owed in each local day of the window, in the unit of `per_day`.

    A day that the window only touches owes its share by time; the first day owes what `so_far`, since
    its midnight, lacks of what is due by the window's end.
    """
    window, out = situation.window, np.zeros(DAYS)
    step = timedelta(minutes=window.axis.step_min)
    first = window.start.astimezone(ZoneInfo(situation.park.site.zone)).date()
    for day in range(DAYS):
        slots = np.flatnonzero(window.days[day])
        if not len(slots):
            continue
        begin, end = (local_midnight(situation.park, first + timedelta(days=day + k)) for k in (0, 1))
        slots_a_day = (end - begin) / step
        if day == 0:
            over = round((window.start - begin) / step) + len(slots)
            out[day] = max(0.0, per_day * over / slots_a_day - so_far)
        else:
            out[day] = per_day * len(slots) / slots_a_day
    return out
