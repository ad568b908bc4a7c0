"""Rows and bounds of a power that follows slowly: changes between steps, and from what is measured.

Ramps lie centred on the step boundaries (`controllers/acting/trajectory.py`), so neighbouring means
differ by at most ramp x step, and a first mean from the measured power by half of that.
"""

from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from controllers.planning.slots import Situation
from controllers.planning.standstill import standstill
from vpp.types import Array

FREE_MW = 1e4
"""Room where no ramp binds: above every rating."""


def rows(power: cp.Variable, room: cp.Parameter) -> list[Any]:
    """Return |power[k] - power[k-1]| <= room[k], with `room` of shape (n - 1,)."""
    return [power[1:] - power[:-1] <= room, power[:-1] - power[1:] <= room]


def held_off(situation: Situation, name: str, least_mw: float) -> Array:
    """Return (n,) of 1 where a pin or outage holds a device off or below its least power, else 0."""
    window = situation.window
    steps = standstill(
        situation.pins,
        name,
        least_mw,
        start=window.start,
        step_min=window.axis.step_min,
        steps=window.end - window.first,
    )
    return window.spread(steps.astype(float))


def began(on: Array, first: int) -> npt.NDArray[np.bool_]:
    """Return (n,) True where a device comes back after a slot in which it stood, `first` excepted."""
    return (on > 0.5) & (np.append(0.0, on[:-1]) < 0.5) & (np.arange(len(on)) > first)


def room_mw(situation: Situation, ramp_mw_per_h: float, *, held: Array) -> Array:
    """Return (n - 1,) the greatest change into each slot: the ramp where `held` (0 or 1) is 1 in both."""
    both = held[1:] * held[:-1] * situation.window.active[1:] * situation.window.active[:-1] > 0.5
    return np.where(both, ramp_mw_per_h * situation.window.axis.step_h, FREE_MW)


def reach(
    situation: Situation, now_mw: float, ramp_mw_per_h: float, band: tuple[float, float]
) -> tuple[Array, Array]:
    """Return (n,) bounds of the slots of the plan inside `band`: the first from the measured power.

    A power that is found outside its band comes back by its ramp.
    """
    window, (low, high) = situation.window, band
    hours = window.dt_h
    middle = np.where(window.active, np.cumsum(hours) - hours / 2, 0.0)
    down, up = now_mw - ramp_mw_per_h * middle, now_mw + ramp_mw_per_h * middle
    first = np.arange(window.axis.n) == window.first
    lower = np.minimum(low, up) if now_mw < low else np.where(first, np.maximum(low, down), low)
    upper = np.maximum(high, down) if now_mw > high else np.where(first, np.minimum(high, up), high)
    return np.where(window.active, lower, 0.0), np.where(window.active, upper, 0.0)
