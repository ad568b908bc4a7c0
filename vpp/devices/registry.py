"""What every device type offers, by the name used in `devices.csv`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vpp.devices import (
    ammonia,
    bess,
    caes,
    caes_step,
    chp,
    electrolyzer,
    electrolyzer_step,
    h2_store,
    pv,
    weather_driven,
    wind,
)
from vpp.devices.ammonia import AmmoniaState
from vpp.devices.bess import BessState
from vpp.devices.caes_step import CaesState
from vpp.devices.chp import ChpState
from vpp.devices.command import Change, Command, Initial
from vpp.devices.electrolyzer_step import ElectrolyzerState
from vpp.devices.h2_store import H2StoreState
from vpp.devices.weather_driven import WeatherState

Device = (
    wind.Wind
    | pv.Pv
    | bess.Bess
    | caes.Caes
    | electrolyzer.Electrolyzer
    | h2_store.H2Store
    | ammonia.Ammonia
    | chp.Chp
)
"""Any name plate."""
State = WeatherState | BessState | CaesState | ElectrolyzerState | H2StoreState | AmmoniaState | ChpState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """The functions of one device file; `Any` stands for that file's own device and state."""

    kind: str
    params: type[Any]
    """Dataclass of `params/*.toml`."""
    device: type[Any]
    """Name plate: `device(resource=..., params=...)`."""
    initial: Callable[[Any, Initial], Any]
    step: Callable[[Any, Any, Command, float, float], Any]
    """(device, state, command, dt_s, drive) -> state after dt_s > 0; `drive` is available MW for wind
    and PV, inflow kg/h for a hydrogen store, hydrogen on offer kg/h for an ammonia loop, else 0. The
    command holds over the step."""
    measure: Callable[[Any, Any], dict[str, float]]
    command_bounds: Callable[[Any, Any, float], tuple[float, float]]
    """(device, state, drive) -> (p_min_mw, p_max_mw) that a command may ask now."""
    change: Callable[[Any, float, float], Change]
    """(device, from_mw, to_mw) -> how long before a step boundary the plan's next power must be asked
    for, so that the energies of the steps come out."""
    new_day: Callable[[Any], Any]
    """State with the counters of the day at zero; called at local midnight."""


def _type(kind: str, params: type[Any], device: type[Any], file: Any, motion: Any) -> DeviceType:
    return DeviceType(
        kind=kind,
        params=params,
        device=device,
        initial=motion.initial,
        step=motion.step,
        measure=motion.measure,
        command_bounds=motion.command_bounds,
        change=file.change,
        new_day=motion.new_day,
    )


DEVICE_TYPES: Mapping[str, DeviceType] = MappingProxyType(
    {
        "wind": _type("wind", wind.WindParams, wind.Wind, weather_driven, weather_driven),
        "pv": _type("pv", pv.PvParams, pv.Pv, weather_driven, weather_driven),
        "bess": _type("bess", bess.BessParams, bess.Bess, bess, bess),
        "caes": _type("caes", caes.CaesParams, caes.Caes, caes, caes_step),
        "electrolyzer": _type(
            "electrolyzer",
            electrolyzer.ElectrolyzerParams,
            electrolyzer.Electrolyzer,
            electrolyzer,
            electrolyzer_step,
        ),
        "ammonia": _type("ammonia", ammonia.AmmoniaParams, ammonia.Ammonia, ammonia, ammonia),
        "chp": _type("chp", chp.ChpParams, chp.Chp, chp, chp),
        "h2_store": _type("h2_store", h2_store.H2StoreParams, h2_store.H2Store, h2_store, h2_store),
    }
)
