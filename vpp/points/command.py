"""Commands by point name: what control writes, whatever map the device has."""

from collections.abc import Sequence

from vpp.points.codec import Write
from vpp.points.request import WIDTH
from vpp.types import Move, Point, Setpoint, Trim

VARS = 4.0
"""SunSpec 704 `VarSetMod`: the setting is in vars; priority 0 is active power's."""


def command_points(setpoint: Setpoint | Move | Trim) -> dict[str, float]:
    """Return a command by point name for every map; `encode` ignores what a map lacks.

    SunSpec maps have one reversion timer (model 704, `WSetRvrtTms`): the time-to-live and the
    reversion delay together. Enable and mode (1: absolute watts) go out with every command.
    """
    if isinstance(setpoint, Move):
        return {
            "setpoint_position": setpoint.position,
            "epoch": float(setpoint.epoch),
            "sequence": float(setpoint.sequence),
        }
    if isinstance(setpoint, Trim):
        return {
            "trim_mw": setpoint.trim_mw,
            "epoch": float(setpoint.epoch),
            "sequence": float(setpoint.sequence),
            "ttl_s": setpoint.ttl_s,
        }
    return {
        "setpoint_mw": setpoint.p_mw,
        "setpoint_mvar": setpoint.q_mvar,
        "setpoint_h2_kg_per_h": setpoint.h2_kg_per_h,
        "setpoint_stacks": setpoint.warm_stacks,
        "epoch": float(setpoint.epoch),
        "sequence": float(setpoint.sequence),
        "ttl_s": setpoint.ttl_s,
        "reversion_mw": setpoint.reversion_mw,
        "reversion_s": setpoint.reversion_s,
        "setpoint_enable": 1.0,
        "setpoint_mode": 1.0,
        "setpoint_var_enable": 1.0,
        "setpoint_var_mode": VARS,
        "setpoint_var_priority": 0.0,
        "reversion_enable": 1.0,
        "reversion_total_s": setpoint.ttl_s + setpoint.reversion_s,
    }


def epoch_first(points: Sequence[Point], writes: Sequence[Write]) -> tuple[Write, ...]:
    """Return the requests of a command with the one that holds nothing but the epoch before the others.

    A device that fences it off (SunSpec 715 `ControllerHb` stands in a group of its own) then gets
    nothing more of a stale command.
    """
    if len(writes) < 2:
        return tuple(writes)
    alone = {(p.table, p.address, WIDTH[p.type]) for p in points if p.point == "epoch"}
    return tuple(sorted(writes, key=lambda w: (w.table, w.address, len(w.registers)) not in alone))
