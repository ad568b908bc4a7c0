"""Moves of banks and tap changers are counted by the day as they are read back, and outlive a restart."""

from datetime import datetime, timedelta, timezone

import pytest

from controllers.acting.build import build_control
from controllers.acting.switching import counted, today
from controllers.planning.state import state_from_snapshot
from vpp.park import load_park
from vpp.state_dir import StateDir
from vpp.types import Quality, Reading

NOON = datetime(2026, 3, 17, 4, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def large():
    return load_park("chifeng96")


def readings(now, quality=Quality.GOOD, **positions):
    return {
        name: Reading(values={"position": value}, quality=quality, read_at=now, age_s=0.0)
        for name, value in positions.items()
    }


def after(park, *courses):
    """What is counted after readings (hours from noon, positions), in order."""
    known = {}
    for hours, positions in courses:
        now = NOON + timedelta(hours=hours)
        known = counted(park, known, readings(now, **positions), now)
    return today(park, known, now)


def test_steps_are_counted_whoever_asked_for_them_up_and_down(park):
    tap = "A_T_MAIN_1"
    assert after(park, (0, {tap: -1.0})) == {tap: 0.0}, "nobody saw it move"
    assert after(park, (0, {tap: -1.0}), (0.1, {tap: 2.0}), (0.2, {tap: 2.0}), (0.3, {tap: 1.0})) == {
        tap: 4.0
    }


def test_a_day_of_the_plants_zone_begins_anew(park):
    bank, late = "A_CAP66", 11.9
    assert after(park, (0, {bank: 2.0}), (late, {bank: 1.0})) == {bank: 1.0}
    assert after(park, (0, {bank: 2.0}), (late, {bank: 1.0}), (12.0, {bank: 1.0})) == {bank: 0.0}
    assert after(park, (0, {bank: 2.0}), (late, {bank: 1.0}), (12.1, {bank: 0.0})) == {bank: 1.0}


def test_a_bad_reading_counts_nothing_and_a_statcom_has_no_wear(park, large):
    known = counted(park, {}, readings(NOON, A_CAP66=2.0), NOON)
    assert counted(park, known, readings(NOON, Quality.BAD, A_CAP66=0.0), NOON) == known
    assert counted(large, {}, readings(NOON, A_SVG_GPS=10.0), NOON) == {}


async def test_what_moved_today_reaches_the_planner_and_outlives_a_restart(
    park, plant, clock, journal, tmp_path
):
    state = StateDir(tmp_path / "state")
    state.root.mkdir()
    control = build_control(park, plant, clock, journal, epoch=1, state=state)
    await control.cycle()
    for position in (1.0, 2.0):
        plant.positions["A_CAP66"] = position
        clock.advance(1.0)
        await control.cycle()
    assert control.snapshot.moved["A_CAP66"] == 2.0
    plant.positions["A_CAP66"] = 1.0  # moved while control was away
    again = build_control(park, plant, clock, journal, epoch=2, state=state)
    clock.advance(1.0)
    assert state_from_snapshot(park, await again.cycle()).moved["A_CAP66"] == 3.0
