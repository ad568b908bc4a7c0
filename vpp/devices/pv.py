"""Photovoltaic plant."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag, approach
from vpp.devices.command import AT_ONCE, Change, Command, Initial
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class PvParams:
    """`params/*.toml` of a PV plant; figures of the reference case are assumptions."""

    tilt: Annotated[float, Ge(0), Le(90)]
    """Degrees, facing south."""
    dc_ac: Annotated[float, Gt(0)]
    temp_coeff_pct: Annotated[float, Le(0)]
    """Percent of power per kelvin above 25 degrees of cell temperature."""
    loss_factor: Annotated[float, Gt(0), Le(1)]
    curtail_response_s: Annotated[float, Ge(0)]
    ramp_pct_per_s: Annotated[float, Gt(0)]
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """Name plate of a PV plant."""

    resource: Resource
    params: PvParams


@dataclass(frozen=True, slots=True, kw_only=True)
class PvState:
    """State of a PV plant."""

    p_mw: float
    """Power now, injection positive."""
    available_mw: float
    """What the weather allows now."""
    energy_out_mwh: float
    """Counter at the terminals."""


def initial(device: Pv, at: Initial) -> PvState:
    """Return the state at `at.p_mw`, inside the rating."""
    p_mw = min(max(at.p_mw, 0.0), device.resource.p_max_mw)
    return PvState(p_mw=p_mw, available_mw=p_mw, energy_out_mwh=0.0)


def step(device: Pv, state: PvState, command: Command, dt_s: float, drive: float) -> PvState:
    """Return the state `dt_s` seconds later under a cap of `command.p_mw` and `drive` MW from the sun.

    Power follows the smaller of the two with the plant's lag and ramp; it falls with the weather
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
            params.ramp_pct_per_s * rated / 100,
            params.ramp_pct_per_s * rated / 100,
        ),
        dt_s,
    )
    return PvState(p_mw=p_mw, available_mw=available, energy_out_mwh=state.energy_out_mwh + mw_s / 3600)


def measure(device: Pv, state: PvState) -> dict[str, float]:
    """Return the read points that the physics knows; `curtailed_mw` comes on top."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": 0.0,
        "available_mw": state.available_mw,
        "curtailed_mw": state.available_mw - state.p_mw,
    }


def command_bounds(device: Pv, state: PvState, drive: float) -> tuple[float, float]:
    """Return (0, available MW); a cap above what is available is allowed and means no cap."""
    return 0.0, min(max(drive, 0.0), device.resource.p_max_mw)


def change(device: Pv, from_mw: float, to_mw: float) -> Change:
    """Return no lead: a cap acts within seconds."""
    return AT_ONCE


def new_day(state: PvState) -> PvState:
    """Return the state unchanged: nothing is counted by day."""
    return state
