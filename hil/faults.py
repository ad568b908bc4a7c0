"""Faults that a device or its connection can show, as events of a scenario: kind -> what it does.

Numbers like D6 are the entries of docs/faults.md. Every fault lasts `for_min` plant minutes and then
is over; several may hold at once.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from hil.spell import Spell

Code = Literal[1, 2, 3, 4, 5, 6, 8, 10, 11]
"""Exception codes of MODBUS Application Protocol V1.1b3, §7."""
How = Literal[
    "tid_0",
    "stale_tid",
    "other_unit",
    "other_function",
    "other_protocol",
    "short",
    "wrong_count",
    "wrong_echo",
    "no_length",
    "cut",
    "twice",
    "byte_by_byte",
]
"""What becomes of an answer on the wire (`hil.garble`)."""
Megawatts = Annotated[float, Ge(-10_000), Le(10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuses(Spell):
    """Answers by an exception code and does nothing (D6, D7)."""

    kind: Literal["refuses"] = "refuses"
    endpoint: str
    code: Code
    on: Literal["read", "write", "both"] = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbles(Spell):
    """Does what it is told and spoils its answer (D8 to D10, N7, N8)."""

    kind: Literal["garbles"] = "garbles"
    endpoint: str
    how: How
    on: Literal["read", "write", "both"] = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded(Spell):
    """Takes no more than so many connections at once (D24); 0: closes each one that comes (D4)."""

    kind: Literal["crowded"] = "crowded"
    endpoint: str
    connections: Annotated[int, Ge(0), Le(32)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen(Spell):
    """Shows what it measured when it began; its heartbeat stands (D13) or runs (D14)."""

    kind: Literal["frozen"] = "frozen"
    endpoint: str
    points: tuple[str, ...] = ()
    """Empty: everything measured."""
    heartbeat: bool = False
    """True: the heartbeat runs on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Void(Spell):
    """Shows the word for 'not implemented', or NaN, where points stand (D15)."""

    kind: Literal["void"] = "void"
    endpoint: str
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaled(Spell):
    """Shows points by a power of ten otherwise (D16): told by their scale point where they have one."""

    kind: Literal["rescaled"] = "rescaled"
    endpoint: str
    points: tuple[str, ...]
    exponent: Annotated[int, Ge(-3), Le(3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverted(Spell):
    """Shows points with the other sign, as after a change of its firmware (D17)."""

    kind: Literal["inverted"] = "inverted"
    endpoint: str
    points: tuple[str, ...] = ("p_mw",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocShown(Spell):
    """Shows another state of charge than it has, from one second to the next (D18)."""

    kind: Literal["soc"] = "soc"
    resource: str
    soc_pct: Annotated[float, Ge(0), Le(100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Local(Spell):
    """Is switched to local control (D19): says so, keeps its power and heeds no command."""

    kind: Literal["local"] = "local"
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Spell):
    """Is away for the spell and comes back without command, epoch and count of its heartbeat (D20)."""

    kind: Literal["restart"] = "restart"
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips(Spell):
    """Takes any command and gives no more than this (D12)."""

    kind: Literal["clips"] = "clips"
    resource: str
    low_mw: Megawatts = -10_000.0
    high_mw: Megawatts = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf(Spell):
    """Acknowledges commands and goes on as before (D11)."""

    kind: Literal["deaf"] = "deaf"
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign(Spell):
    """Another master writes its own setpoint, again and again (D21)."""

    kind: Literal["foreign"] = "foreign"
    resource: str
    p_mw: Megawatts
    every_s: Annotated[float, Gt(0), Le(86_400)] = 10.0
    """Plant seconds between two writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jammed(Spell):
    """Breakers of a load stay where they are, whatever the outputs say (D23)."""

    kind: Literal["jammed"] = "jammed"
    load: str
    blocks: tuple[Annotated[int, Ge(1), Le(16)], ...] = ()
    """Blocks counted from 1; empty: all."""


Fault = (
    Refuses
    | Garbles
    | Crowded
    | Frozen
    | Void
    | Rescaled
    | Inverted
    | SocShown
    | Local
    | Restart
    | Clips
    | Deaf
    | Foreign
    | Jammed
)
FAULTS: dict[str, type[Fault]] = {
    "refuses": Refuses,
    "garbles": Garbles,
    "crowded": Crowded,
    "frozen": Frozen,
    "void": Void,
    "rescaled": Rescaled,
    "inverted": Inverted,
    "soc": SocShown,
    "local": Local,
    "restart": Restart,
    "clips": Clips,
    "deaf": Deaf,
    "foreign": Foreign,
    "jammed": Jammed,
}
"""By the word that stands as `kind` in a scenario file."""
