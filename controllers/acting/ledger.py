"""The ledger of interruptible loads: calls, rest times and what is open; it outlives windows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vpp.types import Load


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


Ledger = Mapping[str, Calls]


def opened(calls: Calls, mask: int, cut_mw: float, now: datetime, zone: str) -> Calls:
    """Return the entry after more breakers opened; one call, however many blocks."""
    day = now.astimezone(ZoneInfo(zone)).date()
    today = calls.today if calls.day == day else 0
    return Calls(
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
    }
