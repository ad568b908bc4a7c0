"""Time-of-use prices at the tie."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from vpp.errors import Fault
from vpp.park.model import Park, TariffPeriod
from vpp.types import Array


def price_cny_per_mwh(park: Park, starts: Sequence[datetime]) -> Array:
    """Return the energy price at the tie of the hours in which `starts` (aware) lie, shape (steps,)."""
    return np.array([1000.0 * period.price_cny_per_kwh for period in periods(park, starts)])


def periods(park: Park, starts: Sequence[datetime]) -> list[TariffPeriod]:
    """Return the tariff period of the hours in which `starts` (aware) lie."""
    zone = ZoneInfo(park.site.zone)
    local = [start.astimezone(zone) for start in starts]
    return [_hours_of_month(park.tariff, t.month)[t.hour] for t in local]


@lru_cache(maxsize=64)
def _hours_of_month(tariff: tuple[TariffPeriod, ...], month: int) -> tuple[TariffPeriod, ...]:
    by_hour: dict[int, TariffPeriod] = {}
    for period in sorted(tariff, key=lambda p: bool(p.months)):
        if not period.months or month in period.months:
            for start, end in period.hours:
                by_hour |= dict.fromkeys(range(start, end), period)
    return tuple(by_hour[hour] for hour in range(24))


def tariff_faults(periods: Sequence[TariffPeriod]) -> Iterator[Fault]:
    """Yield what keeps the periods from giving every hour of every month exactly one price.

    All-year periods must cover the day once; periods with months override them in their months and
    must not overlap each other.
    """
    expected = "full hours [from, to) with 0 <= from < to <= 24"
    for period in periods:
        if period.price_cny_per_kwh < 0:
            # a plan would draw and give at once to earn from it
            yield _fault(f"{period.name}: price {period.price_cny_per_kwh:g}", "0 or more, CNY per kWh")
        for start, end in period.hours:
            if not 0 <= start < end <= 24:
                yield _fault(f"{period.name}: hours [{start}, {end}]", expected)
        for month in period.months:
            if not 1 <= month <= 12:
                yield _fault(f"{period.name}: month {month}", "1 to 12")
    year_round = [p for p in periods if not p.months]
    gaps: dict[tuple[int, ...], list[int]] = {}
    for month in range(1, 13):
        seasonal = [p for p in periods if month in p.months]
        over = [h for h in range(24) if _count(seasonal, h) > 1]
        bare = [h for h in range(24) if not _count(seasonal, h) and not _count(year_round, h)]
        if over:
            yield _fault(f"month {month}: hours {over} have two seasonal prices", "one")
        if bare:
            gaps.setdefault(tuple(bare), []).append(month)
    for hours, months in gaps.items():
        yield _fault(
            f"no price for the hours {list(hours)} in the months {months}", "a period that covers them"
        )
    twice = [h for h in range(24) if _count(year_round, h) > 1]
    if twice:
        yield _fault(f"hours {twice} have two all-year prices", "one")


def _count(periods: Sequence[TariffPeriod], hour: int) -> int:
    return sum(start <= hour < end for p in periods for start, end in p.hours)


def _fault(wrong: str, expected: str) -> Fault:
    return Fault(file="park.toml", field="tariff", wrong=wrong, expected=expected)
