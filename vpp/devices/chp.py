"""Captive combined heat and power unit: it must run, inside a band, and ramps slowly.

Its heat is somebody's process: the unit never stops for the sake of the grid. A setpoint below its
least power holds it there.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag, approach
from vpp.devices.command import Change, Command, Initial
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ChpParams:
    """`params/*.toml` of a CHP unit."""

    p_min_mw: Annotated[float, Ge(0)]
    """Least power while the unit runs, which it always does."""
    ramp_mw_per_min: Annotated[float, Gt(0)]
    response_s: Annotated[float, Ge(0)]
    """First-order lag of governor and turbine."""
    fuel_cny_per_mwh: Annotated[float, Ge(0)]
    """Fuel per MWh of electricity."""
    co2_t_per_mwh: Annotated[float, Ge(0)]
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chp:
    """Name plate of a CHP unit; `resource.p_max_mw` is its rating."""

    resource: Resource
    params: ChpParams

    @property
    def ramp_mw_per_h(self) -> float:
        """Greatest change of power, either way."""
        return self.params.ramp_mw_per_min * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ChpState:
    """State of a CHP unit."""

    p_mw: float
    """At the terminals, > 0."""
    energy_out_mwh: float


def initial(device: Chp, at: Initial) -> ChpState:
    """Return the state at `at.p_mw`, moved inside the band."""
    p_mw = min(max(at.p_mw, device.params.p_min_mw), device.resource.p_max_mw)
    return ChpState(p_mw=p_mw, energy_out_mwh=0.0)


def step(device: Chp, state: ChpState, command: Command, dt_s: float, drive: float) -> ChpState:
    """Return the state `dt_s` seconds later; `drive` has no meaning. Exact for any `dt_s`."""
    params = device.params
    target = min(max(command.p_mw, params.p_min_mw), device.resource.p_max_mw)
    ramp = params.ramp_mw_per_min / 60
    p_mw, mw_s = approach(state.p_mw, target, Lag(params.response_s, ramp, ramp), dt_s)
    return ChpState(p_mw=p_mw, energy_out_mwh=state.energy_out_mwh + mw_s / 3600)


def measure(device: Chp, state: ChpState) -> dict[str, float]:
    """Return the read points that the physics knows."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": 0.0,
    }


def command_bounds(device: Chp, state: ChpState, drive: float) -> tuple[float, float]:
    """Return the band; inside it the unit follows with its ramp."""
    return device.params.p_min_mw, device.resource.p_max_mw


def change(device: Chp, from_mw: float, to_mw: float) -> Change:
    """Return the lead from one power to the next: half the ramp, and the governor's lag."""
    params = device.params
    return Change(0.0, abs(to_mw - from_mw) / params.ramp_mw_per_min * 30 + params.response_s)


def new_day(state: ChpState) -> ChpState:
    """Return the state unchanged: nothing is counted by day."""
    return state
