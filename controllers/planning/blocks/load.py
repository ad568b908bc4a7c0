"""Load with an interruptible part: blocks behind breakers under a ledger of calls, and a trimmed part."""

from datetime import timedelta

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.blocks.calls import Calls, closing, ledger, longest_steps, power, rebound_steps
from controllers.planning.slots import Frame, Situation
from vpp.park.interruption import is_trimmable
from vpp.park.model import Park
from vpp.types import Array, Load, NoticeClass, Relaxation

NOTICE_MIN = 15.0
"""Minutes that a load of class `minutes` must know ahead of a call (assumption)."""
OVERDUE = "call"
"""What a relaxation is called, before the colon, of a call that has outlasted its contract."""
VARIABLES = ("begun", "ended", "open", "shut", "modulated")


def is_interruptible(load: Load) -> bool:
    """Return whether the plan may open breakers of this load."""
    return load.notice_class is not NoticeClass.NEVER and load.blocks > 0 and load.interruptible_share > 0


def block(park: Park, load: Load, frame: Frame) -> Block:
    """Return the block of a load: p_mw = -(load - shed - modulated + rebound).

    `open` breakers of equal parts of the interruptible share; a call lasts while any is open, at most
    `max_shed_min`; after it `min_between_sheds_min` must pass; calls of a day are limited. Energy not
    served costs the contract's energy price, each block that closes again its restart cost and
    `rebound_share` of its power for `restart_min`. The modulated part needs no call. A call that runs at
    the start is held to the end of its longest duration, since closing needs a permission that the plan
    does not have.
    """
    n, name = frame.axis.n, load.id
    if not is_interruptible(load):
        p, demand = cp.Variable(n, name=f"{name}_p"), cp.Parameter(n, name=f"{name}_demand")
        return _trimmed(load, p, demand, frame) if is_trimmable(load) else _fixed(load, p, demand)
    own = Calls(
        **{x: cp.Variable(n, name=f"{name}_{x}") for x in ("p", *VARIABLES)},
        **{x: cp.Parameter(n, name=f"{name}_{x}") for x in ("demand", "part", "rebound", "energy_cny")},
        calls_left=cp.Parameter(frame.days.shape[0], name=f"{name}_calls"),
    )

    price = load.contract_energy_cny_per_kwh * 1000

    def update(situation: Situation) -> Bounds:
        own.demand.value = situation.load_mw[name]
        own.part.value = situation.load_mw[name] * load.interruptible_share / load.blocks
        own.rebound.value = own.part.value * load.rebound_share
        own.energy_cny.value = price * own.part.value * situation.window.dt_h
        left = np.full(own.calls_left.shape, float(load.max_calls_per_day))
        left[0] = situation.state.calls.get(name, {}).get("calls_left", left[0])
        own.calls_left.value = left
        return _bounds(load, situation)

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        count, before = np.round(values["open"]), closed_before(load, situation)
        return {
            "load_mw": np.asarray(own.demand.value),
            "shed_mw": count * np.asarray(own.part.value),
            "modulated_mw": values["modulated"],
            "rebound_mw": rebound_mw(load, count, np.asarray(own.part.value), frame.axis.step_min, before),
            "open_blocks": count,
        }

    energy = own.energy_cny @ own.open + price * (frame.dt_h @ own.modulated)
    rules = ledger(load, own, frame)
    return Block(
        id=name,
        p_mw=own.p,
        variables={x: getattr(own, x) for x in VARIABLES},
        constraints=(*power(load, own, frame), closing(load, own, frame), *rules),
        ledger=tuple(rules),
        costs={"interruption": energy + load.restart_cost_cny * (frame.active[1:] @ own.shut[1:])},
        update=update,
        series=series,
        integers=("open", "begun", "ended"),
        committed=lambda situation: _committed(load, situation),
        rounded=_rounded,
    )


