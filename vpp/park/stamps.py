"""Time stamps of a series: text to seconds since 1970 UTC, and their step, gaps and repeats."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from vpp.errors import Fault
from vpp.park.tables import label, quoted

Say = Callable[[int | None, str, str], None]
"""Takes a fault: line, what is wrong, what is expected."""

FIRST_YEAR, LAST_YEAR = 1980, 2200
"""Years outside are a clock that was never set; assumption."""
MAX_STEPS = 6_000_000
"""Longest grid of a series; assumption: ten years at one minute."""
SHOWN = 5
"""Faults of one kind that are told row by row; the rest is counted."""


def open_zone(name: str) -> ZoneInfo | None:
    """Return the IANA zone `name`, or None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a key; a folder of the zone database
        return None


def parse_stamps(rows: Iterable[tuple[int, str]], zone: ZoneInfo | None, say: Say) -> list[tuple[int, int]]:
    """Return (line, seconds since 1970 UTC) of every stamp that could be read.

    Refused are stamps that are no ISO 8601 time, stamps without offset where no `zone` is declared,
    offsets that contradict the declared zone, and local times that a clock change leaves out or
    repeats.
    """
    parsed: list[tuple[int, int]] = []
    wrong: list[tuple[int, str, str]] = []
    for line, text in rows:
        try:
            stamp = datetime.fromisoformat(text)
        except ValueError:
            wrong.append((line, quoted(text), "a time like 2026-03-17T00:15:00+08:00"))
            continue
        problem = _zone_problem(stamp, zone)
        if problem is not None:
            wrong.append((line, *problem))
            continue
        aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)
        parsed.append((line, round(aware.timestamp())))
    _tell(wrong, say)
    return parsed


def _zone_problem(stamp: datetime, zone: ZoneInfo | None) -> tuple[str, str] | None:
    if not FIRST_YEAR <= stamp.year <= LAST_YEAR:
        return f"the year {stamp.year}", f"{FIRST_YEAR} to {LAST_YEAR}"
    if stamp.tzinfo is None:
        if zone is None:
            return f"{stamp} has no offset and no zone is declared", "a zone, such as Asia/Shanghai"
        local = stamp.replace(tzinfo=zone)
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            return f"{stamp} is left out or comes twice in {zone}", "stamps with their offset"
        return None
    if zone is not None and stamp.utcoffset() != stamp.astimezone(zone).utcoffset():
        return f"{stamp} contradicts the declared zone {zone}", "the offset of that zone, or no zone"
    return None


def step_of(stamps: Sequence[tuple[int, int]], step_min: float | None, say: Say) -> int | None:
    """Return the step in seconds: the declared one, or the most frequent distance of stamps."""
    if step_min is None:
        distances = Counter(b - a for (_, a), (_, b) in pairwise(stamps) if b > a)
        if not distances:
            say(None, "no two stamps in rising order", "two or more")
            return None
        step_min = distances.most_common(1)[0][0] / 60
    step_s = round(step_min * 60)
    if step_s < 60 or 3600 % step_s or abs(step_s - step_min * 60) > 1e-6:
        say(None, f"a step of {step_min:g} min", "a whole part of an hour: 1, 5, 10, 15, 30, 60 min ...")
        return None
    return step_s


def place(stamps: Sequence[tuple[int, int]], step_s: int, say: Say) -> list[int] | None:
    """Return the index of every stamp on the grid that starts with the first, or None with faults.

    Refused are repeats, steps back, stamps off the grid, and a first stamp off the full step.
    """
    line, first = stamps[0]
    if first % step_s:
        say(line, f"{_utc(first)} is not on a full step of {step_s / 60:g} min", "stamps on full steps")
        return None
    if stamps[-1][1] - first > MAX_STEPS * step_s:
        say(stamps[-1][0], f"more than {MAX_STEPS} steps after the first stamp", "a shorter series")
        return None
    wrong: list[tuple[int, str, str]] = []
    index = [0]
    before = first
    for line, stamp in stamps[1:]:
        if stamp == before:
            wrong.append((line, f"{_utc(stamp)} stands twice", "each stamp once"))
        elif stamp < before:
            wrong.append((line, f"{_utc(stamp)} comes after {_utc(before)}", "rising stamps"))
        elif (stamp - first) % step_s:
            minutes = (stamp - before) / 60
            wrong.append((line, f"a step of {minutes:g} min", f"{step_s / 60:g} min"))
        index.append((stamp - first) // step_s)
        before = max(before, stamp)
    _tell(wrong, say)
    return None if wrong else index


def _tell(wrong: Sequence[tuple[int, str, str]], say: Say) -> None:
    kinds: Counter[str] = Counter()
    for line, what, expected in wrong:
        kinds[expected] += 1
        if kinds[expected] <= SHOWN:
            say(line, what, expected)
    for expected, count in kinds.items():
        if count > SHOWN:
            say(None, f"{count - SHOWN} more rows of this kind", expected)


def _utc(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def speaker(file: str, field: str | None, faults: list[Fault]) -> Say:
    """Return a function that adds a fault of `file` and `field` to `faults`."""

    def say(line: int | None, wrong: str, expected: str) -> None:
        faults.append(
            Fault(file=label(file), row=line, field=field and label(field), wrong=wrong, expected=expected)
        )

    return say
