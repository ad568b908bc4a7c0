"""Compressed-air energy storage: compressor trains and a turbine as separate machines.

Power is that of the terminals: discharge - charge - standby use; at rest they show
`-standby_aux_mw`. Machine powers (`charge_mw`, `discharge_mw`) are without that use.
The machines' motion in time is in `caes_step.py`.
"""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from vpp.devices import curve
from vpp.devices.command import Change
from vpp.types import Resource

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Curve = tuple[tuple[float, float], ...]
"""(x, y) pairs with rising x, linear between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurbineParams:
    """Expander and generator."""

    p_min_mw: NonNegative
    p_rated_mw: Positive
    start_time_s: NonNegative
    stop_time_s: NonNegative
    min_up_time_min: NonNegative
    min_down_time_min: NonNegative
    ramp_mw_per_min: Positive
    max_starts_per_day: Annotated[int, Ge(0)]
    start_cost_cny: NonNegative
    rel_eff: Curve
    """Share of rated power -> efficiency relative to `eta_discharge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressorParams:
    """Equal compressor trains; powers, ramps and costs are per train."""

    trains: Annotated[int, Ge(1)]
    p_min_mw: NonNegative
    p_rated_mw: Positive
    start_time_s: NonNegative
    stop_time_s: NonNegative
    min_up_time_min: NonNegative
    min_down_time_min: NonNegative
    ramp_mw_per_min: Positive
    max_starts_per_day: Annotated[int, Ge(0)]
    start_cost_cny: NonNegative
    rel_eff: Curve
    """Share of the train's rated power -> efficiency relative to `eta_charge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondenserParams:
    """The motor-generator alone, clutched off, as a synchronous condenser."""

    q_min_mvar: Annotated[float, Le(0)]
    q_max_mvar: NonNegative
    loss_mw: Positive
    """Drawn on top of the standby use while it spins."""
    wear_cny_per_h: NonNegative


MAX_HALF_RAMP_S = 1800.0
"""No ramp is begun earlier than this, however small the swing that trains in exchange leave."""
Machine = TurbineParams | CompressorParams


@dataclass(frozen=True, slots=True, kw_only=True)
class CaesParams:
    """`params/*.toml` of a CAES plant."""

    eta_charge: Annotated[float, Gt(0), Le(1)]
    """Stored air energy per AC energy at rated load."""
    eta_discharge: Annotated[float, Gt(0), Le(1)]
    """AC energy per air energy at rated load."""
    soc_min: Share
    soc_max: Share
    p_ch_max_vs_soc: Curve
    """SoC -> greatest charging power of all trains, MW."""
    p_dis_max_vs_soc: Curve
    mode_change_min_idle_s: NonNegative
    """Turn-round: from the order that ends one mode to the least load in the other."""
    vom_cny_per_mwh_dis: NonNegative
    standby_aux_mw: NonNegative
    """Drawn from the grid at all times."""
    tes_loss_pct_per_day: NonNegative
    turbine: TurbineParams
    compressor: CompressorParams
    condenser: CondenserParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Caes:
    """Name plate of a CAES plant; `resource.e_mwh` is the AC energy a full store delivers."""

    resource: Resource
    params: CaesParams

    @property
    def e_air_mwh(self) -> float:
        """Air-side energy at SoC 1: charge adds eta_charge x AC, discharge takes AC / eta."""
        assert self.resource.e_mwh is not None
        return self.resource.e_mwh / self.params.eta_discharge

    @property
    def condenser_p_mw(self) -> float:
        """Terminal power of a synchronous condenser: a setpoint near it asks for that mode."""
        return -self.params.standby_aux_mw - self.params.condenser.loss_mw

    @property
    def e_min_mwh(self) -> float:
        """Air-side energy at the lower edge of the window."""
        return self.params.soc_min * self.e_air_mwh

    @property
    def e_max_mwh(self) -> float:
        """Air-side energy at the upper edge of the window."""
        return self.params.soc_max * self.e_air_mwh


def charge_max_mw(device: Caes, e_mwh: float) -> float:
    """Return the greatest charging power of all trains at this air energy, own use not counted."""
    params, machine = device.params, device.params.compressor
    most = min(machine.trains * machine.p_rated_mw, -device.resource.p_min_mw - params.standby_aux_mw)
    return min(most, curve.value(params.p_ch_max_vs_soc, e_mwh / device.e_air_mwh))


def discharge_max_mw(device: Caes, e_mwh: float) -> float:
    """Return the greatest discharging power at this air energy, own use not taken off."""
    params = device.params
    most = min(params.turbine.p_rated_mw, device.resource.p_max_mw)
    return min(most, curve.value(params.p_dis_max_vs_soc, e_mwh / device.e_air_mwh))


def charge_max_cuts(device: Caes) -> tuple[tuple[float, float], ...]:
    """Return (a MW, b per h) with charge_mw <= a + b x e_mwh for every pair: `charge_max_mw`."""
    params, machine = device.params, device.params.compressor
    most = min(machine.trains * machine.p_rated_mw, -device.resource.p_min_mw - params.standby_aux_mw)
    lines = curve.cuts(params.p_ch_max_vs_soc)
    return ((most, 0.0), *((a, b / device.e_air_mwh) for a, b in lines))


def discharge_max_cuts(device: Caes) -> tuple[tuple[float, float], ...]:
    """Return (a MW, b per h) with discharge_mw <= a + b x e_mwh for every pair: `discharge_max_mw`."""
    params = device.params
    most = min(params.turbine.p_rated_mw, device.resource.p_max_mw)
    lines = curve.cuts(params.p_dis_max_vs_soc)
    return ((most, 0.0), *((a, b / device.e_air_mwh) for a, b in lines))