def _rounded(values: Values) -> Bounds:
    """Fix what closes: where a network limit wants more drawn, a rebound without a closing would pay."""
    shut = np.maximum(0.0, -np.diff(np.round(values["open"]), prepend=0.0))
    return {"shut": (shut, shut)}


def rebound_mw(
    load: Load, opened: Array, part_mw: Array, step_min: float, before: Array | float = 0.0
) -> Array:
    """Return (n,) what a load draws on top: closed blocks for `restart_min` after they closed, MW.

    `before` (n,) are blocks that closed in slots of which `opened` knows nothing.
    """
    shut = np.maximum(0.0, -np.diff(opened, prepend=opened[:1])) + before
    out = np.zeros(len(opened))
    for j, share in enumerate(rebound_steps(load, step_min)):
        out[j:] += share * shut[: len(opened) - j]
    return out * part_mw * load.rebound_share


def _bounds(load: Load, situation: Situation) -> Bounds:
    """Return the bounds that the ledger gives: a running call held, a rest that is not over kept."""
    window, ledger = situation.window, situation.state.calls.get(load.id, {})
    n, step_min = window.axis.n, window.axis.step_min
    slot, free = np.arange(n) - window.first, np.zeros(n)
    open_now = ledger.get("open_blocks", 0.0)
    running = open_now > 0
    longest = longest_steps(load, step_min)
    held = max(1, int((load.max_shed_min - ledger.get("running_min", 0.0)) // step_min))
    held = min(held, longest - 1) if running else 0
    kept = running & (slot >= -1) & (slot < held)
    may = window.active & (slot >= held) & _may_begin(load, situation)
    most = min(float(window.end - window.first), load.max_calls_per_day * 4.0)
    begun = (slot >= -1) * float(running)
    could = begun + np.where(np.logical_or.accumulate(may), most, 0.0)
    return {
        "p_mw": (np.full(n, -np.inf), np.full(n, np.inf)),
        "open": (kept * open_now, np.where(kept, open_now, np.where(window.active, load.blocks, 0.0))),
        "begun": (begun, could),
        "ended": (free, np.where(slot < held, 0.0, could)),
        "shut": _shut_bounds(load, situation),
        "modulated": (free, load.continuous_modulation_share * situation.load_mw[load.id]),
    }


def overdue(now: Situation) -> tuple[Relaxation, ...]:
    """Return the calls that have lasted longer than their contracts allow when the plan begins, minutes over.

    Only a dispatcher's permission closes them: no plan can keep the contract, each ends them after its
    first step.
    """
    step_min, found = now.window.axis.step_min, []
    for name, load in now.park.loads.items():
        ledger = now.state.calls.get(name, {})
        lasts_min = ledger.get("running_min", 0.0)
        if ledger.get("open_blocks", 0.0) > 0 and lasts_min > max(load.max_shed_min, step_min):
            over_min = lasts_min + step_min - load.max_shed_min
            reason = f"cut for {lasts_min:.0f} min, its contract allows {load.max_shed_min:g}: restore it"
            found.append(
                Relaxation(limit=f"{OVERDUE}:{name}", step=0, amount=over_min, unit="min", reason=reason)
            )
    return tuple(found)


def _may_begin(load: Load, situation: Situation) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a call may begin: rest and lock-out over, notice given or planned before."""
    window, ledger = situation.window, situation.state.calls.get(load.id, {})
    slot = np.arange(window.axis.n) - window.first
    rest_min = max(ledger.get("rest_min", 0.0), ledger.get("locked_min", 0.0))
    rested: npt.NDArray[np.bool_] = slot >= np.ceil(rest_min / window.axis.step_min)
    if load.max_calls_per_day == 0:
        return np.zeros(window.axis.n, dtype=bool)
    if load.notice_class is not NoticeClass.MINUTES:
        return rested
    heard = window.at + timedelta(minutes=NOTICE_MIN)
    noticed = np.array([window.slot_start(k) >= heard for k in range(window.axis.n)])
    before = situation.previous_series(load.id, "open_blocks")
    known = noticed if before is None else noticed | (before > 0)
    return np.logical_and(rested, known)


def _shut_bounds(load: Load, situation: Situation) -> tuple[Array, Array]:
    """Return the bounds of `shut`; blocks that closed before the window draw their rebound in it."""
    before = closed_before(load, situation)
    most = np.where(np.arange(len(before)) < situation.window.first, before, float(load.blocks))
    return before, most


def closed_before(load: Load, situation: Situation) -> Array:
    """Return (n,) the blocks that closed at the end of the last call, in its slot before the window."""
    window, ledger = situation.window, situation.state.calls.get(load.id, {})
    out = np.zeros(window.axis.n)
    closed, rest = ledger.get("closed_blocks", 0.0), ledger.get("rest_min", 0.0)
    ago = max(1, round((load.min_between_sheds_min - rest) / window.axis.step_min))
    if closed > 0 and rest > 0 and ago <= window.first:
        out[window.first - ago] = closed
    return out


def _committed(load: Load, situation: Situation) -> Bounds:
    """Return bounds that keep the calls of the previous plan, and with them what closes."""
    window, kept = situation.window, situation.previous_series(load.id, "open_blocks")
    if kept is None:
        return {}
    known = window.active & ~np.isnan(kept)
    running = situation.state.calls.get(load.id, {}).get("open_blocks", 0.0)
    count = np.where(known, kept, 0.0)
    count[: window.first] = 0.0
    count[window.first - 1] = running
    change = np.diff(np.sign(count), prepend=0.0)
    behind = known | ((np.arange(window.axis.n) >= window.end) & known[window.end - 1])
    shut = np.maximum(0.0, -np.diff(count, prepend=0.0))
    fixed = {
        "open": (kept, known),
        "begun": (np.cumsum(np.maximum(change, 0.0)), behind),
        "ended": (np.cumsum(np.maximum(-change, 0.0)), behind),
        "shut": (shut, behind),
    }
    return {
        key: (np.where(where, value, -np.inf), np.where(where, value, np.inf))
        for key, (value, where) in fixed.items()
    }


def _fixed(load: Load, p: cp.Variable, demand: cp.Parameter) -> Block:
    """Return the block of a load that is never interrupted: no decision at all."""

    def update(situation: Situation) -> Bounds:
        demand.value = situation.load_mw[load.id]
        free = np.full(situation.window.axis.n, np.inf)
        return {"p_mw": (-free, free)}

    return Block(
        id=load.id,
        p_mw=p,
        variables={},
        constraints=(p == -demand,),
        costs={},
        update=update,
        series=lambda values, situation: _served(np.asarray(demand.value), np.zeros(p.size)),
    )


def _trimmed(load: Load, p: cp.Variable, demand: cp.Parameter, frame: Frame) -> Block:
    """Return the block of a load without breakers of which a part can be trimmed."""
    modulated = cp.Variable(p.size, name=f"{load.id}_modulated")

    def update(situation: Situation) -> Bounds:
        demand.value = situation.load_mw[load.id]
        free = np.full(situation.window.axis.n, np.inf)
        most = load.continuous_modulation_share * situation.load_mw[load.id]
        return {"p_mw": (-free, free), "modulated": (np.zeros_like(most), most)}

    return Block(
        id=load.id,
        p_mw=p,
        variables={"modulated": modulated},
        constraints=(p == modulated - demand,),
        costs={"interruption": load.contract_energy_cny_per_kwh * 1000 * (frame.dt_h @ modulated)},
        update=update,
        series=lambda values, situation: _served(np.asarray(demand.value), values["modulated"]),
    )


def _served(demand: Array, modulated: Array) -> dict[str, Array]:
    """Return the series of a load whose breakers stay closed."""
    still = np.zeros_like(demand)
    return {
        "load_mw": demand,
        "shed_mw": still,
        "modulated_mw": modulated,
        "rebound_mw": still,
        "open_blocks": still,
    }
