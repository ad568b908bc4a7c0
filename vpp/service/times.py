"""Times as people write them on a command line."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import TypeVar
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 1980, 2200
"""Years outside are a slip of the pen, as in a series (`vpp.park.stamps`)."""
Day = TypeVar("Day", date, datetime)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_span(text: str) -> timedelta:
    """Return a positive span from `90s`, `30m`, `6h`, `1d` or `1h30m`; ValueError otherwise."""
    parts = _SPAN.findall(text)
    if not parts or _SPAN.sub("", text).strip():
        raise ValueError(f"{text!r} is not a span: write 90s, 30m, 6h or 1d")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < seconds <= 366 * 86400:
        raise ValueError(f"{text!r} is not a span between 0 and 366 days")
    return timedelta(seconds=seconds)


def _in_range(day: Day, text: str) -> Day:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return day


def parse_date(text: str) -> date:
    """Return a day written YYYY-MM-DD; ValueError otherwise."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day: write YYYY-MM-DD") from None
    return _in_range(day, text)


def parse_stamp(text: str, zone: str) -> datetime:
    """Return an ISO stamp in UTC; without an offset it is read in the plant's zone (IANA name)."""
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write YYYY-MM-DDTHH:MM, plant time") from None
    _in_range(stamp, text)
    local = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=ZoneInfo(zone))
    return local.astimezone(timezone.utc)


def local_text(at: datetime, zone: str) -> str:
    """Return plant time for people: `2026-03-17 15:00:00 +0800`."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %z")
