"""What people and processes ask of control, and what control answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Mode(StrEnum):
    """Who moves a device."""

    MANUAL = "manual"
    """Control sends nothing; the operator does."""
    ADVISORY = "advisory"
    """Control computes and shows, sends nothing."""
    AUTO = "auto"


class Source(StrEnum):
    """Who asks for a value; earlier ones narrow what later ones may do."""

    PROTECTION = "protection"
    ORDER = "order"
    OPERATOR = "operator"
    DEMAND_RESPONSE = "demand_response"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """One command to one device; absolute values, so a repeat has no second effect."""

    device: str
    p_mw: float
    """Injection positive."""
    q_mvar: float
    h2_kg_per_h: float
    """Delivery of a hydrogen store to its pipeline; 0 for every other device."""
    warm_stacks: float = 0.0
    """Stacks that an electrolyser keeps warm; 0 for every other device."""
    p_min_mw: float
    p_max_mw: float
    """Bounds that held when the value was chosen."""
    epoch: int
    """Grows by one at each start of control."""
    sequence: int
    """Grows by one at each write to this device."""
    issued_at: datetime
    ttl_s: float
    """Plant seconds after which the device no longer trusts the value."""
    reversion_mw: float
    """Value the device goes to when the time-to-live and the reversion delay have passed."""
    reversion_s: float
    """Plant seconds the device holds the last value after the time-to-live, before it reverts."""
    source: Source
    clipped_by: tuple[str, ...] = ()
    """Envelope rules that changed the value, in words; empty where none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One command to a bank, tap changer or statcom; it stays where it was told until the next."""

    device: str
    """Id of the actuator."""
    position: float
    """Steps in, tap position, or Mvar injected by a statcom; absolute, so a repeat has no second effect."""
    epoch: int
    """Grows by one at each start of control."""
    sequence: int
    """Grows by one at each write to this actuator."""
    issued_at: datetime
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """One command to a load: how much less to draw, without opening a breaker; it returns to 0 by itself."""

    device: str
    """Id of the load."""
    trim_mw: float
    """MW to take less, >= 0; absolute, so a repeat has no second effect."""
    epoch: int
    """Grows by one at each start of control."""
    sequence: int
    """Grows by one at each write to this load."""
    issued_at: datetime
    ttl_s: float
    """Plant seconds after which the load no longer trusts the value and takes all again."""
    source: Source
    clipped_by: tuple[str, ...] = ()
    """Envelope rules that changed the value, in words; empty where none did."""


class Outcome(StrEnum):
    """What became of a write; refused, timed out, wrong and faulty are different things."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """The device answered with a Modbus exception."""
    UNKNOWN = "unknown"
    """No answer in time: it may have been executed; read back."""
    WRONG = "wrong"
    """An answer that does not fit the request."""
    DISCONNECTED = "disconnected"
    """Not sent: there is no connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The answer of one device to one write."""

    device: str
    outcome: Outcome
    detail: str
    sent_true_s: float
    done_true_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOrder:
    """An order of the bulk grid's dispatcher on the tie, for a window of plant time."""

    id: str
    import_max_mw: float | None
    export_max_mw: float | None
    start: datetime
    end: datetime
    expires_at: datetime
    """Plant time after which the order must no longer be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedOrder:
    """Cut so many MW of interruptible load now."""

    id: str
    mw: float
    drill: bool
    """Same code with test outputs: nothing is opened."""
    expires_at: datetime
    blocks: Mapping[str, int] = field(default_factory=dict)
    """By load the breakers that somebody selected to open first; empty: control chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOrder:
    """Permission to close the breakers that a shed opened."""

    id: str
    loads: tuple[str, ...]
    """Empty: all."""
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeOrder:
    """Put a device to manual, advisory or auto."""

    id: str
    device: str
    mode: Mode
    expires_at: datetime
    until: datetime | None = None
    """Plant time at which the device is back in auto; None: as long as control gives such a mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadOrder:
    """Read the park folder again: devices added, removed or moved take effect without a restart."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Control's answer to a command or a plan."""

    id: str
    accepted: bool
    reason: str
    """Empty where accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedTarget:
    """One row of the ranked table and what became of it."""

    load: str
    blocks: int
    """Bit mask of the breakers ordered to open."""
    expected_mw: float
    outcome: Outcome | None
    """None: not needed."""
    ack_ms: float | None
    """True milliseconds from the order to the answer."""
    metered_cut_mw: float
    open_ms: float | None = None
    """True milliseconds from the order until its breakers were seen open; None: never, or a drill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedReport:
    """Proof of a shed: ordered against metered MW, and the time of every stage."""

    order_id: str
    at: datetime
    rate: float
    """Plant seconds per true second while it ran."""
    drill: bool
    ordered_mw: float
    armed_mw: float
    """Interruptible now, by live metered load."""
    selected_mw: float
    metered_cut_mw: float
    """When all had settled: breakers open or given up."""
    over_cut_mw: float
    """Metered minus ordered; negative is an under-cut."""
    targets: tuple[ShedTarget, ...]
    decision_ms: float
    first_write_ms: float
    last_ack_ms: float
    metered_ms: float
    """True milliseconds from the order until the metered cut reached the ordered MW; inf: never."""
    ok: bool
    text: str
    breaker_open_ms: float | None = None
    """True milliseconds from the order until the last breaker that opened was seen open; None in a drill."""
    rounds: int = 1
    """Selections: 1, and one more for each time that something failed and was replaced."""
    stuck: tuple[str, ...] = ()
    """Loads that acknowledged and did not take less."""
    lowered_mw: Mapping[str, float] = field(default_factory=dict)
    """By electrolyser and charging CAES plant what its setpoint was lowered by at the order; not counted."""
