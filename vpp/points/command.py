"""Commands by point name: what control writes, whatever map the device has."""

from collections.abc import Sequence

from vpp.points.codec import Write
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


def safest_first(points: Sequence[Point], writes: Sequence[Write]) -> tuple[Write, ...]:
    """Return the requests of a command in the order in which they may be cut off anywhere.

    First the epoch, where it stands alone (SunSpec 715 `ControllerHb`): a device that fences it off gets
    nothing more of a stale command. Then the reversion timer, then the setpoint that it guards.
    """
    if len(writes) < 2:
        return tuple(writes)
    at = {p.point: (p.table, p.address) for p in points}

    def rank(write: Write) -> int:
        held = {
            name
            for name in ("epoch", "reversion_enable", "setpoint_mw")
            if name in at
            and at[name][0] == write.table
            and 0 <= at[name][1] - write.address < len(write.registers)
        }
        return {frozenset({"epoch"}): 0, frozenset({"reversion_enable"}): 1}.get(frozenset(held), 2)

    return tuple(sorted(writes, key=rank))
