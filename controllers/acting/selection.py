"""Which breakers open: the armed table, ranked, and the smallest cut that is enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from vpp.park.interruption import demand_mw, part_mw, trim_max_mw
from vpp.types import Load, NoticeClass, Quality, Reading

MARGIN = 0.02
"""Selected above the order, so that a dead device needs no second round (notes: 2 to 5 %)."""
STEPS = 20_000
"""Grid of the exact search over the ordered MW: at most 1 kW up to 20 MW, 0.005 % beyond."""
EPSILON_MW = 1e-9
"""What one more breaker counts among equal cuts: fewer and earlier ranked ones win."""
NEAR = 24
"""Blocks on each side of the place where the table's ranks reach the order, tried before all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One breaker that may open now."""

    load: str
    bit: int
    mw: float
    """Demand behind it by the live meter."""
    priority: int
    rank: int
    """Place in the table: 0 is cut first."""


def block_mw(load: Load, p_mw: float, open_blocks: int, trimmed_mw: float = 0.0) -> float:
    """Return what opening one more breaker takes away, MW, from the metered injection (<= 0).

    Its equal part of the interruptible share, less its part of what is trimmed already and could not be
    trimmed any more with every breaker open: so many blocks take away at least so many times this.
    """
    opened = open_blocks.bit_count()
    closed = load.blocks - opened
    if closed <= 0:
        return 0.0
    whole = demand_mw(load, -p_mw, opened, trimmed_mw)
    lost = max(trimmed_mw - trim_max_mw(load, whole, load.blocks), 0.0)
    return max(part_mw(load, whole) - lost / closed, 0.0)


def armed(
    loads: Mapping[str, Load],
    readings: Mapping[str, Reading],
    calls: Mapping[str, Mapping[str, float]],
) -> tuple[Block, ...]:
    """Return every breaker that may open within seconds, ranked.

    Left out: loads with minutes of notice or none, a bad reading, no call left, a rest time that runs,
    or a lock-out. Rank: priority, price, a call that runs already, rest time after the call, calls left.
    """
    fit = [n for n, load in loads.items() if load.blocks and _may(load, readings.get(n), calls[n])]
    ranked = sorted(
        fit,
        key=lambda n: (
            loads[n].priority,
            loads[n].contract_energy_cny_per_kwh,
            calls[n]["open_blocks"] == 0,
            loads[n].min_between_sheds_min,
            -calls[n]["calls_left"],
            n,
        ),
    )
    blocks: list[Block] = []
    for name in ranked:
        load, already = loads[name], int(calls[name]["open_blocks"])
        values = readings[name].values
        mw = block_mw(load, values["p_mw"], already, values.get("trimmed_mw", 0.0))
        free = [bit for bit in range(load.blocks) if not already >> bit & 1]
        for bit in free if mw > 0 else ():
            rank = len(blocks)
            blocks.append(Block(load=name, bit=bit, mw=mw, priority=load.priority, rank=rank))
    return tuple(blocks)


def _may(load: Load, reading: Reading | None, calls: Mapping[str, float]) -> bool:
    running = calls["open_blocks"] > 0
    return (
        load.priority < 5
        and load.notice_class is NoticeClass.SECONDS
        and reading is not None
        and reading.quality is not Quality.BAD
        and "p_mw" in reading.values
        and calls.get("locked_min", 0.0) <= 0
        and (running or (calls["calls_left"] > 0 and calls["rest_min"] <= 0))
    )


def select(blocks: Sequence[Block], need_mw: float) -> tuple[Block, ...]:
    """Return the blocks with the smallest over-cut of at least `need_mw`, in the order of their ranks.

    Lower priorities are left alone as long as the higher ones are enough together. Equal cuts: the
    lower sum of ranks. Where everything is not enough, everything. The over-cut is the smallest to
    within one grid step of `need_mw / STEPS` (at least 1 kW) per block (docs/decisions/shed-order.md).
    """
    if need_mw <= 0 or not blocks:
        return ()
    enough: list[Block] = []
    for level in sorted({block.priority for block in blocks}):
        enough += [block for block in blocks if block.priority == level]
        if sum(block.mw for block in enough) >= need_mw:
            return _by_rank(enough, need_mw) or _smallest(enough, need_mw)
    return tuple(enough)


def _by_rank(blocks: Sequence[Block], need_mw: float) -> tuple[Block, ...]:
    """Return the table's first blocks with a choice around its end, where that leaves no over-cut.

    Empty where the choice is over by more than one grid step, or where there are too few blocks for it.
    """
    sums = list(accumulate(block.mw for block in blocks))
    last = next((i for i, total in enumerate(sums) if total >= need_mw), len(blocks) - 1)
    first = last - NEAR
    if first <= 0:
        return ()
    near = _smallest(blocks[first : last + NEAR], need_mw - sums[first - 1])
    over_mw = sums[first - 1] + sum(block.mw for block in near) - need_mw
    return (*blocks[:first], *near) if 0 <= over_mw <= grid_mw(need_mw) else ()


def grid_mw(need_mw: float) -> float:
    """Return the step of the search, MW: two cuts that are nearer count as equal."""
    return max(need_mw / STEPS, 1e-3)


def _smallest(blocks: Sequence[Block], need_mw: float) -> tuple[Block, ...]:
    """Return the subset with the least sum >= need, by dynamic programming over rounded sums.

    Each cell keeps the greatest true sum that rounds down to it, so no subset that is enough gets
    lost by rounding, and the answer is at most one grid step per block above the best.
    """
    grid = grid_mw(need_mw)
    weights = [int(block.mw / grid) for block in blocks]
    size = int(need_mw / grid) + max(weights) + 2
    sums = np.full(size, -np.inf)
    sums[0] = 0.0
    taken = np.zeros((len(blocks), size), dtype=bool)
    for i, (block, weight) in enumerate(zip(blocks, weights, strict=True)):
        offered = sums[: size - weight] + block.mw - EPSILON_MW * (1.0 + block.rank * 1e-3)
        better = offered > sums[weight:]
        taken[i, weight:] = better
        sums[weight:] = np.where(better, offered, sums[weight:])
    cell = int(np.argmin(np.where(sums >= need_mw - 2 * EPSILON_MW * len(blocks), sums, np.inf)))
    chosen = []
    for i in range(len(blocks) - 1, -1, -1):
        if taken[i, cell]:
            chosen.append(blocks[i])
            cell -= weights[i]
    return tuple(reversed(chosen))


def masks(blocks: Sequence[Block]) -> dict[str, int]:
    """Return by load the bit mask of the blocks."""
    result: dict[str, int] = {}
    for block in blocks:
        result[block.load] = result.get(block.load, 0) | 1 << block.bit
    return result
