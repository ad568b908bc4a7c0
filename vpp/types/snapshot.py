"""The process image: everything control knows in one cycle, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from vpp.types.command import DispatchOrder, Mode, Setpoint
from vpp.types.link import Link


class Quality(StrEnum):
    """What a value is worth."""

    GOOD = "good"
    STALE = "stale"
    BAD = "bad"
    SUBSTITUTED = "substituted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The last answer of one endpoint."""

    values: Mapping[str, float]
    """By point name, inside units and sign; empty when nothing was ever read."""
    quality: Quality
    read_at: datetime | None
    """Plant time of the answer; None when nothing was ever read."""
    age_s: float
    """Plant seconds since then; inf when nothing was ever read."""


class Severity(StrEnum):
    """OperatorFabric's order, worst first."""

    ALARM = "alarm"
    ACTION = "action"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A condition that a dispatcher must know of, while it lasts."""

    id: str
    """Cause and place, e.g. `silent:CAES1`; one alarm per id."""
    severity: Severity
    source: str
    text: str
    since: datetime


class ParkMode(StrEnum):
    """State of the whole park."""

    CONNECTED = "connected"
    ISLANDED = "islanded"
    RESTORING = "restoring"


class Following(StrEnum):
    """What control follows, best first."""

    PLAN = "plan"
    HOLD = "hold"
    """The plan's time-to-live ended or none ever came: hold inside the envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One frozen cycle of control; sent to planner, service and journal."""

    cycle: int
    at: datetime
    """Plant time of the cycle."""
    true_s: float
    rate: float
    """Plant seconds per true second."""
    epoch: int
    readings: Mapping[str, Reading]
    """By id of device, load, meter and actuator."""
    setpoints: Mapping[str, Setpoint]
    """Last command sent to each device."""
    modes: Mapping[str, Mode]
    park_mode: ParkMode
    following: Following
    plan_id: str | None
    plan_made_at: datetime | None
    next_replan_at: datetime | None
    tie_mean_mw: float
    """Metered mean import of the running 15 minutes so far; nan before the first reading."""
    tie_limit_mw: float
    """Import limit in force: contract narrowed by orders."""
    orders: tuple[DispatchOrder, ...]
    """Accepted and not yet ended."""
    open_blocks: Mapping[str, int]
    """By load id, bit mask of breakers that control has opened."""
    calls: Mapping[str, Mapping[str, float]]
    """Interruptible loads' ledger as in `PlantState.calls`."""
    starts: Mapping[str, Mapping[str, float]]
    """By CAES id the starts of today: `turbine`, `compressor`."""
    month_peak_mw: float
    alarms: tuple[Alarm, ...]
    missed_ticks: int
    dropped_plans: int
    positions: Mapping[str, float] = field(default_factory=dict)
    """By actuator where control last told it to be: steps, taps, or Mvar of a statcom."""
    moved: Mapping[str, float] = field(default_factory=dict)
    """By bank and tap changer its switchings and steps of today, as read back."""
    trims: Mapping[str, float] = field(default_factory=dict)
    """By load the MW that control last told it to take less, without a breaker."""
    derated: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By device that does not give what its name plate says the least and most MW it is believed to give:
    learned, or where it stands under local control or another master."""
    mode_ends: Mapping[str, datetime] = field(default_factory=dict)
    """By device in manual or advisory mode when it is back in auto; without one it stays."""
    links: Mapping[str, Link] = field(default_factory=dict)
    """By id of device, load, meter and actuator the circuit to its endpoint; a load's shed lane is
    `ID/shed`. Empty in memory."""
