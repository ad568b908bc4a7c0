"""What a device can hold and for how long, how fast it gets there, and what that costs.

Closed forms over the name plate and the state; the curves are the devices' own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf, log

from controllers.acting.expectation import State
from vpp.devices import (
    Ammonia,
    Bess,
    Caes,
    Chp,
    Device,
    Electrolyzer,
    Pv,
    Wind,
    bess,
    caes,
    curve,
    electrolyzer,
)
from vpp.park.model import Park
from vpp.park.worth import refill_cny_per_mwh

Segment = tuple[float, float]
"""Terminal powers [low, high] MW that a device can stay at."""
EDGE_MW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydrogen:
    """The store that all electrolysers share, as it is now."""

    room_kg: float
    """Until full; inf where the park has no store."""
    above_kg: float
    """Held above the least content."""
    pipeline_kg_per_h: float
    """What the pipeline takes at most."""
    made_kg_per_h: Mapping[str, float]
    """By electrolyser what it makes now."""
    used_kg_per_h: Mapping[str, float] = field(default_factory=dict)
    """By ammonia loop what it takes now."""

    @property
    def out_kg_per_h(self) -> float:
        """What leaves the store at most."""
        return self.pipeline_kg_per_h + sum(self.used_kg_per_h.values())


def floor_mwh(park: Park, device: Bess) -> float:
    """Return the DC energy that is never offered: the lower edge, or what is kept for an island."""
    kept = max(park.contracts.reserve.island_battery_soc, device.params.soc_reserve_for_island)
    return max(device.params.soc_min, kept) * device.e_full_mwh


def segments(device: Device) -> tuple[Segment, ...]:
    """Return the powers that a device can stay at, in rising order; between them it only passes."""
    resource = device.resource
    if isinstance(device, Caes):
        aux, turbine, train = (
            device.params.standby_aux_mw,
            device.params.turbine,
            device.params.compressor,
        )
        charging = [
            (-n * train.p_rated_mw - aux, -n * train.p_min_mw - aux) for n in range(train.trains, 0, -1)
        ]
        return (*_joined(charging), (-aux, -aux), (turbine.p_min_mw - aux, turbine.p_rated_mw - aux))
    if isinstance(device, Electrolyzer):
        standby = device.standby_mw
        return ((-device.load_max_mw, -device.load_min_mw), (-standby, -standby), (0.0, 0.0))
    if isinstance(device, Ammonia):
        return ((-device.load_max_mw, -device.load_min_mw), (-device.idle_mw, -device.idle_mw))
    return ((resource.p_min_mw, resource.p_max_mw),)


def _joined(rising: list[Segment]) -> list[Segment]:
    """Return segments with those that overlap made one."""
    out: list[Segment] = []
    for low, high in rising:
        if out and low <= out[-1][1]:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return out


def held_level_mw(device: Device, wanted_mw: float, sign: int) -> float:
    """Return the level nearest to `wanted_mw` that can be held and does not go beyond it.

    `sign` 1: at most `wanted_mw`; -1: at least. `wanted_mw` itself where none is left on that side.
    """
    levels = [
        min(wanted_mw, high) if sign > 0 else max(wanted_mw, low)
        for low, high in segments(device)
        if (low <= wanted_mw + EDGE_MW if sign > 0 else high >= wanted_mw - EDGE_MW)
    ]
    return (max(levels) if sign > 0 else min(levels)) if levels else wanted_mw


def hold_s(park: Park, device: Device, state: State, p_mw: float, hydrogen: Hydrogen) -> float:
    """Return plant seconds for which terminal power `p_mw` can be held from `state`; inf: no end.

    Battery: de/dt = -k e - d with the DC power d and the self-discharge k gives
    t = ln((e + d/k) / (e_end + d/k)) / k. CAES: the same with the air flow of `air_mwh_per_h`, up to
    the store's edge or to where its pressure no longer carries that power. Electrolyser: until the
    hydrogen store is full while the pipeline takes what it may and the others make what they make.
    Ammonia loop: until that store is at its least content while nothing is delivered. Wind, PV and every
    other kind: no end by themselves.
    """
    if isinstance(device, Bess):
        net = p_mw + device.aux_mw
        kept = bess.retention(device, 3600.0)
        if net > EDGE_MW:
            return _fall_s(state.e_mwh, floor_mwh(park, device), net / device.params.eta_dis, kept)
        top = device.params.soc_max * device.e_full_mwh
        return _rise_s(state.e_mwh, top, -net * device.params.eta_ch) if net < -EDGE_MW else inf
    if isinstance(device, Caes):
        return _air_s(device, state.e_mwh, p_mw + device.params.standby_aux_mw)
    if isinstance(device, Electrolyzer):
        others = sum(kg for name, kg in hydrogen.made_kg_per_h.items() if name != device.resource.id)
        net_kg = others + electrolyzer.h2_kg_per_h(device, -p_mw) - hydrogen.out_kg_per_h
        return hydrogen.room_kg / net_kg * 3600 if net_kg > EDGE_MW else inf
    if isinstance(device, Ammonia):
        others = sum(kg for name, kg in hydrogen.used_kg_per_h.items() if name != device.resource.id)
        net_kg = others - p_mw * device.h2_kg_per_mwh - sum(hydrogen.made_kg_per_h.values())
        return hydrogen.above_kg / net_kg * 3600 if net_kg > EDGE_MW else inf
    return inf


def _air_s(device: Caes, e_mwh: float, net_mw: float) -> float:
    if net_mw > EDGE_MW:
        flow = -caes.air_mwh_per_h(device, net_mw, 0)
        end = max(
            device.e_min_mwh, _air_for(device, device.params.p_dis_max_vs_soc, net_mw, e_mwh, falling=True)
        )
        return _fall_s(e_mwh, end, flow, caes.retention(device, 3600.0))
    if net_mw < -EDGE_MW:
        flow = caes.air_mwh_per_h(device, net_mw, max(1, caes.trains_for(device, -net_mw, 0)))
        end = min(
            device.e_max_mwh, _air_for(device, device.params.p_ch_max_vs_soc, -net_mw, e_mwh, falling=False)
        )
        return _rise_s(e_mwh, end, flow)
    return inf


def _air_for(device: Caes, limit: curve.Curve, mw: float, e_mwh: float, *, falling: bool) -> float:
    """Return the air at which a limit of power against state of charge first falls below `mw`.

    On the way from `e_mwh` to the store's edge, emptying or filling; that edge where it never does.
    """
    full, soc, far = device.e_air_mwh, e_mwh / device.e_air_mwh, 0.0 if falling else 1.0
    inner = [x for x, _ in limit if min(soc, far) < x < max(soc, far)]
    stops = [soc, *sorted(inner, reverse=falling), far]
    for x0, x1 in pairwise(stops):
        y0, y1 = curve.value(limit, x0), curve.value(limit, x1)
        if y0 < mw - EDGE_MW:
            return x0 * full
        if y1 < mw - EDGE_MW:
            return (x0 + (x1 - x0) * (mw - y0) / (y1 - y0)) * full
    return far * full


def _fall_s(e_mwh: float, end_mwh: float, flow_mw: float, kept_per_h: float) -> float:
    if e_mwh <= end_mwh:
        return 0.0
    loss = -log(kept_per_h)
    hours = (
        log((e_mwh + flow_mw / loss) / (end_mwh + flow_mw / loss)) / loss
        if loss > 1e-9
        else (e_mwh - end_mwh) / flow_mw
    )
    return hours * 3600


def _rise_s(e_mwh: float, end_mwh: float, flow_mw: float) -> float:
    """Losses only make it longer and are left out."""
    return max(0.0, end_mwh - e_mwh) / flow_mw * 3600


def ramp_mw_per_min(device: Device) -> float:
    """Return the fastest change of the terminal power, MW/min; inf where the name plate states none."""
    rating = device.resource.p_max_mw
    if isinstance(device, Bess):
        return (rating - device.resource.p_min_mw) / device.params.ramp_full_swing_s * 60
    if isinstance(device, Wind | Pv):
        return max(device.lag.up, device.lag.down) * 60
    if isinstance(device, Caes):
        train = device.params.compressor
        return max(device.params.turbine.ramp_mw_per_min, train.trains * train.ramp_mw_per_min)
    if isinstance(device, Electrolyzer):
        return -device.params.ramp_pct_per_s / 100 * device.resource.p_min_mw * 60
    if isinstance(device, Ammonia | Chp):
        return device.ramp_mw_per_h / 60
    return inf


def price_cny_per_mwh(park: Park, device: Device, from_mw: float, to_mw: float, at: datetime) -> float:
    """Return what one MWh of the change costs the park besides the energy at the tie, CNY/MWh.

    Wear per MWh discharged; stored energy at what it costs to fill it again in the cheapest eighth of
    the next 24 hours, carbon included (the plan's own worth of a store, `planning.limits.terminal`);
    hydrogen and ammonia not made (or made) at the contract's price; fuel and its carbon; curtailment at
    the contract's price, saved where the change goes up. An average over the change; assumption: starts
    are not in it.
    """
    moved = to_mw - from_mw
    if isinstance(device, Wind | Pv):
        return -park.contracts.curtailment.price_cny_per_mwh * (1 if moved > 0 else -1)
    if isinstance(device, Electrolyzer) and park.contracts.hydrogen is not None:
        made = electrolyzer.h2_kg_per_h(device, -to_mw) - electrolyzer.h2_kg_per_h(device, -from_mw)
        return -made * park.contracts.hydrogen.price_cny_per_kg / abs(moved) if moved else 0.0
    if isinstance(device, Chp):
        carbon = park.contracts.carbon.price_cny_per_t * device.params.co2_t_per_mwh
        return (device.params.fuel_cny_per_mwh + carbon) * (1 if moved > 0 else -1)
    if isinstance(device, Ammonia) and park.contracts.ammonia is not None:
        return park.contracts.ammonia.price_cny_per_t / device.params.el_mwh_per_t * (1 if moved > 0 else -1)
    if not isinstance(device, Bess | Caes):
        return 0.0
    low = refill_cny_per_mwh(park, [at + timedelta(hours=k) for k in range(24)])
    if isinstance(device, Bess):
        eta_in, eta_out, wear = (
            device.params.eta_ch,
            device.params.eta_dis,
            device.params.degradation_cny_per_mwh_discharged,
        )
        aux = device.aux_mw
    else:
        eta_in, eta_out, wear = (
            device.params.eta_charge,
            device.params.eta_discharge,
            device.params.vom_cny_per_mwh_dis,
        )
        aux = device.params.standby_aux_mw

    def cny_per_h(p_mw: float) -> float:
        net = p_mw + aux
        return net * (wear + low / eta_in / eta_out) if net > 0 else net * low

    return (cny_per_h(to_mw) - cny_per_h(from_mw)) / abs(moved) if moved else 0.0
