"""What follows the calendar: tomorrow's plan in the afternoon, the day report, retention of the journal.

Plan and report are made by processes of their own, so that nothing heavy runs beside the page.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from vpp.clock import UTC, Clock, Schedule, wall_now
from vpp.errors import InvalidInput
from vpp.park import load_park
from vpp.reports.approval import day_plan
from vpp.state_dir import StateDir

DAY_AHEAD_AT = time(15, 0)
"""Plant time at which tomorrow is planned (assumption: after the dispatcher's curve for the day)."""
DAY_REPORT_AT = time(0, 5)
"""Plant time at which the day before is reported (assumption: the journal's last cycles are on disk)."""
REPORT_DEADLINE_S = 1800.0
"""True seconds after which a day report is given up."""
PLAN_DEADLINE_S = 600.0
"""True seconds after which a day-ahead plan is given up."""
GRACE_S = 3600
"""True seconds by which a job may be late, as after a suspended machine."""
EARLY = timedelta(seconds=5)
"""Plant time by which a job may begin early: the scheduler's own rounding."""
KEEP_JOURNAL_DAYS = 1100
"""Journal segments are kept three years: orders and sheds are evidence (notes on storage, §6)."""
NICE = 10

Report = Callable[[str, bool, str], Awaitable[None]]
"""(job, went well, what happened in words) -> told to control as a note of that job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What the jobs need to know of the run."""

    state: StateDir
    park: str
    zone: str
    schedule: Schedule
    clock: Clock
    report: Report


def next_day_ahead(plant_now: datetime, zone: str) -> datetime:
    """Return the next 15:00 plant time strictly after `plant_now`, UTC."""
    return next_daily(plant_now, zone, DAY_AHEAD_AT)


def next_daily(plant_now: datetime, zone: str, at: time) -> datetime:
    """Return the next moment strictly after `plant_now` at which clocks in `zone` show `at`, UTC."""
    local = plant_now.astimezone(ZoneInfo(zone))
    today = datetime.combine(local.date(), at, tzinfo=ZoneInfo(zone))
    due = today if today > local else datetime.combine(local.date() + timedelta(days=1), at, today.tzinfo)
    return due.astimezone(UTC)


def wall_at(schedule: Schedule, plant: datetime, true_s: float, wall: datetime) -> datetime:
    """Return the wall-clock time at which plant time is `plant`, for the scheduler."""
    return wall + timedelta(seconds=schedule.true_at(plant) - true_s)


def plan_command(calendar: Calendar, day: str) -> Sequence[str]:
    """Return the command that plans a day into the run's own plan folder."""
    words = (
        "-m",
        "vpp.service.cli",
        "plan",
        calendar.park,
        "--date",
        day,
        "--out",
        str(calendar.state.plans),
    )
    return (sys.executable, *words)


def report_command(calendar: Calendar, day: str) -> Sequence[str]:
    """Return the command that reports a day into the run's own report folder."""
    words = ("-m", "vpp.service.cli", "report", "--state", str(calendar.state.root), "--date", day)
    return (sys.executable, *words)


async def run_to_end(command: Sequence[str], log: Path, deadline_s: float) -> int | None:
    """Run a command at low priority with its output in a file; None: it took too long and was ended."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        with suppress(ProcessLookupError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        async with asyncio.timeout(deadline_s):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def plan_tomorrow(calendar: Calendar, plant: datetime) -> None:
    """Plan the plant day after `plant` and tell control how that ended."""
    day = (plant.astimezone(ZoneInfo(calendar.zone)).date() + timedelta(days=1)).isoformat()
    log = calendar.state.logs / "day_ahead.log"
    code = await run_to_end(plan_command(calendar, day), log, PLAN_DEADLINE_S)
    outcomes = {0: "released", 5: "released with a declared breach", 4: "no plan could be released"}
    if code is None:
        text = f"day-ahead plan for {day}: given up after {PLAN_DEADLINE_S:g} s"
    else:
        text = (
            f"day-ahead plan for {day}: {outcomes.get(code, f'failed with exit code {code}, see {log.name}')}"
        )
    waits = code in (0, 5) and await asyncio.to_thread(_waits, calendar, day)
    ending = f", not in force before `vpp approve {day}`" if waits else ""
    await calendar.report("day_ahead", code in (0, 5) and not waits, text + ending)


def _waits(calendar: Calendar, day: str) -> bool:
    """Return whether the plan of a day must be approved before a run follows it."""
    try:
        found = day_plan(calendar.state.day_plan(date.fromisoformat(day)))
        park = load_park(calendar.park)
    except InvalidInput:
        return False
    return found is not None and park.approval.mode == "manual" and found.approved is None


async def report_yesterday(calendar: Calendar, plant: datetime) -> None:
    """Report the plant day before `plant` and tell control how that ended."""
    day = (plant.astimezone(ZoneInfo(calendar.zone)).date() - timedelta(days=1)).isoformat()
    log = calendar.state.logs / "day_report.log"
    code = await run_to_end(report_command(calendar, day), log, REPORT_DEADLINE_S)
    outcomes = {0: "written", None: f"given up after {REPORT_DEADLINE_S:g} s"}
    text = outcomes.get(code, f"failed with exit code {code}, see {log.name}")
    await calendar.report("day_report", code == 0, f"day report of {day}: {text}")


def expired_segments(folder: Path, before: datetime) -> list[Path]:
    """Return the journal segments last written before a wall-clock time, never the newest one."""
    segments = sorted(folder.glob("*.ywj"))[:-1]
    return [path for path in segments if path.stat().st_mtime < before.timestamp()]


def make_scheduler(calendar: Calendar) -> AsyncIOScheduler:
    """Return a scheduler with all jobs, not started; those of plant time set their own next date."""
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S}
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)

    def set_daily(
        id_: str, at: time, job: Callable[[Calendar, datetime], Awaitable[None]], after: datetime
    ) -> None:
        plant = next_daily(after, calendar.zone, at)
        wall = wall_at(calendar.schedule, plant, calendar.clock.true_s(), wall_now())

        async def once() -> None:
            if calendar.clock.plant_now() < plant - EARLY:
                # the wall clock, which the scheduler goes by, was set forward: it is not time yet
                set_daily(id_, at, job, after)
                return
            set_daily(id_, at, job, plant)
            await job(calendar, plant)

        scheduler.add_job(once, DateTrigger(wall, timezone=UTC), id=id_, replace_existing=True)

    async def retention() -> None:
        for path in expired_segments(calendar.state.journal, wall_now() - timedelta(days=KEEP_JOURNAL_DAYS)):
            path.unlink(missing_ok=True)

    now = calendar.clock.plant_now()
    set_daily("day_ahead", DAY_AHEAD_AT, plan_tomorrow, now)
    set_daily("day_report", DAY_REPORT_AT, report_yesterday, now)
    scheduler.add_job(retention, IntervalTrigger(hours=24, timezone=UTC), id="retention")
    return scheduler
