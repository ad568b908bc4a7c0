"""Motion of a plant that the weather drives: a cap on what is available, for wind and sun alike."""

from dataclasses import dataclass
from typing import Protocol

from vpp.devices.approach import Lag, approach
from vpp.devices.command import AT_ONCE, Change, Command, Initial
from vpp.types import Resource


class WeatherDriven(Protocol):
    """A name plate with a rating and the motion of its controller."""

    @property
    def resource(self) -> Resource:
        """Row of the table."""

    @property
    def lag(self) -> Lag:
        """Response to a cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherState:
    """State of a wind farm or PV plant."""

    p_mw: float
    """Power now, injection positive."""
    available_mw: float
    """What the weather allows now."""
    energy_out_mwh: float
    """Counter at the terminals."""


def initial(device: WeatherDriven, at: Initial) -> WeatherState:
    """Return the state at `at.p_mw`, inside the rating."""
    p_mw = min(max(at.p_mw, 0.0), device.resource.p_max_mw)
    return WeatherState(p_mw=p_mw, available_mw=p_mw, energy_out_mwh=0.0)


def step(
    device: WeatherDriven, state: WeatherState, command: Command, dt_s: float, drive: float
) -> WeatherState:
    """Return the state `dt_s` seconds later under a cap of `command.p_mw` and `drive` MW available.

    Power follows the smaller of the two with the plant's lag and ramps; it falls with the weather
    at once, because nothing feeds in more than there is.
    """
    available = min(max(drive, 0.0), device.resource.p_max_mw)
    p_mw, mw_s = approach(
        min(state.p_mw, available),
        min(max(command.p_mw, 0.0), available),
        device.lag,
        dt_s,
    )
    return WeatherState(p_mw=p_mw, available_mw=available, energy_out_mwh=state.energy_out_mwh + mw_s / 3600)


def measure(device: WeatherDriven, state: WeatherState) -> dict[str, float]:
    """Return the read points that the physics knows; `curtailed_mw` comes on top."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": 0.0,
        "available_mw": state.available_mw,
        "curtailed_mw": state.available_mw - state.p_mw,
    }


def command_bounds(device: WeatherDriven, state: WeatherState, drive: float) -> tuple[float, float]:
    """Return (0, available MW); a cap above what is available is allowed and means no cap."""
    return 0.0, min(max(drive, 0.0), device.resource.p_max_mw)


def change(device: WeatherDriven, from_mw: float, to_mw: float) -> Change:
    """Return no lead: a cap acts within seconds."""
    return AT_ONCE


def new_day(state: WeatherState) -> WeatherState:
    """Return the state unchanged: nothing is counted by day."""
    return state
