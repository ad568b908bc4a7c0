"""What is worth something though no contract names its price: energy and hydrogen left in store."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from vpp.devices import Bess, Caes, Electrolyzer, H2Store
from vpp.park.model import Park
from vpp.park.tariff import price_cny_per_mwh


def refill_cny_per_mwh(park: Park, starts: Sequence[datetime]) -> float:
    """Return the price of energy in the cheapest eighth of the hours `starts`, carbon included."""
    carbon = park.contracts.carbon
    low = float(np.quantile(price_cny_per_mwh(park, starts), 0.125))
    return low + carbon.price_cny_per_t * carbon.grid_kg_per_kwh


def stored_worth(park: Park, name: str, low_cny_per_mwh: float) -> float | None:
    """Return what a unit held in a store costs to put there again; None for what stores nothing.

    Battery and CAES, CNY per MWh stored: price / efficiency of charging at rated load. Hydrogen, CNY per
    kg: price x least consumption of electrolysers and compressor, at most what a kg that is missing
    loses (price + shortfall). Reasons at `controllers.planning.limits.terminal`.
    """
    device, contract = park.devices[name], park.contracts.hydrogen
    if isinstance(device, H2Store) and contract is not None:
        missed = contract.price_cny_per_kg + contract.shortfall_cny_per_kg
        kwh = _kwh_per_kg(park) + device.params.compressor_kwh_per_kg
        return min(missed, low_cny_per_mwh / 1000 * kwh)
    if isinstance(device, Bess | Caes):
        eta = device.params.eta_ch if isinstance(device, Bess) else device.params.eta_charge
        return low_cny_per_mwh / eta
    return None


def _kwh_per_kg(park: Park) -> float:
    """Least consumption of the park's electrolysers, kWh per kg; 0 without any."""
    curves = [d.params.kwh_per_kg_vs_load for d in park.devices.values() if isinstance(d, Electrolyzer)]
    return min((kwh for curve in curves for _, kwh in curve), default=0.0)
