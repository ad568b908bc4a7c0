"""The ledger of interruptible loads: calls, rest times, lock-outs and what is open; it outlives windows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as fresh
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vpp.types import Load

LOCK_AFTER, LOCK_WINDOW_MIN = 3, 60.0
"""A load cut so often within so many plant minutes is locked out, whatever it was cut for; assumption."""
LOCK_MIN = 60.0
"""Plant minutes of a lock-out, from the last cut on; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What happened to one load."""

    day: date | None = None
    """Plant-zone day of `today`."""
    today: int = 0
    """Calls begun on that day."""
    running_since: datetime | None = None
    ended_at: datetime | None = None
    """End of the last call."""
    open_blocks: int = 0
    """Bit mask of the breakers that control holds open."""
    cut_mw: float = 0.0
    """Demand behind them when they opened."""
    reclosed: int = 0
    """Breakers that closed again in the running or the last call."""
    cuts: tuple[datetime, ...] = ()
    """Last times that the load was cut after standing closed, or in part closed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a shed has cut so far, by the meters of its loads, against what was ordered."""

    order_id: str
    ordered_mw: float
    """What is left of it: the share of breakers that were not closed again by permission."""
    masks: Mapping[str, int]
    """By load the breakers that it opened and that are still open."""
    since: datetime
    cut_mwh: float = 0.0
    over_mwh: float = 0.0
    """Cut beyond the order."""
    under_mwh: float = 0.0
    """Ordered and not cut."""


@dataclass(slots=True, kw_only=True)
class Sheds:
    """What control knows of sheds between two cycles."""

    standing: list[Standing] = fresh(default_factory=list)
    stuck: set[str] = fresh(default_factory=set)
    """Loads that acknowledged and did not take less, until they are told to close."""
    lowered_mw: dict[str, float] = fresh(default_factory=dict)
    """By electrolyser and CAES plant the least injection while a shed lacks megawatts."""
    kept_mw: dict[str, float] = fresh(default_factory=dict)
    """The same as it was before the shed that is under way, or was the last."""
    waits: str = ""
    """Why restoration waits, in words."""


Ledger = Mapping[str, Calls]


def opened(calls: Calls, mask: int, cut_mw: float, now: datetime, zone: str) -> Calls:
    """Return the entry after more breakers opened; one call, however many blocks."""
    day = now.astimezone(ZoneInfo(zone)).date()
    today = calls.today if calls.day == day else 0
    begins = calls.running_since is None or calls.reclosed > 0
    return Calls(
        cuts=(*calls.cuts, now)[-LOCK_AFTER:] if begins else calls.cuts,
        day=day,
        today=today + (calls.running_since is None),
        running_since=calls.running_since or now,
        ended_at=calls.ended_at,
        open_blocks=calls.open_blocks | mask,
        cut_mw=calls.cut_mw + cut_mw,
        reclosed=calls.reclosed if calls.running_since else 0,
    )


def closed(calls: Calls, mask: int, now: datetime) -> Calls:
    """Return the entry after the breakers of `mask` closed; the call ends with the last one."""
    left = calls.open_blocks & ~mask
    calls = replace(calls, reclosed=calls.reclosed + calls.open_blocks.bit_count() - left.bit_count())
    share = left.bit_count() / calls.open_blocks.bit_count() if calls.open_blocks else 0.0
    if left or calls.running_since is None:
        return replace(calls, open_blocks=left, cut_mw=calls.cut_mw * share)
    return replace(calls, open_blocks=0, cut_mw=0.0, running_since=None, ended_at=now)


def standing(load: Load, calls: Calls, now: datetime, zone: str) -> dict[str, float]:
    """Return what `PlantState.calls` holds of a load; `open_blocks` is still the mask."""
    day = now.astimezone(ZoneInfo(zone)).date()
    today = calls.today if calls.day == day else 0
    rested_min = (now - calls.ended_at).total_seconds() / 60 if calls.ended_at else load.min_between_sheds_min
    running_min = (now - calls.running_since).total_seconds() / 60 if calls.running_since else 0.0
    return {
        "calls_left": float(max(load.max_calls_per_day - today, 0)),
        "rest_min": max(load.min_between_sheds_min - rested_min, 0.0),
        "open_blocks": float(calls.open_blocks),
        "running_min": running_min,
        "closed_blocks": 0.0 if calls.running_since else float(calls.reclosed),
        "locked_min": locked_min(calls, now),
    }


def locked_min(calls: Calls, now: datetime) -> float:
    """Return the plant minutes for which a load that was cut too often is left alone."""
    if (
        len(calls.cuts) < LOCK_AFTER
        or (calls.cuts[-1] - calls.cuts[0]).total_seconds() > 60 * LOCK_WINDOW_MIN
    ):
        return 0.0
    return max(LOCK_MIN - (now - calls.cuts[-1]).total_seconds() / 60, 0.0)
