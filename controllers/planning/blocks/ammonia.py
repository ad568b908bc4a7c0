"""Ammonia loop: convex where it runs, in hot idle where it has no hydrogen or restarts."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks import hydrogen_supply, ramped
from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.owed import owed
from controllers.planning.slots import DAYS, Frame, Situation
from vpp.devices import Ammonia
from vpp.park import share_of_loops
from vpp.park.model import Park
from vpp.types import Array


def block(park: Park, device: Ammonia, frame: Frame) -> Block:
    """Return the block of an ammonia loop: load = making + standing, one of them 0 in each slot.

    Hydrogen and ammonia are in proportion to `making`; `standing` is hot idle where the loop is out.
    Ammonia earns the contract's price; what a local day lacks of `daily_min_t` costs its shortfall
    price. With several loops each owes its share of the rating. Where the loop runs is settled in
    `hydrogen_supply` before the search.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    p, making = cp.Variable(n, name=f"{name}_p"), cp.Variable(n, name=f"{name}_making")
    shortfall = cp.Variable(DAYS, name=f"{name}_shortfall")
    room, standing = cp.Parameter(n - 1, name=f"{name}_room"), cp.Parameter(n, name=f"{name}_standing")
    owed_t, hours = cp.Parameter(DAYS, name=f"{name}_owed"), cp.Parameter((DAYS, n), name=f"{name}_hours")
    contract = park.contracts.ammonia
    price, missed, daily_t = (
        (
            contract.price_cny_per_t,
            contract.shortfall_cny_per_t,
            contract.daily_min_t * share_of_loops(park, device),
        )
        if contract
        else (0.0, 0.0, 0.0)
    )

    def update(situation: Situation) -> Bounds:
        window, state = situation.window, situation.state.resources[name]
        made = hydrogen_supply.production_kg_per_h(situation)
        on = window.spread(hydrogen_supply.running(situation, made)[name])
        off = ramped.held_off(situation, name, device.load_min_mw)
        standing.value = device.idle_mw * (window.active - np.maximum(on, off)) * situation.is_available(name)
        hours.value = window.days * window.dt_h
        owed_t.value = owed(situation, daily_t, state.get("nh3_t", 0.0))
        room.value = ramped.room_mw(situation, device.ramp_mw_per_h, held=on)
        return _bounds(device, situation, on)

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        making_mwh = values["making"] * situation.window.dt_h
        return {
            "load_mw": values["making"] + np.asarray(standing.value),
            "nh3_t": making_mwh / params.el_mwh_per_t,
            "h2_used_kg": making_mwh * device.h2_kg_per_mwh,
        }

    return Block(
        id=name,
        p_mw=p,
        variables={"making": making, "shortfall": shortfall},
        constraints=(
            p == -making - standing,
            shortfall >= owed_t - hours @ making / params.el_mwh_per_t,
            *ramped.rows(making, room),
        ),
        costs={"ammonia": missed * cp.sum(shortfall) - price / params.el_mwh_per_t * (frame.dt_h @ making)},
        update=update,
        series=series,
        h2_used_kg_per_h=device.h2_kg_per_mwh * making,
    )


def _bounds(device: Ammonia, situation: Situation, on: Array) -> Bounds:
    """Return the loop's band where it runs, 0 where it stands."""
    n, window, name = len(on), situation.window, device.resource.id
    load = max(0.0, -situation.state.resources[name].get("p_mw", 0.0))
    band = (device.load_min_mw, device.load_max_mw)
    low, high = ramped.reach(situation, max(load, device.load_min_mw), device.ramp_mw_per_h, band)
    began = ramped.began(on, window.first)
    # a loop that comes from hot idle takes its least load and rises from there
    top = np.where(began, device.load_min_mw + device.ramp_mw_per_h * window.axis.step_h / 2, high)
    return {
        "p_mw": (np.full(n, -np.inf), np.full(n, np.inf)),
        "making": (np.where(on > 0.5, low, 0.0), np.where(on > 0.5, top, 0.0)),
        "shortfall": (np.zeros(DAYS), np.full(DAYS, np.inf)),
    }
