"""Plant time and true time."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.clock import UTC, Schedule, SimulatedClock

START = datetime(2026, 3, 17, 7, tzinfo=UTC)
DEMO = Schedule(
    origin_true_s=1000.0,
    segments=(
        (START, 60.0),
        (START + timedelta(hours=2), 1.0),
        (START + timedelta(hours=2, minutes=1), 60.0),
    ),
)


def test_six_hours_at_rate_60_with_one_minute_at_rate_1_take_419_seconds() -> None:
    assert DEMO.true_at(START + timedelta(hours=6)) - 1000.0 == pytest.approx(419.0)


@given(st.floats(-7200, 36000))
def test_plant_time_and_true_time_are_inverse(offset_s: float) -> None:
    plant = START + timedelta(seconds=offset_s)
    assert abs((DEMO.plant_at(DEMO.true_at(plant)) - plant).total_seconds()) < 1e-3


@given(st.floats(0, 500), st.floats(0, 500))
def test_plant_time_never_goes_back(a: float, b: float) -> None:
    first, second = sorted((a, b))
    assert DEMO.plant_at(1000 + first) <= DEMO.plant_at(1000 + second)


def test_a_schedule_with_falling_times_or_no_speed_is_refused() -> None:
    for segments in (((START, 1.0), (START, 2.0)), ((START, 0.0),), ()):
        with pytest.raises(ValueError, match="rising"):
            Schedule(origin_true_s=0.0, segments=segments)


async def test_a_simulated_clock_moves_only_when_somebody_sleeps() -> None:
    clock = SimulatedClock(START)
    assert clock.plant_now() == START
    await clock.sleep_plant(90)
    assert clock.plant_now() == START + timedelta(seconds=90)
    assert clock.true_s() == 90.0
