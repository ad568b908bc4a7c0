"""What an interruptible load draws, has cut and can still trim: one rule for plant, control and reports.

Breakers take equal parts of the interruptible share. What is trimmed without a breaker takes evenly
from what is still connected, and lies inside the larger of both shares (assumption: the same rectifiers,
drives and furnaces serve both).
"""

from math import exp

from vpp.types import Load, NoticeClass

TRIM_S = 60.0
"""Plant seconds in which a load trims all it may, or takes it back (assumption: rectifiers, drives)."""

PICKUP_SHARE, PICKUP_S = 0.5, 10.0
"""By how much of its part a block draws more right after its breaker closes, and the time constant with which
that passes, plant seconds. Assumption: motors that start and controls that all call at once give half as much
again, and are back in step within half a minute; hours of lost diversity are `rebound_share`."""


def is_trimmable(load: Load) -> bool:
    """Return whether a part of this load may be trimmed without opening a breaker."""
    return load.notice_class is not NoticeClass.NEVER and load.continuous_modulation_share > 0


def connected_share(load: Load, opened: int) -> float:
    """Return the part of the demand, 0 to 1, behind closed breakers while `opened` of them are open."""
    return 1 - load.interruptible_share * opened / load.blocks if load.blocks else 1.0


def demand_mw(load: Load, drawn_mw: float, opened: int, trimmed_mw: float = 0.0) -> float:
    """Return the demand before any cut, MW, from what is drawn; 0 where nothing is connected any more."""
    share = connected_share(load, opened)
    return (max(drawn_mw, 0.0) + trimmed_mw) / share if share > 1e-9 else 0.0


def trim_max_mw(load: Load, whole_mw: float, opened: int) -> float:
    """Return what can be trimmed at most of a demand of `whole_mw`, MW, with `opened` breakers open."""
    share = connected_share(load, opened)
    most = max(load.interruptible_share, load.continuous_modulation_share)
    return whole_mw * max(0.0, min(load.continuous_modulation_share * share, share - 1 + most))


def part_mw(load: Load, whole_mw: float) -> float:
    """Return the demand behind one breaker, MW; 0 where there is none."""
    return whole_mw * load.interruptible_share / load.blocks if load.blocks else 0.0


def pickup_share(load: Load, since_s: float) -> float:
    """Return as a share what a block draws beyond its part `since_s` plant seconds after its breaker closed.

    Cold-load pick-up: a surge that passes within `PICKUP_S`, and `rebound_share` for `restart_min`.
    """
    lasting = load.rebound_share if since_s < 60 * load.restart_min else 0.0
    return lasting + (PICKUP_SHARE * exp(-since_s / PICKUP_S) if since_s < 8 * PICKUP_S else 0.0)
