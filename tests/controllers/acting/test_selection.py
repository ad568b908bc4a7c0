"""The selection of a shed against brute force, and its rules one by one."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controllers.acting.selection import Block, armed, block_mw, masks, select
from vpp.types import NoticeClass, Quality, Reading


def blocks_of(sizes, priorities):
    rows = sorted(zip(priorities, sizes, strict=True))
    return [
        Block(load=f"L{i}", bit=0, mw=mw, priority=priority, rank=i) for i, (priority, mw) in enumerate(rows)
    ]


def brute_force(blocks, need):
    """The law in its plainest form: least total of the priorities that are needed."""
    for level in range(1, 6):
        fit = [b for b in blocks if b.priority <= level]
        if sum(b.mw for b in fit) >= need:
            sums = (sum(b.mw for b in c) for r in range(len(fit) + 1) for c in combinations(fit, r))
            return min(total for total in sums if total >= need - 1e-9)
    return sum(b.mw for b in blocks)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(1, 30_000), st.integers(1, 4)), min_size=1, max_size=9),
    st.integers(1, 60_000),
)
@example([(5, 1)] * 7 + [(6, 1), (19_971, 1)], 20_001)
def test_the_selection_is_the_smallest_that_is_enough(drawn, need_kw):
    blocks = blocks_of([kw / 1000 for kw, _ in drawn], [p for _, p in drawn])
    need = need_kw / 1000
    total = sum(block.mw for block in select(blocks, need))
    grid = max(need / 20_000, 1e-3)
    assert total == pytest.approx(brute_force(blocks, need), abs=grid * (len(blocks) + 1))
    assert total >= min(need, sum(b.mw for b in blocks)) - 1e-9


def test_lower_priorities_are_left_alone_while_the_first_suffice():
    blocks = blocks_of([9.0, 9.0, 9.0, 2.2], [1, 1, 1, 2])
    assert {b.priority for b in select(blocks, 20.0)} == {1}


def test_nothing_is_selected_for_nothing():
    assert select(blocks_of([1.0], [1]), 0.0) == ()
    assert select([], 5.0) == ()


def reading(p_mw, quality=Quality.GOOD):
    return Reading(values={"p_mw": p_mw}, quality=quality, read_at=None, age_s=0.0)


FREE = {"calls_left": 2.0, "rest_min": 0.0, "open_blocks": 0.0, "running_min": 0.0}


def test_the_armed_table_leaves_out_who_may_not_be_cut_now(park):
    loads = park.loads
    readings = {name: reading(-50.0) for name in loads}
    free = dict.fromkeys(loads, FREE)
    assert {b.load for b in armed(loads, readings, free)} == {"LD_ZN", "LD_SME"}
    resting = free | {"LD_ZN": FREE | {"rest_min": 30.0}}
    assert {b.load for b in armed(loads, readings, resting)} == {"LD_SME"}
    spent = free | {"LD_SME": FREE | {"calls_left": 0.0}}
    assert {b.load for b in armed(loads, readings, spent)} == {"LD_ZN"}
    silent = readings | {"LD_ZN": reading(-50.0, Quality.BAD)}
    assert {b.load for b in armed(loads, silent, free)} == {"LD_SME"}
    slow = dict(loads) | {"LD_ZN": replace(loads["LD_ZN"], notice_class=NoticeClass.MINUTES)}
    assert {b.load for b in armed(slow, readings, free)} == {"LD_SME"}


def test_a_block_is_worth_the_same_while_others_are_open(park):
    load = park.loads["LD_ZN"]
    whole = block_mw(load, -60.0, 0)
    assert whole == pytest.approx(60 * 0.6 / 4)
    assert block_mw(load, -60.0 + 2 * whole, 0b0101) == pytest.approx(whole)


def test_masks_join_the_blocks_of_a_load():
    blocks = [Block(load="A", bit=bit, mw=1.0, priority=1, rank=bit) for bit in (0, 2)]
    assert masks(blocks) == {"A": 0b101}
