"""How far wind, PV and load were from what plans expected of them."""

import math
from collections.abc import Iterable

import numpy as np

from vpp.park.model import Park
from vpp.reports.day_flows import QUARTER_S, Flows
from vpp.reports.day_meter import DayMeter
from vpp.reports.day_types import ForecastError
from vpp.types import Array


def forecast_errors(park: Park, meter: DayMeter, metered: Flows, planned: Flows) -> Iterable[ForecastError]:
    """Yield the errors of wind, PV and load over the quarter hours that meter and plan both know fully, MW.

    `bias_mw` and `mae_mw` are of the plans in force, `first_mae_mw` of the earliest plan of a quarter hour.
    """
    both = (metered.seconds >= QUARTER_S - 1) & (planned.seconds >= QUARTER_S - 1)
    kinds = {n: r.kind for n, r in park.resources.items() if r.kind in ("wind", "pv")}
    kinds |= dict.fromkeys(park.loads, "load")
    for kind in ("wind", "pv", "load"):
        names = [n for n, k in kinds.items() if k == kind]
        quantity = "demand" if kind == "load" else "available"
        real, asked = (
            sum((f.of(quantity)[n] for n in names if n in f.of(quantity)), np.zeros(f.bins))[both] * 4
            for f in (metered, planned)
        )
        if not names or not both.any():
            continue
        early = _earliest(meter, names, "load_mw" if kind == "load" else "available_mw")[both]
        wrong = np.abs(early - real)
        yield ForecastError(
            kind=kind,
            mean_mw=float(real.mean()),
            bias_mw=float((asked - real).mean()),
            mae_mw=float(np.abs(asked - real).mean()),
            first_mae_mw=float(np.nanmean(wrong)) if np.isfinite(wrong).any() else math.nan,
        )


def _earliest(meter: DayMeter, names: list[str], column: str) -> Array:
    """Return by quarter hour the sum that the earliest plan of the journal expected; nan where none did."""
    out = np.full(meter.bins, np.nan)
    for plan in sorted(meter.plans.values(), key=lambda p: p.made_at, reverse=True):
        if plan.step_min * 60 != QUARTER_S:
            continue
        total = sum(
            (plan.series[n][column] for n in names if column in plan.series.get(n, {})), np.zeros(plan.steps)
        )
        first = int((plan.start - meter.start).total_seconds() // QUARTER_S)
        low, high = max(0, first), min(meter.bins, first + plan.steps)
        if low < high:
            out[low:high] = total[low - first : high - first]
    return out
