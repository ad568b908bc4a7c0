"""Steps in which a device that otherwise always runs is held still: an outage, or a pin that asks it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from vpp.types import Hold, Pin


def standstill(
    pins: Iterable[Pin], element: str, least_mw: float, *, start: datetime, step_min: int, steps: int
) -> npt.NDArray[np.bool_]:
    """Return (steps,) True where a pin holds `element` off or below its least power `least_mw`."""
    out = np.zeros(steps, dtype=bool)
    step = timedelta(minutes=step_min)
    for pin in pins:
        below = pin.hold is Hold.OFF or (
            pin.hold in (Hold.POWER, Hold.WITHIN) and abs(pin.p_mw) < least_mw - 1e-6
        )
        if pin.element == element and below:
            starts = (start + k * step for k in range(steps))
            out |= np.array([at < pin.end and at + step > pin.start for at in starts])
    return out
