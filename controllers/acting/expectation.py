"""What each device should be doing: its name plate's `step()` driven by the commands we sent.

A device's lag is thereby known and not corrected twice, and one that does not follow is seen.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from math import inf
from typing import Any

from vpp.devices import DEVICE_TYPES, Command, Device, H2Store, Initial
from vpp.park.model import Park
from vpp.types import Reading, Setpoint

State = Any
"""State dataclass of one device kind; all have `p_mw`."""
MEASURED_STATES = ("e_mwh", "h2_kg")
"""State that is taken from the meter whenever it answers, rather than integrated."""


def first(device: Device, reading: Reading) -> State:
    """Return the state of a device as far as its first reading tells."""
    values = reading.values
    mode_code = int(values.get("mode_code", 0))
    at = Initial(
        soc=min(max(values.get("soc", 0.5), 0.0), 1.0),
        mode="charge" if mode_code in (1, 3) else "discharge" if mode_code in (2, 4) else "off",
        h2_kg=max(values.get("h2_kg", 0.0), 0.0),
        p_mw=values.get("p_mw", 0.0),
    )
    return DEVICE_TYPES[device.resource.kind].initial(device, at)


def drive(park: Park, name: str, readings: Mapping[str, Reading]) -> float:
    """Return available MW of wind and PV, kg/h into a hydrogen store or on offer to a loop, else 0."""
    kind = park.resources[name].kind
    values = readings[name].values
    if kind == "ammonia":
        return _offered_kg_per_h(park, readings)
    if kind in ("wind", "pv"):
        return max(values.get("available_mw", values.get("p_mw", 0.0)), 0.0)
    if kind == "h2_store":
        makers = [n for n, r in park.resources.items() if r.kind == "electrolyzer"]
        return sum(max(readings[n].values.get("h2_kg_per_h", 0.0), 0.0) for n in makers)
    return 0.0


def _offered_kg_per_h(park: Park, readings: Mapping[str, Reading]) -> float:
    """Return without end while a store holds more than its least content; a silent one is believed to."""
    for name, device in park.devices.items():
        if isinstance(device, H2Store) and readings[name].values.get("h2_kg", inf) > device.min_kg:
            return inf
    makers = [n for n, r in park.resources.items() if r.kind == "electrolyzer"]
    return sum(max(readings[n].values.get("h2_kg_per_h", 0.0), 0.0) for n in makers)


def advance(device: Device, state: State, sent: Setpoint | None, flow: float, dt_s: float) -> State:
    """Return the expected state `dt_s` plant seconds later under the last command sent."""
    asked = sent.p_mw if sent is not None else state.p_mw
    h2 = sent.h2_kg_per_h if sent is not None else 0.0
    warm = sent.warm_stacks if sent is not None else None
    kind = DEVICE_TYPES[device.resource.kind]
    return kind.step(device, state, Command(p_mw=asked, h2_kg_per_h=h2, warm_stacks=warm), dt_s, flow)


def measured(state: State, reading: Reading) -> State:
    """Return the state with the stored energy or mass that the device reports."""
    names = {field.name for field in fields(state)}
    known = {k: reading.values[k] for k in MEASURED_STATES if k in names and k in reading.values}
    return replace(state, **known) if known else state
