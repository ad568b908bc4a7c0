"""A run takes over the day's plan that is in force, and the pins of its state folder."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from controllers.planning.day_ahead import Inbox
from controllers.planning.process import Desk, replan
from vpp.park.pin_store import store_pins
from vpp.park.pins import read_pins
from vpp.reports.approval import approve
from vpp.reports.plan_file import plan_to_json
from vpp.state_dir import StateDir
from vpp.types import Following, ParkMode, Quality, Reading, Snapshot

DAY = date(2026, 3, 17)


@pytest.fixture
def state(tmp_path, plan):
    """A state folder with the day's plan in it."""
    found = StateDir(tmp_path)
    folder = found.day_plan(DAY)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_bytes(plan_to_json(plan))
    return found


def snapshot_at(park, plan, at):
    """What control would publish of a park that stands where `plan` started."""
    good = {"quality": Quality.GOOD, "read_at": at, "age_s": 0.0}
    readings = {n: Reading(values=dict(v), **good) for n, v in plan.initial.resources.items()}
    readings |= {n: Reading(values={"p_mw": float(plan.series[n]["p_mw"][0])}, **good) for n in park.loads}
    return Snapshot(
        cycle=1, at=at, true_s=0.0, rate=1.0, epoch=1, readings=readings, setpoints={}, modes={},
        park_mode=ParkMode.CONNECTED, following=Following.PLAN, plan_id="x", plan_made_at=at,
        next_replan_at=None, tie_mean_mw=90.0, tie_limit_mw=150.0, orders=(), open_blocks={}, calls={},
        starts={}, month_peak_mw=95.0, alarms=(), missed_ticks=0, dropped_plans=0,
    )  # fmt: skip


def test_the_days_plan_is_taken_over_once_when_its_day_begins(state, park, plan):
    inbox = Inbox(state=state)
    assert inbox.day_plan(park, plan.start - timedelta(minutes=15)) is None
    assert inbox.day_plan(park, plan.start).plan.id == plan.id
    assert inbox.day_plan(park, plan.start + timedelta(hours=1)) is None


def test_where_approval_is_asked_nothing_is_taken_over_before_it(state, park, plan):
    manual = replace(park, approval=replace(park.approval, mode="manual"))
    inbox = Inbox(state=state)
    assert inbox.day_plan(manual, plan.start) is None
    approve(state.day_plan(DAY), by="Li", at=plan.start)
    assert inbox.day_plan(manual, plan.start + timedelta(hours=2)).approved.by == "Li"


def test_a_file_that_cannot_be_read_is_told_and_changes_nothing(state, park, plan):
    inbox = Inbox(state=state)
    store_pins(state.pins, read_pins(park, ["BESS1@10:00=5"], DAY))
    (pin,) = inbox.pins_from(plan.start)
    state.pins.write_text("{")
    (state.day_plan(DAY) / "plan.json").write_text("{")
    assert inbox.pins_from(plan.start) == (pin,)
    assert "pins.json" in inbox.trouble
    assert inbox.day_plan(park, plan.start) is None
    assert inbox.pins_from(pin.end) == ()


def test_a_changed_pin_is_news_once(state, plan):
    inbox = Inbox(state=state)
    assert not inbox.has_news()
    store_pins(state.pins, ())
    assert inbox.has_news()
    inbox.pins_from(plan.start)
    assert not inbox.has_news()


def test_a_replan_at_the_days_begin_keeps_window_and_commitments_of_the_days_plan(state, park, planner, plan):
    desk = Desk(park=park, planner=planner, inbox=Inbox(state=state))
    at = plan.start + timedelta(seconds=1)
    made = replan(desk, snapshot_at(park, plan, at), 10.0).plan
    assert desk.plan.id == plan.id
    assert made.start + made.steps * timedelta(minutes=15) == plan.start + plan.steps * timedelta(minutes=15)
    assert "previous plan" in made.status
    assert (made.series["CAES1"]["mode_code"] == plan.series["CAES1"]["mode_code"]).all()


def test_a_replan_holds_the_pins_of_the_run(state, park, planner, plan):
    desk = Desk(park=park, planner=planner, inbox=Inbox(state=state))
    store_pins(state.pins, read_pins(park, ["BESS1@03:00-04:00=-10"], DAY))
    made = replan(desk, snapshot_at(park, plan, plan.start + timedelta(seconds=1)), 10.0).plan
    assert made.series["BESS1"]["p_mw"][12:16] == pytest.approx(-10.0, abs=5e-3)
    assert [pin.id for pin in made.pins] == ["BESS1@2026-03-17T03:00-04:00=-10"]
