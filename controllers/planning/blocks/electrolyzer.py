"""Electrolyser plant: stacks cold, on standby or on, counted together and relaxed, then rounded.

Whole stacks cost at most 0.004 % (note on the day-ahead MILP), so no integer is needed: counts are
settled after the search, from its solution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.hull import chord, upper_hull
from controllers.planning.slots import Frame, Situation
from vpp.devices import Electrolyzer, electrolyzer
from vpp.park.model import Park
from vpp.types import Array

SOON_MIN = 0.5
"""A hot start that takes no longer is none for a plan (assumption)."""
NAMES = ("work", "on", "warm", "heat", "start", "h2", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Variables and parameters of one plant, each (n,) but `lost` and `owned`."""

    device: Electrolyzer
    v: Mapping[str, cp.Variable]
    """`work` MW of the stacks that are on; `on`, `warm` (on or on standby) and `heat` (that become warm
    with the slot) in stacks; `start` hot starts; `h2` kg/h; `lost` stacks let go cold for good."""
    ripe: cp.Parameter
    """Stacks that heat already when the plan begins, in the slot from which they are warm."""
    heating: cp.Parameter
    """MW that these draw until then."""
    correction: cp.Parameter
    """kg/h that whole stacks make beyond the relaxed counts at the last solution."""
    owned: cp.Parameter
    """(1,): stacks warm or heating when the plan begins."""


def heat_share(device: Electrolyzer, step_min: float) -> tuple[int, float]:
    """Return over how many steps a cold start reaches, and the share of each in which it draws power."""
    steps = max(1, ceil(device.params.cold_start_min / step_min - 1e-9))
    return steps, device.params.cold_start_min / (steps * step_min)


def heating_mw(device: Electrolyzer, heat: Any, step_min: float) -> Any:
    """Return (n,) the power of stacks that heat, from the stacks that become warm with each slot."""
    steps, share = heat_share(device, step_min)
    ahead = [np.eye(heat.shape[0], k=j) for j in range(1, steps + 1)]
    return device.stack_standby_mw * share * (sum(ahead) @ heat)


def _rows(plant: Plant, p: cp.Variable, step_min: float) -> list[Any]:
    """Return the rows of power, counts of stacks and hydrogen."""
    device, v, params = plant.device, plant.v, plant.device.params
    standing = device.stack_standby_mw
    points, best_mw = electrolyzer.stack_points(device), electrolyzer.best_stack_mw(device)
    least_mw = params.stack_load_min * params.stack_mw
    own_mw = standing * (v["warm"] - v["on"]) + heating_mw(device, v["heat"], step_min)
    return [
        p == -v["work"] - own_mw - plant.heating,
        v["work"] >= least_mw * v["on"],
        # the plant lets no more stacks share a load than have their best: else starts would be saved in
        # the plan alone
        v["work"] >= best_mw * v["on"] - (best_mw - least_mw),
        v["work"] <= params.stack_load_max * params.stack_mw * v["on"],
        v["on"] <= v["warm"],
        v["heat"] <= v["on"],
        v["warm"][1:] - v["warm"][:-1] <= v["heat"][1:] + plant.ripe[1:],
        v["start"][1:] >= v["on"][1:] - v["on"][:-1] - v["heat"][1:],
        v["lost"] >= plant.owned - v["warm"][-1:],
        *(v["h2"] <= a * v["work"] + b * v["on"] for a, b in upper_hull(points)),
        v["h2"] >= chord(points)[0] * v["work"] + chord(points)[1] * v["on"],
    ]


