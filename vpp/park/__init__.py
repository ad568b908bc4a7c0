"""A park folder becomes a `Park`; every fault of the input is reported at once."""

from vpp.park.endpoints import endpoints, with_port_base
from vpp.park.initial import initial_of, share_of_loops
from vpp.park.load import load_park
from vpp.park.model import Park
from vpp.park.series import read_series, uncovered
from vpp.park.shipped import copy_park, shipped_parks
from vpp.park.tariff import periods, price_cny_per_mwh

__all__ = [
    "Park",
    "copy_park",
    "endpoints",
    "initial_of",
    "load_park",
    "periods",
    "price_cny_per_mwh",
    "read_series",
    "share_of_loops",
    "shipped_parks",
    "uncovered",
    "with_port_base",
]
