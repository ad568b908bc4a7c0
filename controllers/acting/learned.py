"""Limits learned from devices that take a command and do not do it: what they gave is all they are asked for.

A learned limit holds for a while, opens again step by step, and is learned anew where it is still true.
"""

from dataclasses import dataclass
from datetime import datetime
from math import inf

from controllers.acting.conditions import DEVIATION_MW, DEVIATION_SHARE

HOLD_S = 900.0
"""Plant seconds for which a limit holds at first: until the next plan knows it; assumption."""
MOST_S = 4 * 3600.0
"""Learned again and again it holds twice as long each time, up to this."""
OPENING_S = 900.0
"""Plant seconds in which a limit opens by a whole rating after it has held; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a device was found to give, MW, injection positive."""

    low_mw: float
    high_mw: float
    at: datetime
    """Plant time at which it was found."""
    asked_mw: float
    given_mw: float
    """What it was asked for and gave then."""
    hold_s: float = HOLD_S

    def span(self, now: datetime, rating_mw: float) -> tuple[float, float]:
        """Return the limits as they stand at plant time `now`."""
        past_s = (now - self.at).total_seconds() - self.hold_s
        open_mw = max(past_s, 0.0) / OPENING_S * rating_mw
        return self.low_mw - open_mw, self.high_mw + open_mw


def found(
    last: Learned | None, asked_mw: float, given_mw: float, now: datetime, rating_mw: float
) -> Learned | None:
    """Return the limit that a lasting difference between asked and given teaches; None: none."""
    if abs(asked_mw - given_mw) <= max(DEVIATION_MW, DEVIATION_SHARE * rating_mw):
        return last
    low, high = last.span(now, rating_mw) if last is not None else (-inf, inf)
    low, high = (low, given_mw) if asked_mw > given_mw else (given_mw, high)
    hold_s = min(2 * last.hold_s, MOST_S) if last is not None else HOLD_S
    return Learned(
        low_mw=min(low, given_mw),
        high_mw=max(high, given_mw),
        at=now,
        asked_mw=asked_mw,
        given_mw=given_mw,
        hold_s=hold_s,
    )
