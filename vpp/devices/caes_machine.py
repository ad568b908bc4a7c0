"""One rotating machine of a CAES plant: off, starting, loaded, unloading, stopping."""

from typing import NamedTuple

from vpp.devices.caes import Machine

OFF, STARTING, LOADED, UNLOADING, STOPPING = range(5)
LONG_S = 1e6
"""Longer than any minimum time."""
GRAIN_S = 1e-6
"""Times below this are over."""


class Unit(NamedTuple):
    """One machine."""

    phase: int
    p_mw: float
    """>= 0"""
    phase_s: float
    """Time in this phase."""
    ended_s: float
    """Time since the last order to unload."""


REST = Unit(OFF, 0.0, 0.0, LONG_S)


def ready_in_s(spec: Machine, unit: Unit) -> float:
    """Return the start time that a machine still needs; below the clock's grain it is none."""
    if unit.phase in (LOADED, UNLOADING):
        return 0.0
    left_s = spec.start_time_s - (unit.phase_s if unit.phase == STARTING else 0.0)
    return left_s if left_s > GRAIN_S else 0.0


def zero_in_s(spec: Machine, unit: Unit) -> float:
    """Return the time until an unloading machine is at 0; very long for a loaded one."""
    if unit.phase == LOADED:
        return LONG_S
    return unit.p_mw / spec.ramp_mw_per_min * 60 if unit.phase == UNLOADING else 0.0


def bound_to_run(spec: Machine, unit: Unit) -> bool:
    """Return True inside the minimum up time, which ends with the power at zero."""
    up_s = unit.phase_s + unit.p_mw / spec.ramp_mw_per_min * 60
    return unit.phase == LOADED and up_s < spec.min_up_time_min * 60


def advance(unit: Unit, spec: Machine, level_mw: float, hold_s: float, dt_s: float) -> tuple[Unit, float]:
    """Move one machine; returns it with the integral of its power, MW s.

    `level_mw` 0 means it should not run; load is not taken before `hold_s` from now. Events (start
    over, ramp over, minimum up time over, stopped) split the step, so any `dt_s` gives the same.
    """
    if unit.phase == OFF and level_mw <= 0.0:
        return (
            unit if unit.ended_s >= LONG_S else unit._replace(ended_s=min(LONG_S, unit.ended_s + dt_s))
        ), 0.0
    ramp = spec.ramp_mw_per_min / 60
    left, area = dt_s, 0.0
    while left > GRAIN_S:
        unit, goal, until_s = _due(unit, spec, level_mw, hold_s - (dt_s - left))
        phase, p_mw, phase_s, ended_s = unit
        piece = min(left, until_s)
        move = min(abs(goal - p_mw), ramp * piece)
        end = p_mw + move if goal > p_mw else p_mw - move
        area += 0.5 * (p_mw + end) * (move / ramp) + end * (piece - move / ramp)
        # a ramp to zero ends at zero, not at the last digit
        end = goal if piece == until_s and phase == UNLOADING else end
        unit = Unit(phase, end, phase_s + piece, min(LONG_S, ended_s + piece))
        left -= piece
    return unit, area


def _due(unit: Unit, spec: Machine, level_mw: float, hold_s: float) -> tuple[Unit, float, float]:
    """Apply what is due now; returns the machine, the power it moves to and the time to the next event."""
    phase, _, phase_s, ended_s = unit
    if phase in (LOADED, UNLOADING):
        return _due_on_load(unit, spec, level_mw, hold_s)
    if phase == STOPPING:
        left_s = spec.stop_time_s - phase_s
        return (
            (unit, 0.0, left_s)
            if left_s > GRAIN_S
            else _due(Unit(OFF, 0.0, 0.0, ended_s), spec, level_mw, hold_s)
        )
    if level_mw <= 0.0:
        return (unit if phase == OFF else Unit(OFF, 0.0, 0.0, ended_s)), 0.0, LONG_S
    if phase == OFF:
        unit = Unit(STARTING, 0.0, 0.0, ended_s)
    down_s = spec.min_down_time_min * 60 - spec.p_min_mw / spec.ramp_mw_per_min * 60 - ended_s
    wait_s = max(spec.start_time_s - unit.phase_s, hold_s, down_s)
    return (unit, 0.0, wait_s) if wait_s > GRAIN_S else (Unit(LOADED, 0.0, 0.0, ended_s), level_mw, LONG_S)


def _due_on_load(unit: Unit, spec: Machine, level_mw: float, hold_s: float) -> tuple[Unit, float, float]:
    phase, p_mw, phase_s, ended_s = unit
    ramp = spec.ramp_mw_per_min / 60
    if level_mw > 0.0:
        # asked to run again while unloading: it never stopped, its minimum up time is behind it
        again = unit if phase == LOADED else Unit(LOADED, p_mw, spec.min_up_time_min * 60, ended_s)
        return again, level_mw, LONG_S
    if phase == LOADED:
        ready_s = spec.min_up_time_min * 60 - phase_s - p_mw / ramp
        if ready_s > GRAIN_S:
            to_least_s = abs(p_mw - spec.p_min_mw) / ramp
            return unit, spec.p_min_mw, to_least_s if to_least_s > GRAIN_S else ready_s
        unit = Unit(UNLOADING, p_mw, 0.0, 0.0)
    if p_mw > 0.0:
        return unit, 0.0, p_mw / ramp
    return _due(Unit(STOPPING, 0.0, 0.0, unit.ended_s), spec, level_mw, hold_s)