def air_mwh_per_h(device: Caes, p_mw: float, trains: int) -> float:
    """Return how fast the air store fills (negative: empties) at machine power `p_mw`, own use left out.

    `p_mw > 0` is discharge and takes p / (eta_discharge x rel); `p_mw < 0` is charge by so many
    equally loaded trains and adds |p| x eta_charge x rel. Between the points of the tables the
    flow, not the efficiency, is linear, so that the planning block carries it without error.
    """
    params = device.params
    if p_mw >= 0.0:
        rated = params.turbine.p_rated_mw
        return -curve.flow(params.turbine.rel_eff, p_mw / rated, divide=True) * rated / params.eta_discharge
    rated = params.compressor.p_rated_mw * trains
    return curve.flow(params.compressor.rel_eff, -p_mw / rated, divide=False) * rated * params.eta_charge


def charge_points(device: Caes, trains: int) -> Curve:
    """Return corners (charge_mw, air MWh/h >= 0) of `air_mwh_per_h` with so many trains on.

    From all at least load to all rated; the line through them is what `step` does.
    """
    machine = device.params.compressor
    shares = _shares(machine)
    powers = [trains * share * machine.p_rated_mw for share in shares]
    return tuple((p, air_mwh_per_h(device, -p, trains)) for p in powers)


def discharge_points(device: Caes) -> Curve:
    """Return corners (discharge_mw, air MWh/h >= 0) of `air_mwh_per_h` with the turbine on."""
    machine = device.params.turbine
    return tuple(
        (p, -air_mwh_per_h(device, p, 0)) for p in (s * machine.p_rated_mw for s in _shares(machine))
    )


def _shares(machine: Machine) -> list[float]:
    least = machine.p_min_mw / machine.p_rated_mw
    return sorted({least, 1.0} | {x for x, _ in machine.rel_eff if least < x < 1.0})


def retention(device: Caes, dt_s: float) -> float:
    """Return the share of the energy that thermal-store loss leaves after `dt_s`, compounding daily."""
    loss = device.params.tes_loss_pct_per_day
    return float((1 - loss / 100) ** (dt_s / 86400)) if loss else 1.0


def trains_for(device: Caes, charge_mw: float, running: int) -> int:
    """Return how many trains should carry `charge_mw`, given how many do now.

    One more when those running are full and the setpoint is nearer to the next number's least load;
    one less when it is nearer to what one less can carry. 0 below half of one train's least load.
    """
    machine, trains = device.params.compressor, min(running, device.params.compressor.trains)
    full, least = machine.p_rated_mw, machine.p_min_mw
    while trains < machine.trains and charge_mw > max(
        trains * full, (trains * full + (trains + 1) * least) / 2
    ):
        trains += 1
    while trains > 0 and charge_mw < min(trains * least, ((trains - 1) * full + trains * least) / 2):
        trains -= 1
    return trains


def min_off_steps(device: Caes, machine: Literal["turbine", "compressor"], step_min: float) -> int:
    """Return how many empty steps a plan must leave before the same machine runs again.

    The minimum down time, and time to unload, stop, start and load at full swing with ramps
    centred on the step boundaries.
    """
    spec = device.params.turbine if machine == "turbine" else device.params.compressor
    swing_min = spec.p_rated_mw / spec.ramp_mw_per_min
    needed = max(spec.min_down_time_min, swing_min + (spec.stop_time_s + spec.start_time_s) / 60)
    return ceil(needed / step_min - 1e-9)


def units_mw(device: Caes, p_mw: float) -> tuple[float, ...]:
    """Return the settled machine powers at terminal power `p_mw`: turbine, then each train, >= 0."""
    params, machine = device.params, device.params.compressor
    net = p_mw + params.standby_aux_mw
    if net >= params.turbine.p_min_mw / 2 and net > 0:
        level = min(max(net, params.turbine.p_min_mw), params.turbine.p_rated_mw)
        return (level, *(0.0,) * machine.trains)
    on = trains_for(device, -net, 0) if net < 0 else 0
    level = min(max(-net / on, machine.p_min_mw), machine.p_rated_mw) if on else 0.0
    return (0.0, *(level,) * on, *(0.0,) * (machine.trains - on))


def change(device: Caes, from_mw: float, to_mw: float) -> Change:
    """Return the lead from one terminal power to the next.

    Every machine that moves by d MW at r MW/s is off the new level by an area of d^2 / (2 r); half
    the ramp is the jump in power that has their sum. A machine that comes from standstill needs its
    start time first.
    """
    params = device.params
    area, swing, start_s = 0.0, 0.0, 0.0
    machines: list[Machine] = [params.turbine, *([params.compressor] * params.compressor.trains)]
    for i, (spec, a, b) in enumerate(
        zip(machines, units_mw(device, from_mw), units_mw(device, to_mw), strict=True)
    ):
        sign = 1.0 if i == 0 else -1.0
        area += sign * (b - a) * abs(b - a) * 30.0 / spec.ramp_mw_per_min
        swing += sign * (b - a)
        if a == 0.0 and b > 0.0:
            start_s = spec.start_time_s
    half_ramp_s = min(max(area / swing, 0.0), MAX_HALF_RAMP_S) if abs(swing) > 1e-6 else 0.0
    return Change(start_s, half_ramp_s)
