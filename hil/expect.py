"""What must hold in a scenario, as data; `hil.verdict` judges it by what was seen.

Minutes count from the scenario's start. An alarm is named by its id, `silent:CAES1`, or by
the kind that ids begin with, `silent:`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from hil.spell import Minute, Spell

Seconds = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alarm comes at `at_min` or later, within so many plant seconds."""

    kind: Literal["alarm"] = "alarm"
    alarm: str
    at_min: Minute
    within_s: Seconds
    text: str = ""
    """Must stand in its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """An alarm that stood at `at_min` is gone within so many plant seconds, and does not come again."""

    kind: Literal["cleared"] = "cleared"
    alarm: str
    at_min: Minute
    within_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet(Spell):
    """No such alarm stands in the spell; empty: none at all above information."""

    kind: Literal["quiet"] = "quiet"
    alarm: str = ""
    but: tuple[str, ...] = ()
    """Alarms that may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TieWithin(Spell):
    """Every quarter hour that ends in the spell keeps its import limit, by the tie's counters."""

    kind: Literal["tie"] = "tie"
    over_mw: Annotated[float, Ge(0)] = 0.5
    """Excess of a mean that is still let pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered(Spell):
    """A device, load or meter is metered between two values throughout the spell."""

    kind: Literal["metered"] = "metered"
    endpoint: str
    low_mw: float = -10_000.0
    high_mw: float = 10_000.0
    share: Annotated[float, Gt(0)] = 1.0
    """Least share of the cycles in which it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded(Spell):
    """The setpoint that control last sent lies between two values throughout the spell."""

    kind: Literal["commanded"] = "commanded"
    resource: str
    low_mw: float = -10_000.0
    high_mw: float = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWritten(Spell):
    """Nobody is sent a setpoint to this device in the spell, by the devices' own log."""

    kind: Literal["not_written"] = "not_written"
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad(Spell):
    """Control trusts no reading of an endpoint, from `within_s` after the beginning of the spell."""

    kind: Literal["bad"] = "bad"
    endpoint: str
    within_s: Annotated[float, Ge(0)] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Good(Spell):
    """Control trusts an endpoint's readings, from `within_s` after the beginning of the spell."""

    kind: Literal["good"] = "good"
    endpoint: str
    within_s: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Spell):
    """Control shows no value of a point outside these two, in good and stale readings."""

    kind: Literal["shown"] = "shown"
    endpoint: str
    points: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid(Spell):
    """Each device has, at every second, a command it trusts or has reverted, by the devices' own log."""

    kind: Literal["valid"] = "valid"
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The shed ordered at `at_min` is met by metered MW, within so many true milliseconds."""

    kind: Literal["shed"] = "shed"
    at_min: Minute
    within_ms: Seconds = 1000.0
    over_mw: Annotated[float, Ge(0)] = 10_000.0
    """Greatest over-cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was ordered at `at_min` is accepted, or refused."""

    kind: Literal["answered"] = "answered"
    at_min: Minute
    accepted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """No more ticks of control are missed in the whole run."""

    kind: Literal["ticks"] = "ticks"
    missed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows(Spell):
    """Control follows a plan throughout the spell, or none."""

    kind: Literal["follows"] = "follows"
    what: Literal["plan", "hold"] = "plan"


Expect = (
    Raised
    | Cleared
    | Quiet
    | TieWithin
    | Metered
    | Commanded
    | NotWritten
    | Bad
    | Good
    | Shown
    | Valid
    | Proven
    | Answered
    | Ticks
    | Follows
)
EXPECTS: dict[str, type[Expect]] = {
    "alarm": Raised,
    "cleared": Cleared,
    "quiet": Quiet,
    "tie": TieWithin,
    "metered": Metered,
    "commanded": Commanded,
    "not_written": NotWritten,
    "bad": Bad,
    "good": Good,
    "shown": Shown,
    "valid": Valid,
    "shed": Proven,
    "answered": Answered,
    "ticks": Ticks,
    "follows": Follows,
}
"""By the word that stands as `kind` in a scenario file."""
