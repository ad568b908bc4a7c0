"""Days on which a zone changes its clocks: 23 and 25 hours, planned from midnight to midnight."""

from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controllers.planning import initial_state
from controllers.planning.blocks.owed import owed
from controllers.planning.process import steps_left
from controllers.planning.situation import situation
from controllers.planning.slots import axis, day_steps
from forecasts import outlook
from vpp.park import price_cny_per_mwh
from vpp.park.pins import local_midnight
from vpp.service.day_plans import plan_days

SPRING, AUTUMN, USUAL = date(2026, 3, 29), date(2026, 10, 25), date(2026, 5, 13)
DAYS = [(SPRING, 92), (AUTUMN, 100), (USUAL, 96)]
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def berlin(park):
    return replace(park, site=replace(park.site, zone="Europe/Berlin"))


def starts_of(park, day):
    return [local_midnight(park, day) + k * QUARTER for k in range(day_steps(park, day))]


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_a_day_has_as_many_steps_as_it_has_quarter_hours(berlin, day, steps):
    assert day_steps(berlin, day) == steps
    assert starts_of(berlin, day)[-1] + QUARTER == local_midnight(berlin, day + timedelta(days=1))
    first = berlin.horizon.day_ahead_steps // 4
    part = replace(berlin, horizon=replace(berlin.horizon, day_ahead_steps=first))
    assert day_steps(part, day) == steps - 72, "up to 6 o'clock of the wall"


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_a_rolling_window_ends_at_midnight_too(berlin, day, steps):
    start = local_midnight(berlin, day)
    assert steps_left(berlin, start, None) == steps
    assert steps_left(berlin, start + timedelta(hours=12), None) == steps - 48
    before = start - timedelta(hours=1)
    assert steps_left(berlin, before, None) == steps + 4


def test_the_hour_that_is_left_out_has_no_price_and_the_one_that_is_repeated_has_it_twice(berlin):
    zone = ZoneInfo(berlin.site.zone)
    usual = price_cny_per_mwh(berlin, starts_of(berlin, USUAL))
    for day, times in ((SPRING, 0), (AUTUMN, 8)):
        starts = starts_of(berlin, day)
        wall = [start.astimezone(zone).hour for start in starts]
        assert wall.count(2) == times
        assert price_cny_per_mwh(berlin, starts) == pytest.approx([usual[4 * hour] for hour in wall])


@pytest.mark.parametrize(("day", "steps"), DAYS)
def test_what_a_day_owes_is_owed_once_however_long_it_is(berlin, day, steps):
    start = local_midnight(berlin, day)

    own = axis(berlin, 104)

    def owes(passed, count, so_far):
        at = start + passed * QUARTER
        now = situation(
            berlin,
            own,
            first=own.history,
            steps=count,
            state=initial_state(berlin, at),
            forecast=outlook(berlin, at, at, count),
        )
        return owed(now, 960.0, so_far)

    assert owes(0, steps, 0.0) == pytest.approx([960.0, 0.0, 0.0, 0.0])
    assert owes(40, steps - 40, 100.0) == pytest.approx([860.0, 0.0, 0.0, 0.0])
    assert owes(0, steps // 2, 0.0) == pytest.approx([480.0, 0.0, 0.0, 0.0])
    assert owes(0, steps + 4, 0.0) == pytest.approx([960.0, 40.0, 0.0, 0.0])


def test_half_of_such_a_day_is_half_of_what_it_owes(berlin):
    daily = berlin.contracts.hydrogen.pipeline_daily_min_kg
    for day, steps in DAYS:
        state = initial_state(berlin, local_midnight(berlin, day) + steps // 2 * QUARTER)
        assert state.resources["H2S"]["delivered_kg"] == pytest.approx(daily / 2)


@pytest.mark.parametrize(("day", "steps"), DAYS[:2])
def test_such_a_day_is_planned_across_the_change(berlin, day, steps):
    """Its first four hours by the wall, so that the test stays short."""
    short = replace(berlin, horizon=replace(berlin.horizon, day_ahead_steps=16))
    (plan,) = plan_days(short, day, 1)
    assert plan.steps == steps - 80
    assert plan.start == local_midnight(short, day)
    end = plan.start + plan.steps * QUARTER
    assert end.astimezone(ZoneInfo("Europe/Berlin")).hour == 4
    assert plan.certificate.ok
    assert plan.certificate.max_balance_error_mw < 0.02
    assert np.isfinite(plan.cost_cny)
