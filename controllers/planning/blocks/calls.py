"""Calls of an interruptible load as counts: what is open, how long, how often, and what closes again.

Calls begun and ended are counted from the start: every rule of the ledger is then a difference of two
counts, a matrix whose relaxation has integral corners for one load alone.
"""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.slots import Frame
from vpp.types import Load


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Variables and parameters of an interruptible load, each (n,) but `calls_left`."""

    p: cp.Variable
    begun: cp.Variable
    """Calls begun up to and with each slot; those begun less those ended is 1 while a call runs."""
    ended: cp.Variable
    open: cp.Variable
    shut: cp.Variable
    """Blocks that close again."""
    modulated: cp.Variable
    demand: cp.Parameter
    part: cp.Parameter
    """MW of one block."""
    rebound: cp.Parameter
    """MW that one block draws on top after it closed."""
    energy_cny: cp.Parameter
    """CNY for one block open over each slot."""
    calls_left: cp.Parameter
    """(DAYS,)."""


def rebound_steps(load: Load, step_min: float) -> tuple[float, ...]:
    """Return by step after a block closed the share of the step in which it draws its rebound."""
    left, shares = load.restart_min / step_min if load.rebound_share > 0 else 0.0, []
    while left > 1e-9:
        shares.append(min(1.0, left))
        left -= 1.0
    return tuple(shares)


def longest_steps(load: Load, step_min: int) -> int:
    """Return the steps of the longest call; a call of less than a step still takes one."""
    return max(1, int(load.max_shed_min // step_min))


def power(load: Load, own: Calls, frame: Frame) -> list[Any]:
    """Return the rows of what is drawn: what is shed, trimmed and drawn again after a call."""
    shed, rebound = cp.multiply(own.part, own.open), 0.0
    for j, share in enumerate(rebound_steps(load, frame.axis.step_min)):
        rebound = rebound + share * (
            cp.hstack([np.zeros(j), own.shut[: frame.axis.n - j]]) if j else own.shut
        )
    rows = [own.p == shed + own.modulated - own.demand - cp.multiply(own.rebound, rebound)]
    if load.continuous_modulation_share > 0 and load.interruptible_share > 0:
        most = max(load.interruptible_share, load.continuous_modulation_share)
        rows.append(shed + own.modulated <= most * own.demand)
        rows.append(own.modulated <= load.continuous_modulation_share * (own.demand - shed))
    return rows


def closing(load: Load, own: Calls, frame: Frame) -> Any:
    """Return the rows by which all that is open closes within the longest call.

    The ledger implies them for whole calls; without them a relaxation follows one part of a call by the
    next and never pays a restart.
    """
    n, longest = frame.axis.n, longest_steps(load, frame.axis.step_min)
    closed = sum(own.shut[1 + j : n - longest + 1 + j] for j in range(longest))
    return closed >= own.open[: n - longest]


def ledger(load: Load, own: Calls, frame: Frame) -> list[Any]:
    """Return the rows of calls: how long, how often, with how much rest, and what closes when."""
    longest = longest_steps(load, frame.axis.step_min)
    # two calls with no closed step between them would be one
    rest = max(1, frame.axis.steps_of(load.min_between_sheds_min))
    call = own.begun - own.ended
    return [
        own.open <= load.blocks * call,
        call <= own.open,
        own.begun[1:] >= own.begun[:-1],
        own.ended[1:] >= own.ended[:-1],
        own.ended[longest:] >= own.begun[:-longest],
        own.begun[rest:] <= own.ended[:-rest] + 1,
        own.begun[:rest] <= 1,
        own.shut[1:] >= own.open[:-1] - own.open[1:],
        frame.days[:, 1:] @ (own.begun[1:] - own.begun[:-1]) <= own.calls_left,
    ]
