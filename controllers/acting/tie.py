"""The metered 15-minute mean of the import, its limit and its excursions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import nan

from vpp.types import DispatchOrder, Reading

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
AIM_SHARE = 0.001
"""Share of the import contract by which control ends a quarter hour inside its limits: half of the margin
that plans keep, for what the last cycles before its end cannot make up for any more; assumption."""
SURPRISE_SHARE = 0.1
"""Share of the import contract by which the tie may miss its aim in the last cycle, which nothing makes up
for: what counts for cycles of many plant seconds. Seen on the Chifeng park at rate 60: quarter hours that
ended 3.4 MW beyond their aim, 51 MW of 600 for a cycle; assumption."""


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
    import_mwh: float = 0.0
    """What the import limits of the metered time allowed: a limit counts from when it came, and room that
    was left before a tighter one is lost."""
    export_mwh: float = 0.0
    """The same of the export limits."""
    limits_mw: tuple[float, float] | None = None
    """The limits (import, export) that held last."""
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

    @property
    def limit_mw(self) -> float:
        """Mean of the import limits so far; nan before the first reading."""
        return self.import_mwh * 3600 / self.covered_s if self.covered_s else nan

    @property
    def over_mwh(self) -> float:
        """Energy so far above what the import limits allowed; negative is room."""
        return self.mwh - self.import_mwh


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the tie meter's energy counters showed at its last answer, and what was guessed since."""

    read_at: datetime | None
    imported_mwh: float
    exported_mwh: float
    guessed_mwh: float = 0.0


def metered_mwh(
    last: Counters | None, reading: Reading, import_mw: float, dt_s: float
) -> tuple[float, Counters | None]:
    """Return the import minus export of the last `dt_s` plant seconds, and the counters to go on with.

    By the counters that the contract is billed by; power times time where there are none, where they
    went back (a meter that was replaced), and until the meter answers again.
    """
    guess, values = import_mw * dt_s / 3600, reading.values
    if "energy_in_mwh" not in values or "energy_out_mwh" not in values:
        return guess, None
    now = Counters(
        read_at=reading.read_at,
        imported_mwh=values["energy_in_mwh"],
        exported_mwh=values["energy_out_mwh"],
    )
    if last is None or now.imported_mwh < last.imported_mwh or now.exported_mwh < last.exported_mwh:
        return guess, now
    if now.read_at == last.read_at:
        return guess, replace(last, guessed_mwh=last.guessed_mwh + guess)
    moved = now.imported_mwh - last.imported_mwh - (now.exported_mwh - last.exported_mwh)
    return moved - last.guessed_mwh, now


def quarter(at: datetime) -> datetime:
    """Return the start of the quarter hour of `at`; zones in use differ by whole quarters."""
    return at - timedelta(seconds=at.timestamp() % WINDOW_S)


def advance(
    window: TieWindow,
    at: datetime,
    import_mw: float | None,
    dt_s: float,
    limits_mw: tuple[float, float],
    *,
    moved_mwh: float | None = None,
) -> TieWindow:
    """Add the `dt_s` plant seconds up to `at` at a metered import; None where there was no reading.

    `limits_mw` (import, export) held in that time, `moved_mwh` is what the counters say of it. What lies
    on both sides of a quarter hour's end is shared by time. A mean counts as finished, and towards the
    month's peak, where half of its time was metered.
    """
    late_s, window = 0.0, _tightened(window, at, limits_mw)
    if import_mw is not None and dt_s > 0:
        mean_mw = import_mw if moved_mwh is None else moved_mwh * 3600 / dt_s
        inside_s = min(dt_s, WINDOW_S)
        late_s = min((at - quarter(at)).total_seconds(), inside_s) if quarter(at) > window.start else 0.0
        instants = window.instants + (import_mw > limits_mw[0] + TOLERANCE_MW)
        window = replace(_added(window, mean_mw, inside_s - late_s, limits_mw), instants=instants)
    if quarter(at) <= window.start:
        return window
    mean, limit_mw = window.mean_mw, window.limit_mw
    whole = window.covered_s >= WINDOW_S / 2
    following = TieWindow(
        start=quarter(at),
        month_peak_mw=max(window.month_peak_mw, mean) if whole else window.month_peak_mw,
        excursions=window.excursions + (whole and mean > limit_mw + TOLERANCE_MW),
        instants=window.instants,
        last_mean_mw=mean if whole else nan,
    )
    return _added(following, mean_mw, late_s, limits_mw) if late_s else following


def _added(window: TieWindow, mean_mw: float, seconds: float, limits_mw: tuple[float, float]) -> TieWindow:
    return replace(
        window,
        mwh=window.mwh + mean_mw * seconds / 3600,
        import_mwh=window.import_mwh + limits_mw[0] * seconds / 3600,
        export_mwh=window.export_mwh + limits_mw[1] * seconds / 3600,
        limits_mw=limits_mw,
        covered_s=window.covered_s + seconds,
    )


def _tightened(window: TieWindow, at: datetime, limits_mw: tuple[float, float]) -> TieWindow:
    """Return the window without the room, the slack's included, that a wider limit left before `at`."""
    if window.limits_mw is None:
        return window
    slack_mwh = SLACK_MW * max(WINDOW_S - (at - window.start).total_seconds(), 0.0) / 3600
    import_mwh, export_mwh = window.import_mwh, window.export_mwh
    if limits_mw[0] < window.limits_mw[0]:
        import_mwh = min(import_mwh, window.mwh) - slack_mwh
    if limits_mw[1] < window.limits_mw[1]:
        export_mwh = min(export_mwh, -window.mwh) - slack_mwh
    return replace(window, import_mwh=import_mwh, export_mwh=export_mwh)


def allowed_now_mw(
    window: TieWindow, at: datetime, import_max_mw: float, export_max_mw: float, aim_mw: float = 0.0
) -> Allowed:
    """Return what the tie may carry now so that the quarter hour's mean ends within both limits.

    What the quarter hour has been below a limit so far may be used up above it, and the other way
    round, spread over the time left. `SLACK_MW` on top lets noise around a plan that lies on a limit
    pass both ways: less and less of it as the quarter hour ends, so that its mean ends at the limit.
    The means end `aim_mw` inside. Never further from the limit than `_reach_mw`: branches have rows of
    their own, and the rest of an excursion is reported rather than chased.
    """
    aim_mwh = aim_mw * window.covered_s / 3600
    left_s = max(WINDOW_S - (at - window.start).total_seconds(), LEAST_LEFT_S)

    def now_mw(over_mwh: float, limit_mw: float) -> float:
        reach_mw = _reach_mw(limit_mw)
        wanted_mw = SLACK_MW - (over_mwh + aim_mwh) * 3600 / left_s - aim_mw
        return limit_mw + min(max(wanted_mw, -reach_mw), reach_mw)

    return Allowed(
        import_mw=now_mw(window.over_mwh, import_max_mw),
        export_mw=now_mw(-window.mwh - window.export_mwh, export_max_mw),
    )


def aim_mw(import_max_mw: float, dt_s: float) -> float:
    """Return how many MW inside limits a quarter hour should end, with cycles of `dt_s` plant seconds."""
    return import_max_mw * max(AIM_SHARE, SURPRISE_SHARE * min(dt_s / WINDOW_S, 1.0))


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
