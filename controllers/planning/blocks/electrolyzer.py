"""Electrolyser plant: stacks aggregated behind one production curve, on relaxed and then rounded."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.hull import chord, upper_hull
from controllers.planning.slots import Frame, Situation
from vpp.devices import Electrolyzer, electrolyzer
from vpp.park.model import Park
from vpp.types import Array


def block(park: Park, device: Electrolyzer, frame: Frame) -> Block:
    """Return the block of an electrolyser plant.

    `load` is the power at the terminals. Off means hot standby of all stacks: a cold start takes an
    hour and its cost, which never pays within a day (assumption: the plan lets no stack go cold).
    Hydrogen lies between the plant's concave production curve and its chord, in perspective form.
    Whole stacks cost at most 0.004 % (note on the day-ahead MILP), so `on` is relaxed, then rounded;
    hot starts are counted by the load of a stack at its best.
    """
    n, name = frame.axis.n, device.resource.id
    names = ("p", "load", "on", "start", "h2")
    p, load, on, start, h2 = (cp.Variable(n, name=f"{name}_{x}") for x in names)
    live, correction = cp.Parameter(n, name=f"{name}_live"), cp.Parameter(n, name=f"{name}_correction")
    standby, low, high = device.standby_mw, device.load_min_mw, device.load_max_mw
    points = electrolyzer.production_points(device)
    working = load - standby * (live - on)
    per_stack = (high - standby) / device.params.stacks
    rows = [
        p == -load,
        load >= standby * live + (low - standby) * on,
        load <= standby * live + (high - standby) * on,
        start[1:] >= (load[1:] - load[:-1]) / per_stack - device.params.stacks * frame.beyond[1:],
        *(h2 <= a * working + b * on for a, b in upper_hull(points)),
        h2 >= chord(points)[0] * working + chord(points)[1] * on,
    ]

    def update(situation: Situation) -> Bounds:
        live.value = situation.window.active * float(situation.is_available(name))
        correction.value = np.zeros(n)
        return _bounds(device, situation, np.asarray(live.value))

    def relinearise(values: Values, situation: Situation) -> None:
        # a share of a start is about to be rounded: its hydrogen says nothing of the rounded plant's
        whole = np.abs(values["on"] - np.round(values["on"])) < 1e-6
        correction.value = np.where(whole, _made(device, values) - values["h2"], 0.0) * np.asarray(live.value)

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        return {
            "load_mw": values["load"],
            "stacks": np.array([float(electrolyzer.best_stacks(device, mw)) for mw in values["load"]]),
            "h2_kg": _made(device, values) * situation.window.dt_h,
        }

    hot_cny = device.params.start_cost_cny_per_mw_hot * device.params.stack_mw
    return Block(
        id=name,
        p_mw=p,
        variables={"load": load, "on": on, "start": start, "h2": h2},
        constraints=tuple(rows),
        costs={"starts": hot_cny * (frame.active[1:] @ start[1:])},
        update=update,
        series=series,
        reserve_up_mw=load - standby * live - (low - standby) * on,
        h2_kg_per_h=h2 + correction,
        relinearise=relinearise,
        rounded=lambda values: _rounded(device, np.asarray(live.value), values),
    )


def _bounds(device: Electrolyzer, situation: Situation, live: Array) -> Bounds:
    n, name = len(live), device.resource.id
    drawn_mw = max(-situation.state.resources[name].get("p_mw", 0.0), 0.0)
    span_mw = device.load_max_mw - device.standby_mw
    drawn_mw = min(drawn_mw, span_mw) * float(situation.is_available(name))
    gone = np.arange(n) < situation.window.first
    # history only prices the first start: a share `on` that fits the load satisfies its rows
    was = np.where(gone, drawn_mw / span_mw, 0.0)
    return {
        "p_mw": (np.full(n, -np.inf), np.full(n, np.inf)),
        "load": (np.where(gone, drawn_mw, 0.0), np.where(gone, drawn_mw, np.inf)),
        "on": (was, np.where(gone, was, live)),
        "start": (np.zeros(n), np.where(gone, 0.0, np.inf)),
        "h2": (np.zeros(n), np.full(n, np.inf)),
    }


def _rounded(device: Electrolyzer, live: Array, values: Values) -> Bounds:
    running = (values["load"] >= (device.standby_mw + device.load_min_mw) / 2).astype(float) * live
    return {"on": (np.where(live > 0.5, running, -np.inf), np.where(live > 0.5, running, np.inf))}


def _made(device: Electrolyzer, values: Values) -> Array:
    return np.array([electrolyzer.h2_kg_per_h(device, mw) for mw in values["load"]])
