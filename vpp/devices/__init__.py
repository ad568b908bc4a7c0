"""The device registry: one file per device type."""

from vpp.devices.ammonia import Ammonia, AmmoniaParams
from vpp.devices.bess import Bess, BessParams
from vpp.devices.caes import Caes, CaesParams
from vpp.devices.chp import Chp, ChpParams
from vpp.devices.command import Change, Command, Initial
from vpp.devices.electrolyzer import Electrolyzer, ElectrolyzerParams
from vpp.devices.h2_store import H2Store, H2StoreParams
from vpp.devices.pv import Pv, PvParams
from vpp.devices.q_limits import q_limits
from vpp.devices.registry import DEVICE_TYPES, Device, DeviceType, State
from vpp.devices.wind import Wind, WindParams

__all__ = [
    "DEVICE_TYPES",
    "Ammonia",
    "AmmoniaParams",
    "Bess",
    "BessParams",
    "Caes",
    "CaesParams",
    "Change",
    "Chp",
    "ChpParams",
    "Command",
    "Device",
    "DeviceType",
    "Electrolyzer",
    "ElectrolyzerParams",
    "H2Store",
    "H2StoreParams",
    "Initial",
    "Pv",
    "PvParams",
    "State",
    "Wind",
    "WindParams",
    "q_limits",
]
