"""Commitments of a CAES plant nearest to those of a linear relaxation, by dynamic programming.

Every rule of commitment (minimum times, idle steps, starts a day, what slots allow) is kept exactly;
whether the air suffices is for the linear problem with these commitments to say.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from controllers.planning.blocks.block import Bounds, Values
from controllers.planning.slots import Window
from vpp.devices import Caes, caes
from vpp.types import Array

START = 0.5
"""Slots of difference that a start must save: few longer runs are better than many short ones."""


GRAIN = 0.02
"""Share below which a machine is off in a relaxation."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plant may do, in steps."""

    up: tuple[int, int]
    """Least run of the turbine, of a train."""
    down: tuple[int, int]
    """Fewest empty steps before the same machine runs again: turbine, trains."""
    idle: int
    """Fewest empty steps before the other machine runs."""
    trains: int


State = tuple[int, int, int, int, int]
"""(mode, slots in it, last machine, starts of the turbine and of trains in the day); mode 0 idle, 1 the
turbine, 1 + k so many trains; last machine 1 or 2."""


def rules_of(device: Caes, step_min: int) -> Rules:
    """Return the rules of a plant for steps of so many minutes."""
    params = device.params
    machines: tuple[Literal["turbine"], Literal["compressor"]] = ("turbine", "compressor")
    off = [caes.min_off_steps(device, machine, step_min) for machine in machines]
    up = [int(np.ceil(m.min_up_time_min / step_min - 1e-9)) for m in (params.turbine, params.compressor)]
    idle = int(np.ceil(params.mode_change_min_idle_s / 60 / step_min - 1e-9))
    return Rules((up[0], up[1]), (off[0], off[1]), max(1, idle), params.compressor.trains)


def wishes_of(device: Caes, values: Values) -> tuple[Array, ...]:
    """Return what a relaxation may mean, each (machines, slots) between 0 and 1.

    A half may be meant as it is; as the machine at half its power, where that is more than its least; or
    as the machine in half of the slots of its run. Each is the best on some days.
    """
    turbine, train = device.params.turbine, device.params.compressor
    on = np.array([values[f"on_{k}"] for k in range(train.trains + 1)])
    power = [values["discharge"] / turbine.p_min_mw]
    for k in range(train.trains):
        # between k trains at their rating and one more at its least there is a gap
        above = values["charge"] - k * train.p_rated_mw
        power.append(above / max((k + 1) * train.p_min_mw - k * train.p_rated_mw, train.p_min_mw / 4))
    return on, np.clip(power, 0.0, 1.0), np.array([_gathered(x) for x in on])


def _gathered(share: Array) -> Array:
    """Return each run of shares as its sum of whole slots, where most of it lies."""
    out = np.zeros_like(share)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], share > GRAIN, [False]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        count = round(share[start:end].sum())
        if count:
            windows = np.convolve(share[start:end], np.ones(count), mode="valid")
            first = start + int(np.argmax(windows))
            out[first : first + count] = 1.0
    return out


def nearest(
    rules: Rules, wishes: tuple[Array, ...], bounds: Bounds, window: Window, left: tuple[Array, Array]
) -> tuple[Bounds, ...]:
    """Return for each wish the bounds that fix `on_k` at the feasible commitment nearest to it.

    `bounds` are those of `on_k` and `start_k`; `left` the starts left of turbine and trains by day.
    """
    units = range(rules.trains + 1)
    modes = np.array([[0, *[0] * rules.trains], [1, *[0] * rules.trains]] + [
        [0, *[1] * k, *[0] * (rules.trains - k)] for k in range(1, rules.trains + 1)
    ])  # fmt: skip
    low, high = (np.array([bounds[f"on_{k}"][edge][: window.end] for k in units]) for edge in (0, 1))
    startable = np.array([bounds[f"start_{k}"][1][: window.end] > 0.5 for k in units])
    outside = (modes[:, :, None] < low[None] - 0.5) | (modes[:, :, None] > high[None] + 0.5)
    day = np.argmax(window.days[:, : window.end], axis=0)
    found: list[Bounds] = []
    for wish in wishes:
        cost = np.abs(wish[None, :, : window.end] - modes[:, :, None]).sum(axis=1)
        cost[outside.any(axis=1)] = np.inf
        chosen = _walk(rules, cost, startable, day, left)
        if chosen is not None:
            behind = np.zeros(window.axis.n - window.end)
            fixed = [np.concatenate([modes[chosen, k], behind]).astype(float) for k in units]
            found.append({f"on_{k}": (fixed[k], fixed[k]) for k in units})
    return tuple(found)


def _walk(rules: Rules, cost: Array, startable: Array, day: Array, left: tuple[Array, Array]) -> Array | None:
    """Return the modes (slots,) of least cost; None where every way breaks a rule."""
    long = max(*rules.up, *rules.down, rules.idle)
    best: dict[State, float] = {
        (mode, long, 1 if mode == 1 else 2, 0, 0): float(cost[mode, 0]) for mode in range(len(cost))
    }
    came: list[dict[State, State]] = []
    for slot in range(1, cost.shape[1]):
        new: dict[State, float] = {}
        back: dict[State, State] = {}
        fresh = day[slot] != day[slot - 1]
        for state, value in best.items():
            starts_left = (int(left[0][day[slot]]), int(left[1][day[slot]]))
            today = (*state[:3], 0, 0) if fresh else state
            for target, price in _next(rules, today, startable[:, slot], starts_left):
                total = value + price + float(cost[target[0], slot])
                if total < new.get(target, np.inf):
                    new[target], back[target] = total, state
        if not new:
            return None
        best = new
        came.append(back)
    end = min(best, key=lambda state: best[state])
    modes = [end[0]]
    for back in reversed(came):
        end = back[end]
        modes.append(end[0])
    return np.array(modes[::-1])


def _next(rules: Rules, state: State, startable: Array, left: tuple[int, int]) -> list[tuple[State, float]]:
    """Return what may follow a state, with the price of the change."""
    mode, age, last, turbine, trains = state
    long = max(*rules.up, *rules.down, rules.idle)
    out: list[tuple[State, float]] = [((mode, min(age + 1, long), last, turbine, trains), 0.0)]
    if mode:
        machine = 1 if mode == 1 else 2
        if age < rules.up[machine - 1]:
            return out
        out.append(((0, 1, machine, turbine, trains), 0.0))
        if machine == 2 and age >= rules.down[1]:
            for other in range(2, rules.trains + 2):
                rising = startable[mode:other].all()
                if other != mode and rising:
                    out.append(((other, 1, 2, turbine, trains), START / 2))
        return out
    needed = {last: rules.down[last - 1], 3 - last: rules.idle}
    if age >= needed[1] and startable[0] and turbine < left[0]:
        out.append(((1, 1, 1, turbine + 1, trains), START))
    if age >= needed[2] and trains < left[1]:
        for other in range(2, rules.trains + 2):
            if startable[1:other].all():
                out.append(((other, 1, 2, turbine, trains + 1), START))
    return out
