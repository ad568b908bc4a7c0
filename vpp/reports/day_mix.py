"""Where a day's electricity came from, hour by hour: share without fossil fuel, and carbon.

Conventions. Wind and sun are free of both. Import carries the grid's factor (`[carbon]` of the park);
its fossil share is that factor over the factor of thermal power, since the rest of a grid's factor is
zero. CHP burns fossil fuel. What a store gives carries the mean mix of what was put into it, losses
included: carbon and fossil MWh are kept in stock and leave with the energy in proportion. What a store
holds at the day's begin carries the mean mix of the day's import, wind, sun and CHP.
"""

from dataclasses import dataclass

import numpy as np

from vpp.devices import Bess, Caes, Chp
from vpp.park.model import Park
from vpp.reports.day_flows import Flows
from vpp.types import Array

THERMAL_KG_PER_KWH = 0.824
"""Mean of China's thermal power in 2022 (China Electricity Council, annual development report 2023)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """By quarter hour; arrays have shape (bins,)."""

    supplied_mwh: Array
    """What sources and discharging stores gave to use, losses and export; what is charged has left with
    the mix of its quarter hour."""
    fossil_mwh: Array
    carbon_t: Array
    stock_t: float
    """Carbon held in stores at the end less at the begin."""
    direct_t: float
    """Carbon of import and CHP alone: equals what was supplied plus what went into stock."""

    def hourly(self) -> tuple[Array, Array]:
        """Return (non-fossil share of supply, carbon t) by hour; nan where nothing was supplied."""
        hours = len(self.supplied_mwh) // 4
        supplied, fossil, carbon = (
            values[: hours * 4].reshape(hours, 4).sum(axis=1)
            for values in (self.supplied_mwh, self.fossil_mwh, self.carbon_t)
        )
        share = np.full(hours, np.nan)
        np.divide(supplied - fossil, supplied, out=share, where=supplied > 0)
        return share, carbon

    @property
    def share(self) -> float:
        """Non-fossil share of the day's supply; nan where nothing was supplied."""
        supplied = float(self.supplied_mwh.sum())
        return 1 - float(self.fossil_mwh.sum()) / supplied if supplied > 0 else float("nan")


def mix(park: Park, flows: Flows) -> Mix:
    """Return the mix of a day."""
    grid_t = park.contracts.carbon.grid_kg_per_kwh
    grid_fossil = min(1.0, grid_t / THERMAL_KG_PER_KWH)
    stores = {n: d for n, d in park.devices.items() if isinstance(d, Bess | Caes)}
    imported, fed = flows.by_bin("import"), flows.of("fed")
    chp = {n: d for n, d in park.devices.items() if isinstance(d, Chp)}
    zero = np.zeros(flows.bins)
    burnt = np.array([zero, *(fed[n] for n in chp if n in fed)]).sum(axis=0)
    carbon = imported * grid_t
    carbon = carbon + sum((fed[n] * d.params.co2_t_per_mwh for n, d in chp.items() if n in fed), zero)
    fossil = imported * grid_fossil + burnt
    source = imported + sum((fed[n] for n in fed if n not in stores), zero)
    given = float(source.sum())
    mean = np.array([float(fossil.sum()), float(carbon.sum())]) / given if given > 0 else np.zeros(2)
    out = np.column_stack([source, fossil, carbon])
    stock = {n: flows.content.get(n, (0.0, 0.0))[0] * _given_back(stores[n]) * mean for n in stores}
    held = {n: flows.content.get(n, (0.0, 0.0))[0] * _given_back(stores[n]) for n in stores}
    before = sum((s[1] for s in stock.values()), 0.0)
    for k in range(flows.bins):
        for name in stores:
            out[k] += _take(stock, held, name, float(flows.of("discharge").get(name, zero)[k]))
        per_mwh = out[k, 1:] / out[k, 0] if out[k, 0] > 0 else mean
        for name, device in stores.items():
            charge = float(flows.of("charge").get(name, zero)[k])
            stock[name] = stock[name] + charge * per_mwh
            held[name] += charge * _round_trip(device)
            out[k, 1:] -= charge * per_mwh
            out[k, 0] -= charge
    return Mix(
        supplied_mwh=out[:, 0],
        fossil_mwh=out[:, 1],
        carbon_t=out[:, 2],
        stock_t=sum((s[1] for s in stock.values()), 0.0) - before,
        direct_t=float(carbon.sum()),
    )


def _take(stock: dict[str, Array], held: dict[str, float], name: str, mwh: float) -> Array:
    """Take a discharge out of a store's stock: (MWh, fossil MWh, t); at most what is in stock."""
    if mwh <= 0.0:
        return np.zeros(3)
    part = min(1.0, mwh / held[name]) if held[name] > 0 else 1.0
    gone = stock[name] * part
    stock[name] = stock[name] - gone
    held[name] = max(0.0, held[name] - mwh)
    return np.concatenate([[mwh], gone])


def _given_back(device: Bess | Caes) -> float:
    """AC energy that a MWh held gives."""
    return device.params.eta_dis if isinstance(device, Bess) else device.params.eta_discharge


def _round_trip(device: Bess | Caes) -> float:
    eta = device.params.eta_ch if isinstance(device, Bess) else device.params.eta_charge
    return eta * _given_back(device)
