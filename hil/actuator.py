"""A bank, tap changer or statcom of the plant: where it stands and when it gets where it was told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from vpp.park import Park
from vpp.park.positions import position_at_rest, position_range

SECONDS_PER_STEP = {"shunt": 2.0, "tap": 6.0, "statcom": 0.0}
"""Plant seconds that a breaker of a bank and one step of a tap changer take (assumption)."""
ON = 1.0
"""Code of the point `status` (docs/architecture.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatorState:
    """An actuator at one moment; positions in steps, taps, or Mvar injected by a statcom."""

    kind: str
    low: float
    high: float
    position: float
    """Where it stood when it began to move."""
    wanted: float
    """Where it was told to be."""
    since: datetime
    """Plant time of that command."""
    epoch: float
    """Newest epoch seen; older commands are fenced off."""
    registers: Mapping[str, float]
    """Command registers by point name, as last written."""
    stuck: bool = False
    """Takes commands and does not move."""


def at_rest(park: Park, actuator: str, at: datetime) -> ActuatorState:
    """Return an actuator where the park's tables have it."""
    low, high = position_range(park, actuator)
    here = position_at_rest(park, actuator)
    return ActuatorState(
        kind=park.actuators[actuator].kind,
        low=low,
        high=high,
        position=here,
        wanted=here,
        since=at,
        epoch=0.0,
        registers={"setpoint_position": here, "epoch": 0.0, "sequence": 0.0},
    )


def command(state: ActuatorState, values: Mapping[str, float], at: datetime) -> ActuatorState | None:
    """Return the actuator after a write at plant time `at`; None where an old epoch is fenced off.

    A bank or tap goes to the nearest whole position of its range.
    """
    if values.get("epoch", state.epoch) < state.epoch:
        return None
    registers = {**state.registers, **values}
    asked = min(max(registers["setpoint_position"], state.low), state.high)
    return replace(
        state,
        position=position(state, at),
        wanted=asked if state.kind == "statcom" else float(round(asked)),
        since=at,
        epoch=max(state.epoch, values.get("epoch", state.epoch)),
        registers=registers,
    )


def position(state: ActuatorState, at: datetime) -> float:
    """Return where it stands at plant time `at`: whole steps, one after another."""
    if state.stuck or state.position == state.wanted:
        return state.position
    pace_s, way = SECONDS_PER_STEP[state.kind], state.wanted - state.position
    if pace_s == 0.0:
        return state.wanted
    done = max(0.0, (at - state.since).total_seconds()) // pace_s
    return state.position + (1 if way > 0 else -1) * min(done, abs(way))


def jam(state: ActuatorState, at: datetime, *, stuck: bool) -> ActuatorState:
    """Return the actuator jammed where it stands at `at`, or free again and on its way."""
    return replace(state, position=position(state, at), since=at, stuck=stuck)


def values(state: ActuatorState, at: datetime) -> dict[str, float]:
    """Return measured points and command registers."""
    return {**state.registers, "position": position(state, at), "status": ON}
