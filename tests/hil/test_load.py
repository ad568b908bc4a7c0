"""What a load draws after its breakers close again, and a farm of shed terminals against the shipped map."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hil import load as shed_terminal
from hil.feeders import Feeder, Terminal
from hil.pdu import Read, Refusal, Request, Write
from vpp.clock import UTC
from vpp.park import load_park
from vpp.park.interruption import PICKUP_S, PICKUP_SHARE
from vpp.points import decode, read_blocks

START = datetime(2026, 3, 10, 4, tzinfo=UTC)
PARK = load_park("small10")
ZN = PARK.loads["LD_ZN"]
BLOCK_MW = 60 * 0.6 / 4


def closed_again():
    state = shed_terminal.at_rest(60.0)
    for value, at in ((1.0, START), (0.0, START + timedelta(minutes=5))):
        state = shed_terminal.switch(ZN, state, {"block_1": value}, at)
        state = shed_terminal.follow(state, at + timedelta(seconds=1))
    return state, START + timedelta(minutes=5, milliseconds=ZN.shed_time_ms)


def test_a_block_comes_back_with_a_surge_that_passes_and_a_rebound_that_stays():
    state, closed_at = closed_again()

    def more_mw(seconds):
        return shed_terminal.drawn_mw(ZN, state, closed_at + timedelta(seconds=seconds)) - 60.0

    assert more_mw(0) == pytest.approx(BLOCK_MW * (PICKUP_SHARE + ZN.rebound_share))
    assert BLOCK_MW * ZN.rebound_share < more_mw(PICKUP_S) < more_mw(0)
    assert more_mw(600) == pytest.approx(BLOCK_MW * ZN.rebound_share)
    assert more_mw(60 * ZN.restart_min) == 0.0


def ask(terminal, table, address, count, at_s):
    read = Read(table=table, address=address, count=count)
    return terminal.answer(Request(function=0, write=None, read=read), at_s)


def tell(terminal, address, values, at_s):
    write = Write(table="coil", address=address, values=values)
    return terminal.answer(Request(function=15, write=write, read=None), at_s)


def values(terminal, at_s):
    points = PARK.register_maps["load"]
    registers = {}
    for block in read_blocks(points):
        for k, word in enumerate(ask(terminal, block.table, block.address, block.count, at_s)):
            registers[block.table, block.address + k] = word
    return decode(points, registers)


FEEDER = Feeder(mw=2.0, share=0.5, blocks=2, delay_s=0.2)


def test_a_feeder_of_the_farm_speaks_the_shipped_map():
    terminal = Terminal(FEEDER)
    assert tell(terminal, 0, (1, 0), 10.0) == ()
    early, late = values(terminal, 10.1), values(terminal, 10.3)
    assert (early["p_mw"], early["breakers"], early["block_1"]) == (-2.0, 0.0, 1.0)
    assert (late["p_mw"], late["breakers"]) == (-1.5, 1.0)
    assert terminal.cut_mw(10.3) == 0.5


def test_test_outputs_of_the_farm_move_nothing():
    terminal = Terminal(FEEDER)
    assert tell(terminal, 100, (1, 1), 10.0) == ()
    shown = values(terminal, 11.0)
    assert (shown["p_mw"], shown["breakers"], shown["test_2"]) == (-2.0, 0.0, 1.0)


def test_a_stuck_feeder_acknowledges_and_a_refusing_one_does_not():
    stuck = Terminal(replace(FEEDER, how="stuck"))
    assert tell(stuck, 0, (1, 1), 10.0) == ()
    assert values(stuck, 11.0)["p_mw"] == -2.0
    refusing = Terminal(replace(FEEDER, how="refuse"))
    assert isinstance(tell(refusing, 0, (1, 1), 10.0), Refusal)
