"""From a relaxed solution to bounds that fix integers at a feasible choice near it: machines, then calls."""

from collections.abc import Sequence

import numpy as np

from controllers.planning.blocks.block import Block, Bounds
from controllers.planning.blocks.load_rounding import nearest_calls
from controllers.planning.problem import Model, narrow, solution_of
from controllers.planning.slots import Situation
from controllers.planning.solve import INTEGRAL
from vpp.types import Array


def machines_settled(
    model: Model, now: Situation, x: Array, lower: Array, upper: Array
) -> list[tuple[Array, Array]]:
    """Return choices of all devices' integers near a solution, each as bounds that fix them.

    CAES plants keep every rule of commitment; other integers are rounded. The k-th choice holds the k-th
    of each plant.
    """
    values = solution_of(model, x[: model.compiled.size])
    choices: dict[str, tuple[Bounds, ...]] = {}
    for name in model.park.resources:
        block = model.blocks[name]
        if block.nearest is not None:
            choices[name] = block.nearest(values[name], _bounds_of(model, block, lower, upper), now)
        elif block.integers:
            choices[name] = ({key: (np.round(values[name][key]),) * 2 for key in block.integers},)
    found = []
    for k in range(max((len(each) for each in choices.values()), default=1)):
        low, high = lower.copy(), upper.copy()
        for name, each in choices.items():
            narrow(model, model.blocks[name], each[min(k, len(each) - 1)] if each else {}, low, high)
        if not (low > high + 1e-9).any():
            found.append((low, high))
    return found


def calls_settled(
    model: Model, now: Situation, x: Array, lower: Array, upper: Array, *, loads: Sequence[str]
) -> tuple[Array, Array]:
    """Return bounds with the calls of these loads fixed near a solution, within their ledgers."""
    values = solution_of(model, x[: model.compiled.size])
    low, high = lower.copy(), upper.copy()
    for name in loads:
        block = model.blocks[name]
        bounds = _bounds_of(model, block, lower, upper)
        narrow(model, block, nearest_calls(now, model.park.loads[name], values[name], bounds), low, high)
    return low, high


def split_loads(model: Model, now: Situation, x: Array) -> list[str]:
    """Return the loads whose counts are not whole in a solution, those that shed most first."""
    shed: dict[str, float] = {}
    for name, load in model.park.loads.items():
        block = model.blocks[name]
        counts = [x[model.compiled.columns(block.variables[key])] for key in block.integers]
        if any(np.abs(count - np.round(count)).max() > INTEGRAL for count in counts):
            opened = x[model.compiled.columns(block.variables["open"])]
            part = now.load_mw[name] * load.interruptible_share / load.blocks
            shed[name] = float(opened @ part)
    return sorted(shed, key=lambda name: (-shed[name], name))


def _bounds_of(model: Model, block: Block, lower: Array, upper: Array) -> Bounds:
    spans = {name: model.compiled.columns(variable) for name, variable in block.variables.items()}
    return {name: (lower[span], upper[span]) for name, span in spans.items()}
