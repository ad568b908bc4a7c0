"""The trimmed part of a load: ramped, bounded by what is drawn, back to nothing when unheard."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.acting.selection import block_mw
from hil import load as shed_terminal
from hil.rig import Rig
from vpp.clock import UTC
from vpp.park import load_park

START = datetime(2026, 3, 10, 4, tzinfo=UTC)
ZN = load_park("small10").loads["LD_ZN"]


def order(mw, *, epoch=1, sequence=1, ttl_s=60.0):
    return {"trim_mw": mw, "epoch": epoch, "sequence": sequence, "ttl_s": ttl_s}


def after(state, seconds, at=START):
    for k in range(seconds):
        state = shed_terminal.trimming(ZN, state, at + timedelta(seconds=k), 1.0)
    return state


def told(demand_mw, mw, **how):
    return shed_terminal.switch(ZN, shed_terminal.at_rest(demand_mw), order(mw, **how), START)


def test_it_ramps_over_a_minute_and_meters_what_it_trims():
    """A fifth of 60 MW in 60 s: 0.2 MW/s."""
    state = told(55.0, 6.0)
    assert shed_terminal.trimmed_mw(ZN, after(state, 10)) == pytest.approx(2.0)
    there = after(state, 40)
    assert shed_terminal.trimmed_mw(ZN, there) == 6.0
    assert shed_terminal.drawn_mw(ZN, there, START) == 49.0


def test_it_takes_all_again_when_the_order_is_no_longer_trusted():
    state = after(told(55.0, 6.0, ttl_s=45.0), 45)
    assert shed_terminal.trimmed_mw(ZN, state) == 6.0
    assert shed_terminal.trimmed_mw(ZN, after(state, 60, START + timedelta(seconds=45))) == 0.0


def test_an_order_of_an_older_control_is_fenced_off():
    state = shed_terminal.switch(ZN, told(55.0, 6.0, epoch=3), order(9.0, epoch=2), START)
    assert state.trim.registers["trim_mw"] == 6.0


@given(
    demand=st.floats(0.0, 60.0),
    asked=st.floats(0.0, 80.0),
    opened=st.integers(0, 4),
    more=st.integers(0, 4),
)
def test_blocks_of_a_trimmed_load_cut_at_least_what_the_table_says(demand, asked, opened, more):
    """By live meter and report alone; and what is trimmed stays within the interruptible share."""
    closed = told(demand, asked)
    before = after(_with_open(closed, opened), 90)
    drawn, trimmed = shed_terminal.drawn_mw(ZN, before, START), shed_terminal.trimmed_mw(ZN, before)
    assert drawn >= demand * (1 - ZN.interruptible_share) - 1e-9
    assert trimmed <= ZN.continuous_modulation_share * (drawn + trimmed) + 1e-9
    each, count = block_mw(ZN, -drawn, (1 << opened) - 1, trimmed), min(more, ZN.blocks - opened)
    cut = drawn - shed_terminal.drawn_mw(ZN, _with_open(before, opened + count), START)
    assert cut >= count * each - 1e-9


def _with_open(state, count):
    return replace(state, open_blocks=(1 << count) - 1, ordered_blocks=(1 << count) - 1)


def test_the_rig_carries_it_through_registers_and_meters():
    rig = Rig(load_park("small10"), START, 7)
    rig.advance(START + timedelta(seconds=10))
    whole = rig.image("LD_ZN")
    rig.command("LD_ZN", order(5.0, ttl_s=900.0), rig.now)
    rig.advance(START + timedelta(seconds=100))
    less = rig.image("LD_ZN")
    assert whole["trimmed_mw"] == 0.0
    assert less["trimmed_mw"] == 5.0
    assert less["p_mw"] - whole["p_mw"] == pytest.approx(5.0, abs=1.5)
    assert {"trim_mw", "epoch", "sequence", "ttl_s", "trimmed_mw"} <= less.keys()
    points = rig.registers["LD_ZN"]
    assert points.passed(points.measured, less)["trimmed_mw"] == 5.0
