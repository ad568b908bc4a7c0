import os
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.clock import Schedule, SimulatedClock
from vpp.service import jobs
from vpp.service.jobs import Calendar, expired_segments, next_day_ahead, plan_tomorrow, run_to_end, wall_at
from vpp.state_dir import StateDir

ZONE = "Asia/Shanghai"
NOON = datetime(2026, 3, 17, 4, tzinfo=UTC)


@given(st.timedeltas(timedelta(0), timedelta(days=400)).map(NOON.__add__))
def test_the_next_day_ahead_plan_is_due_within_a_day_at_three_in_the_afternoon(now):
    due = next_day_ahead(now, ZONE)
    assert timedelta(0) < due - now <= timedelta(days=1)
    assert (due + timedelta(hours=8)).time() == jobs.DAY_AHEAD_AT


def test_true_time_of_a_plant_time_follows_the_rate():
    schedule = Schedule(origin_true_s=100.0, segments=((NOON, 60.0), (NOON + timedelta(hours=1), 1.0)))
    wall = datetime(2026, 11, 22, tzinfo=UTC)
    due = wall_at(schedule, NOON + timedelta(hours=1, seconds=5), 110.0, wall)
    assert due - wall == timedelta(seconds=60 + 5 - 10)


@pytest.fixture
def told(tmp_path):
    state, remarks = StateDir(tmp_path), []
    state.prepare()

    async def report(job, well, text):
        remarks.append((well, text))

    clock = SimulatedClock(NOON)
    schedule = Schedule(origin_true_s=0.0, segments=((NOON, 1.0),))
    calendar = Calendar(state=state, park="small10", zone=ZONE, schedule=schedule, clock=clock, report=report)
    return calendar, remarks


@pytest.mark.parametrize(
    ("code", "well", "words"),
    [(0, True, "released"), (5, True, "declared breach"), (4, False, "no plan"), (1, False, "exit code 1")],
)
async def test_control_is_told_how_the_plan_of_tomorrow_ended(told, monkeypatch, code, well, words):
    calendar, remarks = told
    command = (sys.executable, "-c", f"raise SystemExit({code})")
    monkeypatch.setattr(jobs, "plan_command", lambda calendar, day: command)
    await plan_tomorrow(calendar, NOON)
    ((went_well, text),) = remarks
    assert went_well is well
    assert words in text
    assert "2026-03-18" in text


async def test_a_command_that_hangs_is_ended_at_its_deadline(tmp_path):
    command = (sys.executable, "-c", "import signal; signal.pause()")
    assert await run_to_end(command, tmp_path / "log", 0.3) is None


async def test_what_a_command_says_is_kept(tmp_path):
    assert await run_to_end((sys.executable, "-c", "print('planned')"), tmp_path / "log", 20.0) == 0
    assert (tmp_path / "log").read_text() == "planned\n"


async def test_the_scheduler_holds_all_jobs_and_no_job_runs_twice_at_once(told):
    scheduler = jobs.make_scheduler(told[0])
    scheduler.start(paused=True)
    found = {job.id: job for job in scheduler.get_jobs()}
    assert found.keys() == {"day_ahead", "day_report", "retention"}
    assert all(job.max_instances == 1 and job.coalesce for job in found.values())
    scheduler.shutdown(wait=False)


def test_only_old_segments_expire_and_never_the_newest(tmp_path):
    for n, age_days in enumerate([5, 2000, 2000, 2000]):
        path = tmp_path / f"{4 - n:08d}.ywj"
        path.write_bytes(b"")
        stamp = (NOON - timedelta(days=age_days)).timestamp()
        os.utime(path, (stamp, stamp))
    names = [p.name for p in expired_segments(tmp_path, NOON - timedelta(days=1100))]
    assert names == ["00000001.ywj", "00000002.ywj", "00000003.ywj"]
    os.utime(tmp_path / "00000004.ywj", (0, 0))
    assert "00000004.ywj" not in [p.name for p in expired_segments(tmp_path, NOON)]


def test_the_day_before_is_reported_five_minutes_after_midnight():
    at = jobs.next_daily(NOON, "Asia/Shanghai", jobs.DAY_REPORT_AT)
    assert at.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%H:%M") == "00:05"


async def test_the_report_command_names_the_day_that_ended(told, monkeypatch):
    calendar, remarks = told
    asked = []

    async def ended(command, log, deadline_s):
        asked.append(command)
        return 0

    monkeypatch.setattr(jobs, "run_to_end", ended)
    await jobs.report_yesterday(calendar, jobs.next_daily(NOON, calendar.zone, jobs.DAY_REPORT_AT))
    day = NOON.astimezone(ZoneInfo(calendar.zone)).date().isoformat()
    assert asked[0][-5:] == ("report", "--state", str(calendar.state.root), "--date", day)
    assert remarks[0][0] is True
    assert day in remarks[0][1]


@pytest.mark.parametrize("early_h", [1, 0])
async def test_a_wall_clock_that_was_set_forward_begins_no_job_before_its_plant_time(
    told, monkeypatch, early_h
):
    calendar, begun = told[0], []

    async def planned(_calendar, plant):
        begun.append(plant)

    monkeypatch.setattr(jobs, "plan_tomorrow", planned)
    due = jobs.next_day_ahead(calendar.clock.plant_now(), calendar.zone)
    scheduler = jobs.make_scheduler(calendar)
    scheduler.start(paused=True)
    monkeypatch.setattr(type(calendar.clock), "plant_now", lambda _: due - timedelta(hours=early_h))
    await scheduler.get_job("day_ahead").func()
    assert begun == ([] if early_h else [due])
    assert scheduler.get_job("day_ahead").trigger.run_date is not None
    scheduler.shutdown(wait=False)
