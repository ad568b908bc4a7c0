"""What follows the calendar: the day-ahead plan in the afternoon, and retention of the journal.

The plan is made by a process of its own, so that no solver runs beside the page.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from vpp.clock import UTC, Clock, Schedule, wall_now
from vpp.state_dir import StateDir

DAY_AHEAD_AT = time(15, 0)
"""Plant time at which tomorrow is planned (assumption: after the dispatcher's curve for the day)."""
PLAN_DEADLINE_S = 600.0
"""True seconds after which a day-ahead plan is given up."""
GRACE_S = 3600
"""True seconds by which a job may be late, as after a suspended machine."""
KEEP_JOURNAL_DAYS = 1100
"""Journal segments are kept three years: orders and sheds are evidence (notes on storage, §6)."""
NICE = 10

Report = Callable[[bool, str], Awaitable[None]]
"""(went well, what happened in words) -> told to control as a note."""


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
    local = plant_now.astimezone(ZoneInfo(zone))
    today = datetime.combine(local.date(), DAY_AHEAD_AT, tzinfo=ZoneInfo(zone))
    due = (
        today
        if today > local
        else datetime.combine(local.date() + timedelta(days=1), DAY_AHEAD_AT, today.tzinfo)
    )
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


async def run_to_end(command: Sequence[str], log: Path, deadline_s: float) -> int | None:
    """Run a command at low priority with its output in a file; None: it took too long and was ended."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
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
    await calendar.report(code in (0, 5), text)


def expired_segments(folder: Path, before: datetime) -> list[Path]:
    """Return the journal segments last written before a wall-clock time, never the newest one."""
    segments = sorted(folder.glob("*.ywj"))[:-1]
    return [path for path in segments if path.stat().st_mtime < before.timestamp()]


def make_scheduler(calendar: Calendar) -> AsyncIOScheduler:
    """Return a scheduler with both jobs, not started; the day-ahead job sets its own next date."""
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S}
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)

    def set_day_ahead(after: datetime) -> None:
        plant = next_day_ahead(after, calendar.zone)
        wall = wall_at(calendar.schedule, plant, calendar.clock.true_s(), wall_now())
        scheduler.add_job(
            day_ahead, DateTrigger(wall, timezone=UTC), [plant], id="day_ahead", replace_existing=True
        )

    async def day_ahead(plant: datetime) -> None:
        set_day_ahead(plant)
        await plan_tomorrow(calendar, plant)

    async def retention() -> None:
        for path in expired_segments(calendar.state.journal, wall_now() - timedelta(days=KEEP_JOURNAL_DAYS)):
            path.unlink(missing_ok=True)

    set_day_ahead(calendar.clock.plant_now())
    scheduler.add_job(retention, IntervalTrigger(hours=24, timezone=UTC), id="retention")
    return scheduler
