"""The time axis of a planning problem: history slots, then the window, past slots frozen.

A problem is compiled once for a number of slots. While time moves through the window, slots that
have passed get length 0 instead of leaving, so that no coefficient changes its place and the solver's
basis stays aligned in time. Slots behind the window's end have length 0 as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from vpp.clock import UTC
from vpp.devices import Caes, caes
from vpp.park.model import Park
from vpp.types import Array, DispatchOrder, Pin, Plan, PlantState

MIN_FIRST_STEP_S = 60.0
"""A running step with less left than this is over: the plan starts with the next (assumption)."""
DAYS = 4
"""Local days that a window can touch: 192 steps of 15 min from any hour, and one in reserve."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Size of a compiled problem."""

    history: int
    """Leading slots that always lie before the plan, at least one."""
    steps: int
    """Slots behind them: the longest window."""
    step_min: int

    @property
    def n(self) -> int:
        """Number of slots."""
        return self.history + self.steps

    @property
    def step_h(self) -> float:
        """Length of a whole step in hours."""
        return self.step_min / 60

    def steps_of(self, minutes: float) -> int:
        """Return the fewest steps that last so many minutes."""
        return math.ceil(minutes / self.step_min - 1e-9)


def axis(park: Park, steps: int) -> Axis:
    """Return the axis for windows of up to `steps` steps of a park."""
    minutes = [
        float(park.horizon.step_min),
        *(load.restart_min for load in park.loads.values() if load.rebound_share > 0),
    ]
    for device in park.devices.values():
        if isinstance(device, Caes):
            params = device.params
            minutes += [params.turbine.min_up_time_min, params.compressor.min_up_time_min]
            for machine in ("turbine", "compressor"):
                off = caes.min_off_steps(device, machine, park.horizon.step_min)
                minutes.append(off * park.horizon.step_min)
            minutes += [params.mode_change_min_idle_s / 60]
    history = max(math.ceil(m / park.horizon.step_min) for m in minutes)
    return Axis(history=history, steps=steps, step_min=park.horizon.step_min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where a plan lies on the axis; arrays have shape (n,)."""

    axis: Axis
    first: int
    """Slot of the plan's first step."""
    end: int
    """Slot behind the plan's last step."""
    start: datetime
    """Start of the first step."""
    at: datetime
    """Moment of the initial state; later than `start` when the plan starts inside a step."""
    dt_h: Array
    """Hours that the plan owns of each slot: what is left of the first, 0 outside the plan."""
    days: Array
    """(DAYS, n): 1 where an active slot lies in the k-th local day that the window touches."""

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """(n,): True for the slots of the plan."""
        slot = np.arange(self.axis.n)
        return (slot >= self.first) & (slot < self.end)

    @property
    def span(self) -> slice:
        """Slots of the plan."""
        return slice(self.first, self.end)

    def spread(self, values: Array) -> Array:
        """Return (n,) with the plan's steps filled and 0 elsewhere."""
        out = np.zeros(self.axis.n)
        out[self.span] = values
        return out

    def slot_start(self, slot: int) -> datetime:
        """Return the start of a slot."""
        return self.start + timedelta(minutes=self.axis.step_min * (slot - self.first))


def first_step(at: datetime, step_min: int) -> datetime:
    """Return the start of the step in which a plan made at `at` begins."""
    step = step_min * 60
    into = at.timestamp() % step
    start = at - timedelta(seconds=into)
    return start if step - into >= MIN_FIRST_STEP_S else start + timedelta(seconds=step)


def day_steps(park: Park, day: date) -> int:
    """Return the steps of a local day's plan: one of 23 or 25 hours has so many fewer or more.

    The park's number of steps is that of 24 hours, from midnight on by the clock on the wall.
    """
    step = timedelta(minutes=park.horizon.step_min)
    # with a zone, a sum is one of the wall's clock
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(park.site.zone))
    end = midnight + park.horizon.day_ahead_steps * step
    return round((end.astimezone(UTC) - midnight.astimezone(UTC)) / step)


def window(axis: Axis, first: int, steps: int, at: datetime, zone: str) -> Window:
    """Return the window of `steps` steps whose first lies at slot `first`."""
    start = first_step(at, axis.step_min)
    dt = np.zeros(axis.n)
    dt[first : first + steps] = axis.step_h
    late_h = max(0.0, (at - start).total_seconds() / 3600)
    dt[first] -= late_h
    local = ZoneInfo(zone)
    days = np.zeros((DAYS, axis.n))
    day0 = start.astimezone(local).date()
    for slot in range(first, first + steps):
        moment = start + timedelta(minutes=axis.step_min * (slot - first))
        days[(moment.astimezone(local).date() - day0).days, slot] = 1.0
    return Window(axis=axis, first=first, end=first + steps, start=start, at=at, dt_h=dt, days=days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that changes from one plan to the next; arrays have shape (n,), 0 outside it."""

    park: Park
    window: Window
    state: PlantState
    available_mw: Mapping[str, Array]
    load_mw: Mapping[str, Array]
    price_cny_per_mwh: Array
    next_day_price_cny_per_mwh: Array
    """Any shape: prices of the day behind the window, from which stored energy has its value."""
    import_max_mw: Array
    export_max_mw: Array
    previous: Plan | None
    pins: tuple[Pin, ...] = ()
    """What is to be held fixed; pins outside the window are ignored."""

    def is_available(self, resource: str) -> bool:
        """Return False for a device that does not answer: it is planned as standing at 0 MW."""
        return self.state.resources[resource].get("available", 1.0) > 0.5

    def previous_series(self, owner: str, name: str) -> Array | None:
        """Return a series of the previous plan on this axis, nan where it says nothing."""
        plan = self.previous
        if plan is None or name not in plan.series.get(owner, {}):
            return None
        offset = round((plan.start - self.window.start).total_seconds() / 60 / self.window.axis.step_min)
        out = np.full(self.window.axis.n, np.nan)
        for k, value in enumerate(plan.series[owner][name]):
            slot = self.window.first + offset + k
            if 0 <= slot < self.window.axis.n:
                out[slot] = value
        return out


@dataclass(frozen=True, slots=True)
class Frame:
    """Parameters that all blocks and limits share."""

    axis: Axis
    dt_h: cp.Parameter
    """(n,): length of each slot in hours."""
    days: cp.Parameter
    """(DAYS, n): see `Window.days`."""
    active: cp.Parameter
    """(n,): 1 for the slots of the plan."""
    beyond: cp.Parameter
    """(n,): 1 for the slots behind the plan's end."""

    def set(self, window: "Window") -> None:
        """Take over a window."""
        self.dt_h.value, self.days.value = window.dt_h, window.days
        self.active.value = window.active.astype(float)
        self.beyond.value = (np.arange(self.axis.n) >= window.end).astype(float)


def frame(axis: Axis) -> Frame:
    """Return fresh shared parameters."""
    dt_h, active, beyond = (cp.Parameter(axis.n, name=x) for x in ("dt_h", "active", "beyond"))
    return Frame(axis, dt_h, cp.Parameter((DAYS, axis.n), name="days"), active, beyond)


def orders_on(
    starts: Sequence[datetime], step_min: int, orders: Sequence[DispatchOrder], contract: float, field: str
) -> Array:
    """Return the tightest of a contract limit and the orders' for each step that an order touches."""
    out = np.full(len(starts), contract)
    for order in orders:
        limit = getattr(order, field)
        if limit is None:
            continue
        for k, start in enumerate(starts):
            if start < order.end and start + timedelta(minutes=step_min) > order.start:
                out[k] = min(out[k], limit)
    return out
