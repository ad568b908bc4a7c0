"""The local brain of a simulated device: how long it trusts a command, and what it does after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpp.clock import UTC
from vpp.devices import Ammonia, Chp, Command, Device, Electrolyzer, Pv, Wind
from vpp.park import Park, initial_of

VAR_POINTS = frozenset({"setpoint_var_enable", "setpoint_var_mode", "setpoint_var_priority", "setpoint_mvar"})
"""Points of a register map that orders Q in a request of its own (SunSpec 704)."""
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A command as the device holds it."""

    command: Command
    at: datetime
    """Plant time of the write."""
    reverts_at: datetime
    """Plant time at which the device stops trusting it: time-to-live plus reversion delay later."""
    reversion_mw: float
    q_mvar: float | None
    """Reactive power commanded, held through a reversion; None: by the fixed rule of the device."""


def at_rest(device: Device, park: Park, start: datetime) -> Held:
    """Return what a device does before its first command.

    Weather runs free, electrolysers, CHP units and ammonia loops go on as they stand in the park's
    initial state, the rest stands still.
    """
    match device:
        case Wind() | Pv():
            p_mw = device.resource.p_max_mw
        case Electrolyzer() | Chp() | Ammonia():
            p_mw = initial_of(park, device).p_mw
        case _:
            p_mw = 0.0
    return Held(command=Command(p_mw=p_mw), at=start, reverts_at=NEVER, reversion_mw=p_mw, q_mvar=None)


def take(values: Mapping[str, float], at: datetime) -> Held:
    """Return the command in a device's command registers, written at plant time `at`.

    Private maps carry `ttl_s` and `reversion_s`; SunSpec 704 has one timer for both
    (`WSetRvrtTms` with `WSetEnaRvrt`; no reversion while it is off or 0).
    """
    if "reversion_total_s" in values:
        armed = values.get("reversion_enable", 1.0) == 1.0 and values["reversion_total_s"] > 0
        hold_s = values["reversion_total_s"] if armed else None
    else:
        hold_s = values["ttl_s"] + values["reversion_s"]
    enabled = values.get("setpoint_enable", 1.0) == 1.0
    return Held(
        command=Command(
            p_mw=values["setpoint_mw"] if enabled else 0.0,
            h2_kg_per_h=values.get("setpoint_h2_kg_per_h", 0.0),
            warm_stacks=values.get("setpoint_stacks"),
        ),
        at=at,
        reverts_at=NEVER if hold_s is None else at + timedelta(seconds=hold_s),
        reversion_mw=values["reversion_mw"],
        q_mvar=values.get("setpoint_mvar") if values.get("setpoint_var_enable", 1.0) == 1.0 else None,
    )


def acts_on(held: Held, at: datetime) -> Command:
    """Return what the device follows at plant time `at`."""
    if at < held.reverts_at:
        return held.command
    # stacks stay warm: an hour of standby costs less than a cold start
    return Command(p_mw=held.reversion_mw, h2_kg_per_h=0.0, warm_stacks=held.command.warm_stacks)
