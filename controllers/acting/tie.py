"""The metered 15-minute mean of the import, its limit and its excursions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import nan

from vpp.types import DispatchOrder

WINDOW_S = 900.0
"""Demand interval of the tie contract (design, section 6): quarter hours of plant time."""
TOLERANCE_MW = 0.5
"""A mean over its limit by less is the meter's noise; assumption."""
SLACK_MW = 1.0
"""Of it, the mean can at the worst be 1 / e = 0.37 MW over its limit on the way; assumption."""
LEAST_LEFT_S = 60.0
"""A quarter hour's last minute is not asked to make up more than a minute can; assumption."""
LEAST_REACH_MW, REACH_SHARE = 5.0, 0.1
"""How far from its limit the tie may be to make a mean: the larger of both; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the tie may carry at this moment, both >= its limit less the reach."""

    import_mw: float
    export_mw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TieWindow:
    """The running quarter hour of the tie meter."""

    start: datetime
    mwh: float = 0.0
    """Metered import minus export so far."""
    covered_s: float = 0.0
    """Plant seconds of the quarter hour with a reading."""
    month_peak_mw: float
    excursions: int = 0
    """Quarter hours whose mean was over the limit that held at their end."""
    instants: int = 0
    """Cycles whose instantaneous import was over the limit."""
    last_mean_mw: float = nan
    """Mean of the last finished quarter hour."""

    @property
    def mean_mw(self) -> float:
        """Mean import so far; nan before the first reading."""
        return self.mwh * 3600 / self.covered_s if self.covered_s else nan

    def over_mwh(self, limit_mw: float) -> float:
        """Return the energy so far above that of an import at `limit_mw`; negative is room."""
        return self.mwh - limit_mw * self.covered_s / 3600


def quarter(at: datetime) -> datetime:
    """Return the start of the quarter hour of `at`; zones in use differ by whole quarters."""
    return at - timedelta(seconds=at.timestamp() % WINDOW_S)


def advance(
    window: TieWindow, at: datetime, import_mw: float | None, dt_s: float, limit_mw: float
) -> TieWindow:
    """Add the `dt_s` plant seconds up to `at` at a metered import; None where there was no reading.

    A mean counts as finished, and towards the month's peak, where half of its time was metered.
    """
    if import_mw is not None:
        inside = min(dt_s, WINDOW_S)
        window = replace(
            window,
            mwh=window.mwh + import_mw * inside / 3600,
            covered_s=window.covered_s + inside,
            instants=window.instants + (import_mw > limit_mw + TOLERANCE_MW),
        )
    if quarter(at) <= window.start:
        return window
    mean = window.mean_mw
    whole = window.covered_s >= WINDOW_S / 2
    return TieWindow(
        start=quarter(at),
        month_peak_mw=max(window.month_peak_mw, mean) if whole else window.month_peak_mw,
        excursions=window.excursions + (whole and mean > limit_mw + TOLERANCE_MW),
        instants=window.instants,
        last_mean_mw=mean if whole else nan,
    )


def allowed_now_mw(window: TieWindow, at: datetime, import_max_mw: float, export_max_mw: float) -> Allowed:
    """Return what the tie may carry now so that the quarter hour's mean ends within both limits.

    What the quarter hour has been below a limit so far may be used up above it, and the other way
    round, spread over the time left. `SLACK_MW` on top lets noise around a plan that lies on a limit
    pass both ways: less and less of it as the quarter hour ends, so that its mean ends at the limit.
    Never further from the limit than `_reach_mw`: branches have rows of their own, and the rest of an
    excursion is reported rather than chased.
    """
    left_s = max(WINDOW_S - (at - window.start).total_seconds(), LEAST_LEFT_S)

    def now_mw(carried_mwh: float, limit_mw: float) -> float:
        over_mwh = carried_mwh - limit_mw * window.covered_s / 3600
        reach_mw = _reach_mw(limit_mw)
        return limit_mw + min(max(SLACK_MW - over_mwh * 3600 / left_s, -reach_mw), reach_mw)

    return Allowed(import_mw=now_mw(window.mwh, import_max_mw), export_mw=now_mw(-window.mwh, export_max_mw))


def _reach_mw(limit_mw: float) -> float:
    return max(LEAST_REACH_MW, REACH_SHARE * abs(limit_mw))


def limits(
    orders: Sequence[DispatchOrder], at: datetime, import_max_mw: float, export_max_mw: float
) -> tuple[float, float]:
    """Return (import, export) limits at `at`: the contract's, narrowed by the orders that run."""
    running = [order for order in orders if order.start <= at < order.end]
    imports = [o.import_max_mw for o in running if o.import_max_mw is not None]
    exports = [o.export_max_mw for o in running if o.export_max_mw is not None]
    return min([import_max_mw, *imports]), min([export_max_mw, *exports])
