"""How a park's devices stand when nothing is measured: `[initial]` and the contracts of `park.toml`."""

from vpp.devices import Ammonia, Caes, Chp, Device, Electrolyzer, Initial
from vpp.park.model import Park


def initial_of(park: Park, device: Device) -> Initial:
    """Return how a device stands at the beginning.

    Electrolysers stand warm on standby: a plant taken over cold would owe its plan the first hour
    (assumption).
    """
    contract = park.contracts
    return Initial(
        soc=contract.initial.caes_soc if isinstance(device, Caes) else contract.initial.battery_soc,
        mode=contract.initial.caes_mode,
        h2_kg=contract.hydrogen.initial_kg if contract.hydrogen is not None else 0.0,
        p_mw=_p_mw(park, device),
    )


def _p_mw(park: Park, device: Device) -> float:
    contract = park.contracts
    match device:
        case Electrolyzer():
            return -device.standby_mw
        case Chp():
            delivered = park.operating_point.get(device.resource.id)
            return contract.initial.chp_mw if delivered is None else delivered.p_mw
        case Ammonia() if contract.ammonia is not None:
            return -device.rated_mw * contract.ammonia.initial_load_share
    return 0.0


def share_of_loops(park: Park, loop: Ammonia) -> float:
    """Return the part of the park's ammonia contract that a loop owes: its share of their ratings."""
    return loop.rated_mw / sum(d.rated_mw for d in park.devices.values() if isinstance(d, Ammonia))
