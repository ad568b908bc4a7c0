"""A load with its interruptible blocks, each behind a breaker of the shed terminal, and its trimmed part."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hil.trim import UNTRIMMED, TrimState, command, moved
from vpp.park.interruption import connected_share, part_mw, pickup_share, trim_max_mw
from vpp.types import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadState:
    """A load at one moment."""

    demand_mw: float
    """What it would draw with every breaker closed and none just closed, >= 0."""
    open_blocks: int
    """Bit mask of breakers that stand open."""
    ordered_blocks: int
    """Bit mask of the outputs; breakers follow after the load's `shed_time_ms`."""
    moves_at: datetime | None
    """Plant time at which the breakers follow the outputs; None where they do."""
    test_blocks: int
    """Bit mask of drill outputs; they move nothing."""
    closed_at: Mapping[int, datetime]
    """By block the plant time at which it was last closed again."""
    trim: TrimState = UNTRIMMED


def at_rest(demand_mw: float = 0.0) -> LoadState:
    """Return a load with every breaker closed."""
    return LoadState(
        demand_mw=demand_mw, open_blocks=0, ordered_blocks=0, moves_at=None, test_blocks=0, closed_at={}
    )


def drawn_mw(load: Load, state: LoadState, at: datetime) -> float:
    """Return the power drawn at plant time `at`, >= 0.

    Open blocks take away their equal part of the interruptible share, then what is trimmed goes; a block
    that was closed comes back with its cold-load pick-up (`pickup_share`).
    """
    closed = state.demand_mw * connected_share(load, state.open_blocks.bit_count()) - trimmed_mw(load, state)
    if not state.closed_at:
        return closed
    back = (since for k, since in state.closed_at.items() if not state.open_blocks >> k & 1)
    more = sum(pickup_share(load, max((at - since).total_seconds(), 0.0)) for since in back)
    return closed + part_mw(load, state.demand_mw) * more


def trimmed_mw(load: Load, state: LoadState) -> float:
    """Return what is trimmed now, MW >= 0, within what may be at this demand with these breakers."""
    if state.trim.trimmed_mw == 0.0:
        return 0.0
    return min(state.trim.trimmed_mw, trim_max_mw(load, state.demand_mw, state.open_blocks.bit_count()))


def trimming(load: Load, state: LoadState, at: datetime, dt_s: float) -> LoadState:
    """Return the load with what it trims moved by `dt_s` from plant time `at`."""
    if state.trim.until is None:
        return state
    most = trim_max_mw(load, state.demand_mw, state.open_blocks.bit_count())
    return replace(state, trim=moved(load, state.trim, most, at=at, dt_s=dt_s))


def switch(load: Load, state: LoadState, values: Mapping[str, float], at: datetime) -> LoadState:
    """Return the load after a write to its outputs `block_k` and `test_k` (1 = open) at plant time `at`.

    Breakers move `shed_time_ms` later, by `follow`. Outputs beyond the load's blocks have no breaker
    behind them and stay 0. Points of the trimmed part come in one write (`hil.trim`).
    """
    state = follow(state, at)
    if "trim_mw" in values:
        state = replace(state, trim=command(state.trim, values, at))
    masks = {"block": state.ordered_blocks, "test": state.test_blocks}
    for k in range(load.blocks):
        for output, mask in masks.items():
            value = values.get(f"{output}_{k + 1}")
            if value is not None:
                masks[output] = mask | 1 << k if value else mask & ~(1 << k)
    moved = masks["block"] != state.ordered_blocks
    return replace(
        state,
        ordered_blocks=masks["block"],
        test_blocks=masks["test"],
        moves_at=at + timedelta(milliseconds=load.shed_time_ms) if moved else state.moves_at,
    )


def follow(state: LoadState, at: datetime) -> LoadState:
    """Return the load with its breakers where they stand at plant time `at`."""
    due = state.moves_at
    if due is None or at < due:
        return state
    closing = state.open_blocks & ~state.ordered_blocks
    reclosed = {k: due for k in range(closing.bit_length()) if closing >> k & 1}
    return replace(
        state,
        open_blocks=state.ordered_blocks,
        moves_at=None,
        closed_at={**state.closed_at, **reclosed},
    )


def outputs(state: LoadState) -> dict[str, float]:
    """Return the state of every output point and command register of a shed terminal."""
    return (
        {**state.trim.registers}
        | {f"block_{k + 1}": float(state.ordered_blocks >> k & 1) for k in range(16)}
        | {f"test_{k + 1}": float(state.test_blocks >> k & 1) for k in range(16)}
    )
