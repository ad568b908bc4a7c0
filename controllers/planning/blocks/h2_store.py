"""Hydrogen store: what all electrolysers make goes in, pipeline and ammonia loops take it out."""

from collections.abc import Sequence
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.owed import owed
from controllers.planning.slots import DAYS, Frame, Situation
from vpp.devices import H2Store
from vpp.park.model import Park
from vpp.types import Array


def block(
    park: Park, device: H2Store, frame: Frame, made_kg_per_h: Sequence[Any], used_kg_per_h: Sequence[Any]
) -> Block:
    """Return the block of the hydrogen store: electrolysers make, ammonia loops use.

    kg' = kg + dt (inflow - used - delivery - vented); p_mw = -compressor kWh/kg x inflow. Delivered hydrogen
    earns the contract's price; what a local day lacks of `pipeline_daily_min_kg` costs the contract's
    shortfall price. A day that the window only touches owes its share by time; the first day owes
    what was not delivered yet.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    names = ("p", "kg", "delivery", "vented", "inflow")
    p, kg, delivery, vented, inflow = (cp.Variable(n, name=f"{name}_{x}") for x in names)
    shortfall = cp.Variable(DAYS, name=f"{name}_shortfall")
    kg_start = cp.Parameter(name=f"{name}_kg0")
    owed_kg, hours = cp.Parameter(DAYS, name=f"{name}_owed"), cp.Parameter((DAYS, n), name=f"{name}_hours")
    contract = park.contracts.hydrogen
    out = delivery + vented + sum(used_kg_per_h, np.zeros(n))
    rows = [
        inflow == (sum(made_kg_per_h) if made_kg_per_h else np.zeros(n)),
        p == -params.compressor_kwh_per_kg / 1000 * inflow,
        kg[0] == kg_start,
        kg[1:] == kg[:-1] + cp.multiply(frame.dt_h[1:], inflow[1:] - out[1:]),
        shortfall >= owed_kg - hours @ delivery,
    ]

    def update(situation: Situation) -> Bounds:
        window, state = situation.window, situation.state.resources[name]
        kg_start.value = state["h2_kg"]
        hours.value = window.days * window.dt_h
        daily = contract.pipeline_daily_min_kg if contract else 0.0
        owed_kg.value = owed(situation, daily, state.get("delivered_kg", 0.0))
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
