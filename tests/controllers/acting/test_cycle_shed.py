"""Sheds, drills and restorations cycle by cycle, against a plant whose meters and breakers can fail."""

from datetime import timedelta
from itertools import pairwise

import pytest

from vpp.types import (
    RestoreOrder,
    ShedOrder,
    ShedReport,
)


def later(clock, minutes=60):
    return clock.plant_now() + timedelta(minutes=minutes)


async def test_a_shed_is_proven_by_the_meters(control, run, plant, clock, offer):
    await control.take(offer())
    before = await run(5)
    report = await control.take(ShedOrder(id="s1", mw=20.0, drill=False, expires_at=later(clock)))
    assert isinstance(report, ShedReport)
    assert report.ok
    assert report.metered_cut_mw == pytest.approx(24.75)
    assert plant.masks == {"LD_ZN": 0b111}
    assert await control.take(ShedOrder(id="s1", mw=20.0, drill=False, expires_at=later(clock))) is report
    after = await run(20)
    assert after.open_blocks == {"LD_ZN": 0b111}
    assert after.calls["LD_ZN"]["calls_left"] == before.calls["LD_ZN"]["calls_left"] - 1
    drop = before.readings["TIE"].values["p_mw"] - after.readings["TIE"].values["p_mw"]
    assert drop == pytest.approx(24.75, abs=1.0), "the battery must not undo the shed"


async def test_a_dead_terminal_is_escalated_past(control, run, plant, clock):
    await run(5)
    plant.silent.add("LD_ZN")
    report = await control.take(ShedOrder(id="s1", mw=3.0, drill=False, expires_at=later(clock)))
    assert report.ok
    assert plant.masks == {"LD_SME": 1}
    assert "LD_ZN" in report.text


async def test_a_breaker_that_does_not_open_is_replaced_by_the_next(control, run, plant, clock):
    await run(5)
    plant.stuck["LD_ZN"] = 0b1
    report = await control.take(ShedOrder(id="s1", mw=8.0, drill=False, expires_at=later(clock)))
    assert report.ok
    assert report.metered_cut_mw >= 8.0


async def test_more_than_is_armed_is_cut_and_said(control, run, plant, clock):
    await run(5)
    report = await control.take(ShedOrder(id="s1", mw=100.0, drill=False, expires_at=later(clock)))
    assert not report.ok
    assert "no more than 36.00 MW is armed" in report.text
    assert plant.masks == {"LD_ZN": 0b1111, "LD_SME": 1}


async def test_a_drill_moves_nothing(control, run, plant, clock):
    await run(5)
    report = await control.take(ShedOrder(id="d", mw=10.0, drill=True, expires_at=later(clock)))
    assert report.ok
    assert plant.masks == {}
    assert plant.tests[-1] == {"LD_ZN": 0}, "test outputs are reset"
    assert (await run(1)).open_blocks == {}


async def test_restoration_closes_one_block_after_the_other(control, run, plant, clock):
    await run(5)
    await control.take(ShedOrder(id="s", mw=20.0, drill=False, expires_at=later(clock)))
    assert (await control.take(RestoreOrder(id="r", loads=(), expires_at=later(clock)))).accepted
    opened = [(await run(15)).open_blocks.get("LD_ZN", 0).bit_count() for _ in range(7)]
    assert opened[0] == 2
    assert opened[-1] == 0
    assert all(a - b <= 1 for a, b in pairwise(opened))
