"""Two times that never mix: plant time moves the world, true time is for the machine."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

UTC = timezone.utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Plant time as a piecewise linear function of true time, fixed at start.

    All processes of a run share one schedule and so agree on plant time without a message.
    """

    origin_true_s: float
    """Monotonic second at which plant time is `segments[0][0]`."""
    segments: tuple[tuple[datetime, float], ...]
    """(plant time, rate from there on) in rising order; rate is plant seconds per true second."""

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.segments]
        if not starts or starts != sorted(set(starts)) or any(rate <= 0 for _, rate in self.segments):
            raise ValueError("a schedule needs rising plant times and positive rates")

    def _knots(self) -> tuple[float, ...]:
        return _knots(self.origin_true_s, self.segments)

    def plant_at(self, true_s: float) -> datetime:
        """Return the plant time at monotonic second `true_s`; the first rate reaches back."""
        knots = self._knots()
        i = max(0, bisect_right(knots, true_s) - 1)
        start, rate = self.segments[i]
        return start + timedelta(seconds=(true_s - knots[i]) * rate)

    def true_at(self, plant: datetime) -> float:
        """Return the monotonic second at which plant time is `plant`."""
        i = max(0, bisect_right([start for start, _ in self.segments], plant) - 1)
        start, rate = self.segments[i]
        return self._knots()[i] + (plant - start).total_seconds() / rate

    def rate_at(self, true_s: float) -> float:
        """Return plant seconds per true second at `true_s`."""
        return self.segments[max(0, bisect_right(self._knots(), true_s) - 1)][1]


@lru_cache(maxsize=64)
def _knots(origin_true_s: float, segments: tuple[tuple[datetime, float], ...]) -> tuple[float, ...]:
    """Return the true second at which each segment begins; asked for at every look at the clock."""
    knots = [origin_true_s]
    for (a, rate), (b, _) in pairwise(segments):
        knots.append(knots[-1] + (b - a).total_seconds() / rate)
    return tuple(knots)


class Clock(Protocol):
    """What every process is given; nothing else may ask the machine for the time."""

    def plant_now(self) -> datetime:
        """Plant time, aware, UTC."""

    def true_s(self) -> float:
        """Monotonic seconds of the machine."""

    def rate(self) -> float:
        """Plant seconds per true second, now."""

    def plant_after(self, seconds: float) -> datetime:
        """Plant time as it will be so many true seconds from now."""

    def sleep_true(self, seconds: float) -> Awaitable[None]:
        """Wait so many true seconds."""

    def sleep_plant(self, seconds: float) -> Awaitable[None]:
        """Wait until plant time has moved by so many seconds."""


@dataclass(frozen=True, slots=True)
class RealClock:
    """Plant time on the machine's monotonic clock by a fixed schedule."""

    schedule: Schedule

    def plant_now(self) -> datetime:
        """Plant time, aware, UTC."""
        return self.schedule.plant_at(time.monotonic())

    def true_s(self) -> float:
        """Monotonic seconds of the machine."""
        return time.monotonic()

    def rate(self) -> float:
        """Plant seconds per true second, now."""
        return self.schedule.rate_at(time.monotonic())

    def plant_after(self, seconds: float) -> datetime:
        """Plant time as it will be so many true seconds from now."""
        return self.schedule.plant_at(time.monotonic() + seconds)

    async def sleep_true(self, seconds: float) -> None:
        """Wait so many true seconds."""
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_plant(self, seconds: float) -> None:
        """Wait until plant time has moved by so many seconds."""
        target = self.schedule.plant_at(time.monotonic()) + timedelta(seconds=seconds)
        await asyncio.sleep(max(0.0, self.schedule.true_at(target) - time.monotonic()))


class SimulatedClock:
    """A clock that moves only when somebody sleeps or calls `advance`; one task owns it."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def plant_now(self) -> datetime:
        """Plant time, aware, UTC."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def true_s(self) -> float:
        """Seconds since the start; the rate is one."""
        return self._elapsed_s

    def rate(self) -> float:
        """Plant seconds per true second: one."""
        return 1.0

    def plant_after(self, seconds: float) -> datetime:
        """Plant time as it will be so many seconds from now."""
        return self.plant_now() + timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self._elapsed_s += seconds

    async def sleep_true(self, seconds: float) -> None:
        """Move the time forward and let other tasks run once."""
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)

    async def sleep_plant(self, seconds: float) -> None:
        """Move the time forward and let other tasks run once."""
        await self.sleep_true(seconds)


def monotonic_s() -> float:
    """Return the machine's monotonic second, to fix the origin of a schedule at start."""
    return time.monotonic()


def wall_now() -> datetime:
    """Return the wall clock, aware, UTC: for schedules at rate 1 and the stamps of files."""
    return datetime.now(tz=UTC)
