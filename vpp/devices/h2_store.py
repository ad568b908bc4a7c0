"""Hydrogen buffer behind the electrolysers, with its compressor and pipeline valve."""

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.command import AT_ONCE, Change, Command, Initial
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class H2StoreParams:
    """`params/*.toml` of a hydrogen store."""

    usable_kg: Annotated[float, Gt(0)]
    """Content of the full store."""
    min_fill: Annotated[float, Ge(0), Le(1)]
    """Share of `usable_kg` that stays in the store."""
    compressor_kwh_per_kg: Annotated[float, Ge(0)]
    """Electricity per kg put into the store, drawn at the store's bus."""
    pipeline_max_kg_per_h: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class H2Store:
    """Name plate of a hydrogen store; every electrolyser of the park feeds it, ammonia loops draw on it."""

    resource: Resource
    params: H2StoreParams

    @property
    def min_kg(self) -> float:
        """Content below which nothing is delivered."""
        return self.params.min_fill * self.params.usable_kg


@dataclass(frozen=True, slots=True, kw_only=True)
class H2StoreState:
    """State of a hydrogen store."""

    p_mw: float
    """Compressor, <= 0."""
    h2_kg: float
    delivered_kg: float
    """Into the pipeline, today."""
    vented_kg: float
    """Hydrogen that found the store full, since the start."""
    delivery_kg_per_h: float
    """Mean of the last step."""
    energy_in_mwh: float


def initial(device: H2Store, at: Initial) -> H2StoreState:
    """Return the state with `at.h2_kg`, inside the store's limits."""
    h2_kg = min(max(at.h2_kg, device.min_kg), device.params.usable_kg)
    return H2StoreState(
        p_mw=0.0, h2_kg=h2_kg, delivered_kg=0.0, vented_kg=0.0, delivery_kg_per_h=0.0, energy_in_mwh=0.0
    )


def compressor_mw(device: H2Store, inflow_kg_per_h: float) -> float:
    """Return the electric load of so much hydrogen put into the store, MW >= 0."""
    return device.params.compressor_kwh_per_kg * inflow_kg_per_h / 1000


def step(device: H2Store, state: H2StoreState, command: Command, dt_s: float, drive: float) -> H2StoreState:
    """Return the state `dt_s` seconds later with `drive` kg/h flowing in.

    All hydrogen goes through the store. The valve gives `command.h2_kg_per_h` up to the pipeline's
    limit and what is there above the minimum fill; what does not fit is vented before it is
    compressed. `command.p_mw` has no meaning. Exact for any `dt_s`.
    """
    params = device.params
    hours = dt_s / 3600
    inflow = max(drive, 0.0) * hours
    asked = min(max(command.h2_kg_per_h, 0.0), params.pipeline_max_kg_per_h) * hours
    out = min(asked, max(0.0, state.h2_kg - device.min_kg + inflow))
    taken = min(inflow, params.usable_kg - state.h2_kg + out)
    energy = compressor_mw(device, taken)
    h2_kg = min(max(state.h2_kg + taken - out, 0.0), params.usable_kg)
    return H2StoreState(
        p_mw=-energy / hours if hours > 0 else state.p_mw,
        h2_kg=h2_kg,
        delivered_kg=state.delivered_kg + out,
        vented_kg=state.vented_kg + inflow - taken,
        delivery_kg_per_h=out / hours if hours > 0 else state.delivery_kg_per_h,
        energy_in_mwh=state.energy_in_mwh + energy,
    )


def offered_kg_per_h(device: H2Store, h2_kg: float, dt_s: float) -> float:
    """Return what ammonia loops may take out of a content of `h2_kg` within the next `dt_s`, kg/h."""
    return max(0.0, h2_kg - device.min_kg) * 3600 / dt_s


def drawn(state: H2StoreState, used_kg: float) -> H2StoreState:
    """Return the state after ammonia loops took so much, >= 0; what they take is on no valve's counter."""
    return replace(state, h2_kg=max(0.0, state.h2_kg - used_kg))


def measure(device: H2Store, state: H2StoreState) -> dict[str, float]:
    """Return the read points that the physics knows; `vented_kg` comes on top."""
    return {
        "p_mw": state.p_mw,
        "status": 1.0,
        "energy_out_mwh": 0.0,
        "energy_in_mwh": state.energy_in_mwh,
        "h2_kg": state.h2_kg,
        "delivered_kg": state.delivered_kg,
        "vented_kg": state.vented_kg,
    }


def command_bounds(device: H2Store, state: H2StoreState, drive: float) -> tuple[float, float]:
    """Return the compressor's draw at `drive` kg/h twice: its power follows the inflow alone."""
    p_mw = -compressor_mw(device, max(drive, 0.0))
    return p_mw, p_mw


def delivery_max_kg_per_h(device: H2Store, state: H2StoreState) -> float:
    """Return what the pipeline valve may be asked for now, kg/h."""
    return device.params.pipeline_max_kg_per_h if state.h2_kg > device.min_kg else 0.0


def change(device: H2Store, from_mw: float, to_mw: float) -> Change:
    """Return no lead: the power is not commanded."""
    return AT_ONCE


def new_day(state: H2StoreState) -> H2StoreState:
    """Return the state with the day's counter at zero."""
    return replace(state, delivered_kg=0.0)
