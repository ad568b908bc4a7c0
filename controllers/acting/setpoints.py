"""From a chosen value to a command: whose bound holds, how long it is trusted, what follows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpp.clock import Clock
from vpp.types import Setpoint, Source

ORDER: tuple[Source, ...] = (
    Source.PROTECTION,
    Source.ORDER,
    Source.OPERATOR,
    Source.DEMAND_RESPONSE,
    Source.PLAN,
)
"""Earlier ones narrow what later ones may do (design, section 6)."""
STAGGER_S = 1.0
"""Plant seconds between the reversions of two devices that heard the same last command; assumption."""
MIN_CYCLES = 5
"""Time-to-live and reversion delay are at least so many control cycles (design, section 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one source allows a device, MW, injection positive."""

    source: Source
    low_mw: float
    high_mw: float
    why: str
    """In words, for the log of a clipped command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """The range that all sources leave, and the bounds that made it."""

    low_mw: float
    high_mw: float
    low_why: str
    high_why: str


def narrow(bounds: Sequence[Bound]) -> Narrowed:
    """Intersect bounds in the order of their sources.

    Where a later bound leaves nothing, the earlier range stays and shrinks to its edge nearest to
    the later bound: protection is never widened by a plan. With no bound at all, the range is 0.
    """
    result: Narrowed | None = None
    for bound in sorted(bounds, key=lambda b: ORDER.index(b.source)):
        if result is None:
            result = Narrowed(
                low_mw=bound.low_mw, high_mw=bound.high_mw, low_why=bound.why, high_why=bound.why
            )
            continue
        low = min(max(result.low_mw, bound.low_mw), result.high_mw)
        high = max(min(result.high_mw, bound.high_mw), result.low_mw)
        result = Narrowed(
            low_mw=low,
            high_mw=max(high, low),
            low_why=bound.why if low > result.low_mw else result.low_why,
            high_why=bound.why if high < result.high_mw else result.high_why,
        )
    return result or Narrowed(low_mw=0.0, high_mw=0.0, low_why="no bound given", high_why="no bound given")


def trusted_s(setting_s: float, clock: Clock, cycle_s: float) -> float:
    """Return plant seconds: the setting, but at least the next five control cycles."""
    return max(setting_s, ahead_s(clock, cycle_s))


def ahead_s(clock: Clock, cycle_s: float) -> float:
    """Return the plant seconds of the next five control cycles: no time-out is shorter.

    Five cycles ahead, not at the rate of now: a command must outlive a change of the rate.
    """
    return float(round((clock.plant_after(MIN_CYCLES * cycle_s) - clock.plant_now()).total_seconds()))


def turns(kinds: Mapping[str, str]) -> dict[str, int]:
    """Return in which turn each device reverts: batteries first, then in the order of the park.

    `kinds` is by device.
    """
    names = sorted(kinds, key=lambda name: kinds[name] != "bess")
    return {name: turn for turn, name in enumerate(names)}


def next_sequence(last: Mapping[str, Setpoint], device: str) -> int:
    """Return the sequence number of the next write to a device: one more than its last."""
    return last[device].sequence + 1 if device in last else 1
