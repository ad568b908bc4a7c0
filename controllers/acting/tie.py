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


def allowed_now_mw(window: TieWindow, at: datetime, limit_mw: float) -> float:
    """Return the import that keeps the quarter hour's mean at its limit from now on.

    Never above the limit itself, so that branch ratings are not tried out, and at most a tenth of
    it (at least 5 MW) below: the rest of an excursion is reported rather than chased; assumption.
    """
    left_s = max(WINDOW_S - (at - window.start).total_seconds(), 60.0)
    over_mwh = window.mwh - limit_mw * window.covered_s / 3600
    return limit_mw - min(max(over_mwh * 3600 / left_s, 0.0), max(5.0, 0.1 * abs(limit_mw)))


def limits(
    orders: Sequence[DispatchOrder], at: datetime, import_max_mw: float, export_max_mw: float
) -> tuple[float, float]:
    """Return (import, export) limits at `at`: the contract's, narrowed by the orders that run."""
    running = [order for order in orders if order.start <= at < order.end]
    imports = [o.import_max_mw for o in running if o.import_max_mw is not None]
    exports = [o.export_max_mw for o in running if o.export_max_mw is not None]
    return min([import_max_mw, *imports]), min([export_max_mw, *exports])
