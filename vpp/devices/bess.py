"""Battery.

Power is that of the terminals: discharge - charge - own use. A setpoint means the terminals too,
so the converter gives `setpoint + aux_mw`; at rest the terminals show `-aux_mw`.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag, approach_parts
from vpp.devices.command import AT_ONCE, Change, Command, Initial
from vpp.types import Resource

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BessParams:
    """`params/*.toml` of a battery."""

    eta_ch: Annotated[float, Gt(0), Le(1)]
    eta_dis: Annotated[float, Gt(0), Le(1)]
    soc_min: Share
    soc_max: Share
    soc_reserve_for_island: Share
    """The plan keeps at least this state of charge."""
    self_discharge_pct_day: Annotated[float, Ge(0)]
    aux_pct_rated: Annotated[float, Ge(0)]
    """Own use as percent of rated power, always drawn at the terminals."""
    response_s: Annotated[float, Ge(0)]
    ramp_full_swing_s: Annotated[float, Gt(0)]
    degradation_cny_per_mwh_discharged: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bess:
    """Name plate of a battery; `resource.e_mwh` is the energy at SoC 1, DC side."""

    resource: Resource
    params: BessParams

    @property
    def charge_max_mw(self) -> float:
        """Greatest charging power of the converter: with the own use it is the rated withdrawal."""
        return -self.resource.p_min_mw - self.aux_mw

    @property
    def discharge_max_mw(self) -> float:
        """Greatest discharging power of the converter; the own use comes off it at the terminals."""
        return self.resource.p_max_mw

    @property
    def aux_mw(self) -> float:
        """Own use, drawn from the grid at all times."""
        return self.params.aux_pct_rated / 100 * self.resource.p_max_mw

    @property
    def e_full_mwh(self) -> float:
        """Energy at SoC 1, DC side."""
        assert self.resource.e_mwh is not None
        return self.resource.e_mwh


@dataclass(frozen=True, slots=True, kw_only=True)
class BessState:
    """State of a battery."""

    p_mw: float
    """At the terminals, own use included."""
    e_mwh: float
    """DC side."""
    energy_out_mwh: float
    energy_in_mwh: float


def initial(device: Bess, at: Initial) -> BessState:
    """Return the state with `at.soc`, moved inside the SoC window, at `at.p_mw`; at rest where it is 0."""
    soc = min(max(at.soc, device.params.soc_min), device.params.soc_max)
    return BessState(
        p_mw=min(max(at.p_mw, device.resource.p_min_mw), device.resource.p_max_mw) or -device.aux_mw,
        e_mwh=soc * device.e_full_mwh,
        energy_out_mwh=0.0,
        energy_in_mwh=0.0,
    )


def retention(device: Bess, dt_s: float) -> float:
    """Return the share of the energy that self-discharge leaves after `dt_s`, compounding daily."""
    loss = device.params.self_discharge_pct_day
    return float((1 - loss / 100) ** (dt_s / 86400)) if loss else 1.0


def step(device: Bess, state: BessState, command: Command, dt_s: float, drive: float) -> BessState:
    """Return the state `dt_s` seconds later; `drive` has no meaning.

    Terminals follow `command.p_mw` with lag and ramp. DC energy falls by discharge / eta_dis and
    rises by charge * eta_ch; at either edge of the window the converter stops inside the step, so
    the edge is met exactly. Self-discharge stops at the lower edge (assumption: the battery
    management sleeps there).
    """
    params, aux, full = device.params, device.aux_mw, device.e_full_mwh
    e_min, e_max = params.soc_min * full, params.soc_max * full
    kept = max(state.e_mwh * retention(device, dt_s), min(state.e_mwh, e_min))
    low, high = command_bounds(device, state, drive)
    target = min(max(command.p_mw, low), high)
    if target == state.p_mw:
        p_mw, converter = target, target + aux
        dis, charge = max(converter, 0.0) * dt_s, max(-converter, 0.0) * dt_s
        out, into = max(target, 0.0) * dt_s, max(-target, 0.0) * dt_s
    else:
        ramp = (device.resource.p_max_mw - device.resource.p_min_mw) / params.ramp_full_swing_s
        path = (state.p_mw, target, Lag(params.response_s, ramp, ramp), dt_s)
        p_mw, dis, charge = approach_parts(*path, -aux)
        _, out, into = approach_parts(*path, 0.0)
    e_mwh = kept + (charge * params.eta_ch - dis / params.eta_dis) / 3600
    if dis > 0.0 and e_mwh < e_min:
        cut_mw_s = min(dis, (e_min - e_mwh) * params.eta_dis * 3600)
        out, into = _without(cut_mw_s, p_mw + aux, aux, out, into)
        e_mwh, p_mw = e_mwh + cut_mw_s / params.eta_dis / 3600, min(p_mw, -aux)
    elif charge > 0.0 and e_mwh > e_max:
        cut_mw_s = min(charge, (e_mwh - e_max) / params.eta_ch * 3600)
        into, e_mwh = max(0.0, into - cut_mw_s), e_mwh - cut_mw_s * params.eta_ch / 3600
        p_mw = max(p_mw, -aux)
    return BessState(
        p_mw=p_mw,
        e_mwh=e_mwh,
        energy_out_mwh=state.energy_out_mwh + out / 3600,
        energy_in_mwh=state.energy_in_mwh + into / 3600,
    )


def _without(
    cut_mw_s: float, converter_mw: float, aux_mw: float, out: float, into: float
) -> tuple[float, float]:
    """Take `cut_mw_s` of discharge out of the counters; own use goes on meanwhile."""
    own = aux_mw * cut_mw_s / converter_mw if converter_mw > aux_mw else cut_mw_s
    own = min(own, cut_mw_s)
    lost = cut_mw_s - own
    return max(0.0, out - lost), into + own + max(0.0, lost - out)


def measure(device: Bess, state: BessState) -> dict[str, float]:
    """Return the read points that the physics knows."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": state.energy_out_mwh,
        "energy_in_mwh": state.energy_in_mwh,
        "e_mwh": state.e_mwh,
        "soc": state.e_mwh / device.e_full_mwh,
    }


def command_bounds(device: Bess, state: BessState, drive: float) -> tuple[float, float]:
    """Return the terminal power that may be asked now: the ratings, and rest beyond a SoC edge."""
    params, aux, full = device.params, device.aux_mw, device.e_full_mwh
    low = device.resource.p_min_mw if state.e_mwh < params.soc_max * full - 1e-9 else -aux
    high = device.resource.p_max_mw - aux if state.e_mwh > params.soc_min * full + 1e-9 else -aux
    return low, high


def change(device: Bess, from_mw: float, to_mw: float) -> Change:
    """Return no lead: a battery turns round within a second."""
    return AT_ONCE


def new_day(state: BessState) -> BessState:
    """Return the state unchanged: nothing is counted by day."""
    return state
