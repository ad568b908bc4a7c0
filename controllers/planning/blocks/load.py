"""Load with an interruptible part: blocks behind breakers, called under the contract's ledger."""

from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.slots import Frame, Situation
from vpp.park.model import Park
from vpp.types import Array, Load, NoticeClass


def is_interruptible(load: Load) -> bool:
    """Return whether the plan may open breakers of this load."""
    return load.notice_class is not NoticeClass.NEVER and load.blocks > 0 and load.interruptible_share > 0


def block(park: Park, load: Load, frame: Frame) -> Block:
    """Return the block of a load: p_mw = -(load - shed).

    `open` breakers of equal parts of the interruptible share; `call` is 1 while any is open. A call
    lasts at most `max_shed_min`; after it `min_between_sheds_min` must pass; calls of a day are
    limited. Energy not served costs the contract's energy price, each block that closes again its
    restart cost. A call that runs at the start is held to the end of its longest duration, since
    closing needs a permission that the plan does not have. Rebound is left out (assumption).
    """
    n, name = frame.axis.n, load.id
    p = cp.Variable(n, name=f"{name}_p")
    demand = cp.Parameter(n, name=f"{name}_demand")
    if not is_interruptible(load):
        return _fixed(load, p, demand)
    names = ("open", "call", "start", "stop", "shut", "shed")
    variables = {x: cp.Variable(n, name=f"{name}_{x}") for x in names}
    opened, call, start, stop, shut, shed = variables.values()
    part = cp.Parameter(n, name=f"{name}_part")
    calls_left = cp.Parameter(frame.days.shape[0], name=f"{name}_calls")
    longest = max(1, int(load.max_shed_min // frame.axis.step_min))
    rest, h = frame.axis.steps_of(load.min_between_sheds_min), frame.axis.history
    rows = [
        p == shed - demand,
        shed == cp.multiply(part, opened),
        opened <= load.blocks * call,
        call <= opened,
        start[1:] - stop[1:] == call[1:] - call[:-1],
        shut[1:] >= opened[:-1] - opened[1:],
        frame.days @ start <= calls_left,
    ]
    rows += [
        _last(call, longest + 1, h) <= longest,
        *([start[h:] + _last(stop, rest, h) <= 1] if rest else []),
    ]

    def update(situation: Situation) -> Bounds:
        demand.value = situation.load_mw[name]
        part.value = situation.load_mw[name] * load.interruptible_share / load.blocks
        left = np.full(calls_left.shape, float(load.max_calls_per_day))
        left[0] = situation.state.calls.get(name, {}).get("calls_left", left[0])
        calls_left.value = left
        return _bounds(load, situation, longest)

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        count = np.round(values["open"])
        shed_mw = count * np.asarray(part.value)
        return {"load_mw": np.asarray(demand.value), "shed_mw": shed_mw, "open_blocks": count}

    energy = load.contract_energy_cny_per_kwh * 1000 * (frame.dt_h @ shed)
    return Block(
        id=name,
        p_mw=p,
        variables=variables,
        constraints=tuple(rows),
        costs={"interruption": energy + load.restart_cost_cny * (frame.active[1:] @ shut[1:])},
        update=update,
        series=series,
        integers=("open", "call"),
        committed=lambda situation: _committed(load, situation),
    )


def _bounds(load: Load, situation: Situation, longest: int) -> Bounds:
    """Return the bounds that the ledger gives: a running call held, a rest that is not over kept."""
    window, ledger = situation.window, situation.state.calls.get(load.id, {})
    slots, free = np.arange(window.axis.n), np.zeros(window.axis.n)
    slot, step_min = slots - window.first, window.axis.step_min
    open_now = ledger.get("open_blocks", 0.0)
    before = (slot == -1) & (open_now > 0)
    held = max(1, int((load.max_shed_min - ledger.get("running_min", 0.0)) // step_min))
    keep = window.active & (slot < min(held, longest - 1)) & (open_now > 0)
    resting = slot < int(np.ceil(ledger.get("rest_min", 0.0) / step_min))
    may = window.active & ~resting & (load.max_calls_per_day > 0)
    fixed = (before | keep) * 1.0
    stopping = np.append(0.0, np.maximum(0.0, fixed[:-1] - fixed[1:]))
    return {
        "p_mw": (free - np.inf, free + np.inf),
        "open": (fixed * open_now, np.where(before | keep, open_now, np.where(may, load.blocks, 0.0))),
        "call": (fixed, np.where(before | keep | may, 1.0, 0.0)),
        "start": (before * 1.0, (before | may) * 1.0),
        "stop": (free, np.where(window.active | (slots == window.end), 1.0, stopping)),
        "shut": (free, free + load.blocks),
        "shed": (free, free + np.inf),
    }


def _committed(load: Load, situation: Situation) -> Bounds:
    kept = situation.previous_series(load.id, "open_blocks")
    if kept is None:
        return {}
    known = situation.window.active & ~np.isnan(kept)
    return {
        "open": (np.where(known, kept, -np.inf), np.where(known, kept, np.inf)),
        "call": (np.where(known, kept > 0, -np.inf), np.where(known, kept > 0, np.inf)),
    }


def _last(x: cp.Variable, count: int, first: int) -> Any:
    """Return for each slot from `first` on the sum of x over the last `count` slots."""
    padded = cp.hstack([np.zeros(count), x])
    return sum(padded[first + count - j : x.size + count - j] for j in range(count))


def _fixed(load: Load, p: cp.Variable, demand: cp.Parameter) -> Block:
    """Return the block of a load that is never interrupted: no decision at all."""

    def update(situation: Situation) -> Bounds:
        demand.value = situation.load_mw[load.id]
        free = np.full(situation.window.axis.n, np.inf)
        return {"p_mw": (-free, free)}

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        served = np.asarray(demand.value)
        return {"load_mw": served, "shed_mw": np.zeros_like(served), "open_blocks": np.zeros_like(served)}

    return Block(
        id=load.id,
        p_mw=p,
        variables={},
        constraints=(p == -demand,),
        costs={},
        update=update,
        series=series,
    )
