"""How long a command is trusted."""

from datetime import datetime, timedelta

from controllers.acting.setpoints import trusted_s
from vpp.clock import UTC, Schedule

START = datetime(2026, 3, 17, 7, tzinfo=UTC)


class Frozen:
    """A clock that stands still on a schedule."""

    def __init__(self, schedule: Schedule, true_s: float) -> None:
        self.schedule, self.now_s = schedule, true_s

    def plant_now(self) -> datetime:
        return self.schedule.plant_at(self.now_s)

    def plant_after(self, seconds: float) -> datetime:
        return self.schedule.plant_at(self.now_s + seconds)


def test_at_rate_60_a_command_is_trusted_for_300_plant_seconds() -> None:
    clock = Frozen(Schedule(origin_true_s=0.0, segments=((START, 60.0),)), 12.0)
    assert trusted_s(60.0, clock, 1.0) == 300.0


def test_a_command_outlives_the_change_from_rate_1_to_rate_60() -> None:
    rates = ((START, 1.0), (START + timedelta(seconds=60), 60.0))
    just_before = Frozen(Schedule(origin_true_s=0.0, segments=rates), 59.0)
    assert trusted_s(60.0, just_before, 1.0) == 1 + 4 * 60


def test_the_setting_holds_where_five_cycles_are_shorter() -> None:
    clock = Frozen(Schedule(origin_true_s=0.0, segments=((START, 1.0),)), 0.0)
    assert trusted_s(60.0, clock, 1.0) == 60.0
