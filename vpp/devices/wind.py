"""Wind farm."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag, approach
from vpp.devices.command import AT_ONCE, Change, Command, Initial
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class WindParams:
    """`params/*.toml` of a wind farm; figures of the reference case are assumptions."""

    ramp_up_pct_per_s: Annotated[float, Gt(0)]
    """Greatest rise after a setpoint, percent of rating per second."""
    ramp_down_pct_per_s: Annotated[float, Gt(0)]
    curtail_response_s: Annotated[float, Ge(0)]
    """First-order lag of the farm controller."""
    q_per_p: Annotated[float, Ge(-1), Le(1)]
    """Fixed Q/P of the farm, injection positive."""
    farm_loss: Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wind:
    """Name plate of a wind farm."""

    resource: Resource
    params: WindParams


@dataclass(frozen=True, slots=True, kw_only=True)
class WindState:
    """State of a wind farm."""

    p_mw: float
    """Power now, injection positive."""
    available_mw: float
    """What the weather allows now."""
    energy_out_mwh: float
    """Counter at the terminals."""


def initial(device: Wind, at: Initial) -> WindState:
    """Return the state at `at.p_mw`, inside the rating."""
    p_mw = min(max(at.p_mw, 0.0), device.resource.p_max_mw)
    return WindState(p_mw=p_mw, available_mw=p_mw, energy_out_mwh=0.0)


def step(device: Wind, state: WindState, command: Command, dt_s: float, drive: float) -> WindState:
    """Return the state `dt_s` seconds later under a cap of `command.p_mw` and `drive` MW of wind.

    Power follows the smaller of the two with the farm's lag and ramps; it falls with the weather
    at once, because nothing feeds in more than there is.
    """
    rated = device.resource.p_max_mw
    params = device.params
    available = min(max(drive, 0.0), rated)
    p_mw, mw_s = approach(
        min(state.p_mw, available),
        min(max(command.p_mw, 0.0), available),
        Lag(
            params.curtail_response_s,
            params.ramp_up_pct_per_s * rated / 100,
            params.ramp_down_pct_per_s * rated / 100,
        ),
        dt_s,
    )
    return WindState(p_mw=p_mw, available_mw=available, energy_out_mwh=state.energy_out_mwh + mw_s / 3600)


def measure(device: Wind, state: WindState) -> dict[str, float]:
    """Return the read points that the physics knows; `curtailed_mw` comes on top."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": 0.0,
        "available_mw": state.available_mw,
        "curtailed_mw": state.available_mw - state.p_mw,
    }


def command_bounds(device: Wind, state: WindState, drive: float) -> tuple[float, float]:
    """Return (0, available MW); a cap above what is available is allowed and means no cap."""
    return 0.0, min(max(drive, 0.0), device.resource.p_max_mw)


def change(device: Wind, from_mw: float, to_mw: float) -> Change:
    """Return no lead: a cap acts within seconds."""
    return AT_ONCE


def new_day(state: WindState) -> WindState:
    """Return the state unchanged: nothing is counted by day."""
    return state
