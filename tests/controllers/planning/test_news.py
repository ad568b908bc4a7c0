"""What a plan cannot know is planned for at once; what it knew is not."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np

from controllers.planning import news
from controllers.planning.news import PAUSE, Agenda
from controllers.planning.state import FAULT
from vpp.types import DispatchOrder, Quality, Reading

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
PLAN = SimpleNamespace(
    start=START, step_min=15, steps=4, series={"LD": {"open_blocks": np.array([0.0, 2.0, 2.0, 0.0])}}
)


PARK = SimpleNamespace(
    horizon=SimpleNamespace(replan_min=15),
    resources={
        "BAT": SimpleNamespace(kind="bess", p_min_mw=-40.0, p_max_mw=40.0),
        "WIND": SimpleNamespace(kind="wind", p_min_mw=0.0, p_max_mw=100.0),
    },
)


@dataclass
class Seen:
    at: datetime
    orders: tuple = ()
    open_blocks: dict = field(default_factory=dict)
    readings: dict = field(default_factory=lambda: {"BAT": reading(), "WIND": reading()})
    derated: dict = field(default_factory=dict)


def reading(quality=Quality.GOOD, status=2.0):
    return Reading(values={"status": status}, quality=quality, read_at=START, age_s=0.0)


def with_battery(minutes, **changed):
    return Seen(at(minutes), readings={"BAT": reading(**changed), "WIND": reading()})


def is_news(seen, now, plan):
    return news.is_news(PARK, seen, now, plan)


def at(minutes):
    return START + timedelta(minutes=minutes)


def order(end_min):
    return DispatchOrder(
        id="o", import_max_mw=50.0, export_max_mw=None, start=at(0), end=at(end_min), expires_at=at(1)
    )


def test_an_order_that_came_is_news_and_one_that_ended_in_time_is_none():
    assert is_news(Seen(at(0)), Seen(at(5), (order(30),)), PLAN)
    assert not is_news(Seen(at(0), (order(30),)), Seen(at(5), (order(30),)), PLAN)
    assert not is_news(Seen(at(0), (order(4),)), Seen(at(5)), PLAN)
    assert is_news(Seen(at(0), (order(30),)), Seen(at(5)), PLAN), "withdrawn"


def test_breakers_are_news_where_the_plan_has_them_otherwise():
    assert is_news(Seen(at(0)), Seen(at(5), open_blocks={"LD": 0b1}), PLAN), "a shed"
    assert is_news(Seen(at(20), open_blocks={"LD": 0b11}), Seen(at(25)), PLAN), "closed again"
    assert not is_news(Seen(at(0)), Seen(at(16), open_blocks={"LD": 0b11}), PLAN), "as planned"
    assert not is_news(Seen(at(0), open_blocks={"LD": 0b1}), Seen(at(5), open_blocks={"LD": 0b1}), PLAN)


def test_a_device_that_trips_falls_silent_or_is_back_is_news():
    there = Seen(at(0))
    for lost in (with_battery(1, status=FAULT), with_battery(1, quality=Quality.BAD)):
        assert is_news(there, lost, PLAN)
        assert is_news(lost, Seen(at(2)), PLAN), "back"
        assert not is_news(lost, lost, PLAN), "planned without"
    assert not is_news(there, with_battery(1, quality=Quality.SUBSTITUTED), PLAN)


def test_a_limit_that_is_learned_is_news_and_one_that_opens_again_or_is_the_weathers_is_none():
    free, less = Seen(at(0)), Seen(at(1), derated={"BAT": (-40.0, 12.0)})
    assert is_news(free, less, PLAN)
    assert not is_news(less, Seen(at(2), derated={"BAT": (-40.0, 15.0)}), PLAN)
    assert is_news(less, Seen(at(2), derated={"BAT": (-3.0, 12.0)}), PLAN), "on the other side too"
    assert not is_news(less, Seen(at(2)), PLAN)
    assert not is_news(free, Seen(at(1), derated={"WIND": (0.0, 20.0)}), PLAN), "in the nowcast already"


def test_without_a_plan_there_is_no_news():
    assert not is_news(None, Seen(at(5), (order(30),)), PLAN)
    assert not is_news(Seen(at(0)), Seen(at(5), (order(30),)), None)


def test_news_are_planned_for_at_once_and_not_again_within_the_pause():
    agenda = Agenda(seen=Seen(at(0)))
    late = at(1) + PAUSE
    came, more = (order(30),), (order(30), replace(order(30), id="p"))
    assert not agenda.asks(PARK, Seen(at(0.5)), PLAN)
    assert agenda.asks(PARK, Seen(at(1), came), PLAN), "in the cycle that sees it"
    agenda.seen = Seen(at(1), came)
    assert not agenda.asks(PARK, Seen(late - timedelta(seconds=1), more), PLAN)
    assert agenda.asks(PARK, Seen(late, more), PLAN)
    assert (agenda.early, agenda.postponed) == (2, 1)


def test_a_plan_that_is_due_waits_for_no_pause():
    agenda = Agenda(seen=Seen(at(14)), early_at=at(14))
    assert agenda.asks(PARK, Seen(at(15), (order(30),)), PLAN)
    assert agenda.early == 0
    assert Agenda().asks(PARK, Seen(at(0)), None)


def test_a_device_whose_line_flickers_is_planned_for_once_in_a_pause():
    """For an hour it is lost and back every ten seconds."""
    agenda, made = Agenda(seen=Seen(at(0))), []
    for k in range(1, 360):
        now = with_battery(k / 6, quality=Quality.BAD if k % 2 else Quality.GOOD)
        if agenda.asks(PARK, now, PLAN):
            agenda.seen = now
            made.append(now.at)
    assert agenda.early + 3 == len(made), "three were due"
    assert 10 < agenda.early <= timedelta(hours=1) / PAUSE
    assert agenda.postponed > 100
