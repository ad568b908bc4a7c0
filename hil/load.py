"""A load with its interruptible blocks, each behind one breaker of the shed terminal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vpp.types import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadState:
    """A load at one moment."""

    demand_mw: float
    """What it would draw with every breaker closed and none just closed, >= 0."""
    open_blocks: int
    """Bit mask of open breakers."""
    test_blocks: int
    """Bit mask of drill outputs; they move nothing."""
    closed_at: Mapping[int, datetime]
    """By block the plant time at which it was last closed again."""


def at_rest(demand_mw: float = 0.0) -> LoadState:
    """Return a load with every breaker closed."""
    return LoadState(demand_mw=demand_mw, open_blocks=0, test_blocks=0, closed_at={})


def drawn_mw(load: Load, state: LoadState, at: datetime) -> float:
    """Return the power drawn at plant time `at`, >= 0.

    Open blocks take away their equal part of the interruptible share; a block draws
    `rebound_share` more of its part for `restart_min` after it was closed (assumption).
    """
    if load.blocks == 0:
        return state.demand_mw
    part = state.demand_mw * load.interruptible_share / load.blocks
    closed = state.demand_mw - part * state.open_blocks.bit_count()
    if not state.closed_at:
        return closed
    window = timedelta(minutes=load.restart_min)
    rebounding = sum(
        1 for k, since in state.closed_at.items() if not state.open_blocks >> k & 1 and at - since < window
    )
    return closed + part * load.rebound_share * rebounding


def switch(load: Load, state: LoadState, values: Mapping[str, float], at: datetime) -> LoadState:
    """Return the load after a write to its outputs `block_k` and `test_k` (1 = open).

    Outputs beyond the load's blocks have no breaker behind them and stay 0.
    """
    masks = {"block": state.open_blocks, "test": state.test_blocks}
    for k in range(load.blocks):
        for output, mask in masks.items():
            value = values.get(f"{output}_{k + 1}")
            if value is not None:
                masks[output] = mask | 1 << k if value else mask & ~(1 << k)
    reclosed = {k: at for k in range(load.blocks) if (state.open_blocks & ~masks["block"]) >> k & 1}
    return replace(
        state,
        open_blocks=masks["block"],
        test_blocks=masks["test"],
        closed_at={**state.closed_at, **reclosed},
    )


def outputs(state: LoadState) -> dict[str, float]:
    """Return the state of every output point of a shed terminal."""
    return {f"block_{k + 1}": float(state.open_blocks >> k & 1) for k in range(16)} | {
        f"test_{k + 1}": float(state.test_blocks >> k & 1) for k in range(16)
    }
