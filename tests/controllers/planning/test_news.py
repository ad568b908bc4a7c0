"""What a plan cannot know is planned for at once; what it knew is not."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np

from controllers.planning.news import PAUSE_S, is_news
from vpp.types import DispatchOrder

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
PLAN = SimpleNamespace(
    start=START, step_min=15, steps=4, series={"LD": {"open_blocks": np.array([0.0, 2.0, 2.0, 0.0])}}
)


@dataclass
class Seen:
    at: datetime
    orders: tuple = ()
    open_blocks: dict = field(default_factory=dict)


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


def test_there_is_a_pause_between_two_plans_and_without_a_plan_there_is_no_news():
    soon = START + timedelta(seconds=PAUSE_S - 1)
    assert not is_news(Seen(at(0)), Seen(soon, (order(30),)), PLAN)
    assert not is_news(None, Seen(at(5), (order(30),)), PLAN)
    assert not is_news(Seen(at(0)), Seen(at(5), (order(30),)), None)
