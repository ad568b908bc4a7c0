"""A park folder becomes a `Park`; every fault of the input is reported at once."""

from vpp.park.endpoints import endpoints, with_port_base
from vpp.park.load import load_park, shipped_parks
from vpp.park.model import Park
from vpp.park.series import read_series, span
from vpp.park.tariff import price_cny_per_mwh

__all__ = [
    "Park",
    "endpoints",
    "load_park",
    "price_cny_per_mwh",
    "read_series",
    "shipped_parks",
    "span",
    "with_port_base",
]