def block(park: Park, device: Electrolyzer, frame: Frame) -> Block:
    """Return the block of an electrolyser plant.

    p_mw = -(work + standby of the warm stacks that are not on + heating). A stack becomes warm only by a
    cold start, which draws standby power for its time before and puts it on; warm stacks may go cold at
    any time. A cold start is paid once for each stack that heats or that ends the plan colder than it
    began. Hydrogen lies between the stacks' concave production curve and its chord, in perspective form.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    p = cp.Variable(n, name=f"{name}_p")
    plant = Plant(
        device=device,
        v={x: cp.Variable(1 if x == "lost" else n, name=f"{name}_{x}") for x in NAMES},
        ripe=cp.Parameter(n, name=f"{name}_ripe"),
        heating=cp.Parameter(n, name=f"{name}_heating"),
        correction=cp.Parameter(n, name=f"{name}_correction"),
        owned=cp.Parameter(1, name=f"{name}_owned"),
    )
    v = plant.v

    def relinearise(values: Values, situation: Situation) -> None:
        # a share of a stack is about to be rounded: its hydrogen says nothing of the rounded plant's
        whole = (values["on"] < 1e-6) | (values["on"] > 1 - 1e-6)
        whole &= np.abs(values["warm"] - np.round(values["warm"])) < 1e-6
        made = _made(plant, values, situation)
        plant.correction.value = np.where(whole & situation.window.active, made - values["h2"], 0.0)

    cold_cny, hot_cny = (
        params.stack_mw * x for x in (params.start_cost_cny_per_mw_cold, params.start_cost_cny_per_mw_hot)
    )
    cold = frame.active @ v["heat"] + cp.sum(v["lost"])
    return Block(
        id=name,
        p_mw=p,
        variables=v,
        constraints=tuple(_rows(plant, p, frame.axis.step_min)),
        costs={"starts": hot_cny * (frame.active[1:] @ v["start"][1:]) + cold_cny * cold},
        update=lambda situation: _update(plant, situation),
        series=lambda values, situation: _series(plant, values, situation),
        reserve_up_mw=v["work"] - device.stack_standby_mw * v["on"],
        h2_kg_per_h=v["h2"] + plant.correction,
        relinearise=relinearise,
        rounded=lambda values: _rounded(plant, values),
    )


def on_now(device: Electrolyzer, state: Mapping[str, float]) -> int:
    """Return how many stacks work at the measured power."""
    warm, heating = state.get("warm_stacks", float(device.params.stacks)), state.get("heating_stacks", 0.0)
    drawn_mw = max(0.0, -state.get("p_mw", 0.0)) - heating * device.stack_standby_mw
    return electrolyzer.best_stacks(device, drawn_mw, round(warm))


def _most_on(plant: Plant, situation: Situation, wait_min: Array, on: float) -> Array:
    """Return (n,) the most stacks on: too soon for a hot start those that are, or were told to be."""
    device = plant.device
    told = situation.previous_series(device.resource.id, "stacks")
    known = np.zeros(len(wait_min)) if told is None else np.nan_to_num(told)
    near = wait_min < device.params.hot_start_min - SOON_MIN
    return np.where(near, np.maximum(on, known), float(device.params.stacks))


def _update(plant: Plant, situation: Situation) -> Bounds:
    """Set what the plan begins with and return the bounds; a plant that does not answer has no stack."""
    device, window, n = plant.device, situation.window, situation.window.axis.n
    state, stacks = situation.state.resources[device.resource.id], device.params.stacks
    answers = float(situation.is_available(device.resource.id))
    warm = round(state.get("warm_stacks", float(stacks))) * answers
    heating = round(state.get("heating_stacks", 0.0)) * answers
    on, slots = min(on_now(device, state), warm), np.arange(n)
    wait_min = np.array([(window.slot_start(k) - window.at).total_seconds() / 60 for k in range(n)])
    ready = wait_min >= device.params.cold_start_min - 1e-6
    left_min = state.get("heating_min", 0.0)
    first = int(np.argmax(wait_min >= left_min - 1e-6)) if heating else 0
    plant.ripe.value = np.where(slots == max(first, window.first), heating, 0.0)
    drawn_h = np.clip(window.dt_h - np.maximum(0.0, np.cumsum(window.dt_h) - left_min / 60), 0.0, window.dt_h)
    share = np.divide(drawn_h, window.dt_h, out=np.zeros(n), where=window.dt_h > 0)
    plant.heating.value = device.stack_standby_mw * heating * share
    plant.correction.value, plant.owned.value = np.zeros(n), np.array([warm + heating])
    gone, live = slots < window.first, window.active * answers
    free = (np.zeros(n), np.full(n, np.inf))
    return {
        "p_mw": (np.where(gone, -np.inf, device.resource.p_min_mw), np.full(n, np.inf)),
        "work": free,
        "h2": free,
        "on": (np.where(gone, on, 0.0), np.where(gone, on, _most_on(plant, situation, wait_min, on) * live)),
        "warm": (np.where(gone, warm, 0.0), np.where(gone, warm, stacks * answers)),
        "heat": (np.zeros(n), np.where(ready, stacks * live, 0.0)),
        "start": (np.zeros(n), np.where(gone, 0.0, np.inf)),
        "lost": (np.zeros(1), np.full(1, np.inf)),
    }


def _series(plant: Plant, values: Values, situation: Situation) -> dict[str, Array]:
    device, warm = plant.device, np.round(values["warm"])
    heating = _heating(plant, values, situation)
    load = -values["p_mw"]
    return {
        "load_mw": load,
        "stacks": np.array(
            [
                float(electrolyzer.best_stacks(device, mw, int(count)))
                for mw, count in zip(load - heating, warm, strict=True)
            ]
        ),
        "warm_stacks": warm,
        "heating_mw": heating,
        "hot_starts": values["start"],
        "h2_kg": _made(plant, values, situation) * situation.window.dt_h,
    }


def _heating(plant: Plant, values: Values, situation: Situation) -> Array:
    drawn = heating_mw(plant.device, values["heat"], situation.window.axis.step_min)
    return np.asarray(drawn + np.asarray(plant.heating.value))


def _made(plant: Plant, values: Values, situation: Situation) -> Array:
    """Return (n,) kg/h of whole stacks at the planned load."""
    net = -values["p_mw"] - _heating(plant, values, situation)
    pairs = zip(net, np.round(values["warm"]), strict=True)
    return np.array([electrolyzer.h2_kg_per_h(plant.device, mw, int(count)) for mw, count in pairs])


def _rounded(plant: Plant, values: Values) -> Bounds:
    """Return bounds of whole warm stacks, and at least one stack on where half of one's least works."""
    device = plant.device
    least = device.params.stack_load_min * device.params.stack_mw
    warm = np.ceil(values["warm"] - 1e-6)
    running = values["work"] - device.stack_standby_mw * values["on"] >= (least - device.stack_standby_mw) / 2
    running |= (np.diff(warm, prepend=warm[0]) > 0.5) & (values["heat"] > 1e-6)
    none = np.full(len(warm), -np.inf)
    return {
        "warm": (warm, warm),
        "on": (np.where(running, 1.0, none), np.where(running, warm, 0.0)),
    }
