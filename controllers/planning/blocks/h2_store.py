"""Hydrogen store: what all electrolysers make goes in, the pipeline takes it out."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.slots import DAYS, Frame, Situation
from vpp.devices import H2Store
from vpp.park.model import Park
from vpp.types import Array


def block(park: Park, device: H2Store, frame: Frame, inflows_kg_per_h: Sequence[Any]) -> Block:
    """Return the block of the hydrogen store.

    kg' = kg + dt (inflow - delivery - vented); p_mw = -compressor kWh/kg x inflow. Delivered hydrogen
    earns the contract's price; what a local day lacks of `pipeline_daily_min_kg` costs the contract's
    shortfall price. A day that the window only touches owes its share by time; the first day owes
    what was not delivered yet.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    names = ("p", "kg", "delivery", "vented", "inflow")
    p, kg, delivery, vented, inflow = (cp.Variable(n, name=f"{name}_{x}") for x in names)
    shortfall = cp.Variable(DAYS, name=f"{name}_shortfall")
    kg_start = cp.Parameter(name=f"{name}_kg0")
    owed, hours = cp.Parameter(DAYS, name=f"{name}_owed"), cp.Parameter((DAYS, n), name=f"{name}_hours")
    contract = park.contracts.hydrogen
    rows = [
        inflow == (sum(inflows_kg_per_h) if inflows_kg_per_h else np.zeros(n)),
        p == -params.compressor_kwh_per_kg / 1000 * inflow,
        kg[0] == kg_start,
        kg[1:] == kg[:-1] + cp.multiply(frame.dt_h[1:], inflow[1:] - delivery[1:] - vented[1:]),
        shortfall >= owed - hours @ delivery,
    ]

    def update(situation: Situation) -> Bounds:
        window, state = situation.window, situation.state.resources[name]
        kg_start.value = state["h2_kg"]
        hours.value = window.days * window.dt_h
        owed.value = owed_kg(park, situation, state.get("delivered_kg", 0.0))
        return _bounds(device, situation)

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        return {
            "h2_kg": values["kg"],
            "delivery_kg_per_h": values["delivery"],
            "vented_kg_per_h": values["vented"],
        }

    price = contract.price_cny_per_kg if contract else 0.0
    missed = contract.shortfall_cny_per_kg if contract else 0.0
    return Block(
        id=name,
        p_mw=p,
        variables={
            "kg": kg,
            "delivery": delivery,
            "vented": vented,
            "inflow": inflow,
            "shortfall": shortfall,
        },
        constraints=tuple(rows),
        costs={"hydrogen": missed * cp.sum(shortfall) - price * (frame.dt_h @ delivery)},
        update=update,
        series=series,
    )


def _bounds(device: H2Store, situation: Situation) -> Bounds:
    n, name, params = situation.window.axis.n, device.resource.id, device.params
    live = situation.window.active * float(situation.is_available(name))
    kg = situation.state.resources[name]["h2_kg"]
    return {
        "p_mw": (np.full(n, -np.inf), np.full(n, np.inf)),
        "kg": (np.full(n, min(device.min_kg, kg)), np.full(n, max(params.usable_kg, kg))),
        "delivery": (np.zeros(n), params.pipeline_max_kg_per_h * live),
        "vented": (np.zeros(n), np.full(n, np.inf)),
        "inflow": (np.zeros(n), np.full(n, np.inf)),
        "shortfall": (np.zeros(DAYS), np.full(DAYS, np.inf)),
    }


def owed_kg(park: Park, situation: Situation, delivered_kg: float) -> Array:
    """Return (DAYS,) the hydrogen that the pipeline is still owed in each local day of the window."""
    contract, window = park.contracts.hydrogen, situation.window
    out = np.zeros(DAYS)
    if contract is None:
        return out
    per_day = 24 / window.axis.step_h
    for day in range(DAYS):
        slots = np.flatnonzero(window.days[day])
        if not len(slots):
            continue
        if day == 0:
            # the day's part behind the window's end is owed later; the part before it is in the ledger
            left = per_day - slots_before(park, situation) - len(slots)
            out[day] = max(0.0, contract.pipeline_daily_min_kg * (1 - left / per_day) - delivered_kg)
        else:
            out[day] = contract.pipeline_daily_min_kg * len(slots) / per_day
    return out


def slots_before(park: Park, situation: Situation) -> int:
    """Return how many steps of the first local day lie before the window."""
    local = situation.window.start.astimezone(ZoneInfo(park.site.zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return round((local - midnight).total_seconds() / 60 / situation.window.axis.step_min)
