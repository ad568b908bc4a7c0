"""A scenario file: what happens on a scripted day, in plant minutes after the start."""

import tomllib
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from hil import faults as kinds
from hil.expect import EXPECTS, Expect
from hil.known import name_faults
from hil.line_faults import LINE_FAULTS, LineFault
from hil.spell import Minute, Minutes, Spell
from hil.tables import Named, one, rows
from vpp.errors import Fault, InvalidInput
from vpp.park import Park


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Speed of the run from one moment on."""

    at_min: Minute
    rate: Annotated[float, Gt(0), Le(1000)]
    """Plant seconds per true second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability(Spell):
    """Wind or PV gives more or less than anybody knew: a forecast error."""

    kind: Literal["availability"] = "availability"
    resource: str
    factor: Annotated[float, Ge(0), Le(10)] = 1.0
    delta_mw: Annotated[float, Ge(-10_000), Le(10_000)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Spell):
    """An endpoint stops answering; the device behind it runs on."""

    kind: Literal["silent"] = "silent"
    endpoint: str
    how: Literal["mute", "close"] = "mute"
    """mute: takes requests, answers nothing; close: drops every connection at its first request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Spell):
    """An endpoint answers late."""

    kind: Literal["slow"] = "slow"
    endpoint: str
    latency_s: Annotated[float, Gt(0), Le(60)]
    """True seconds before each answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck(Spell):
    """A bank, tap changer or statcom takes its commands and does not move."""

    kind: Literal["stuck"] = "stuck"
    actuator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip(Spell):
    """A device falls out: 0 MW, status fault, until it is ready again."""

    kind: Literal["trip"] = "trip"
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Spell):
    """The dispatcher narrows the tie; sent to control by the composition root."""

    kind: Literal["order"] = "order"
    import_max_mw: Annotated[float, Ge(0)] | None = None
    export_max_mw: Annotated[float, Ge(0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shed:
    """A shed order; sent to control by the composition root."""

    kind: Literal["shed"] = "shed"
    at_min: Minute
    mw: Annotated[float, Gt(0)]
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Permission to close what was shed; sent to control by the composition root."""

    kind: Literal["restore"] = "restore"
    at_min: Minute
    loads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage(Spell):
    """A line or transformer falls out: its breakers open until it is switched in again."""

    kind: Literal["outage"] = "outage"
    branch: str


Event = (
    Availability | Silence | Slow | Stuck | Trip | Outage | Order | Shed | Restore | kinds.Fault | LineFault
)
EVENTS: dict[str, type[Event]] = {
    "availability": Availability,
    "silent": Silence,
    "slow": Slow,
    "stuck": Stuck,
    "trip": Trip,
    "outage": Outage,
    "order": Order,
    "shed": Shed,
    "restore": Restore,
    **kinds.FAULTS,
    **LINE_FAULTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scripted day."""

    name: str
    start_local: time | None
    """Plant-zone time of day at which it starts; None: whenever the run starts."""
    duration_min: float
    rates: tuple[Rate, ...]
    """Rising; empty: the run's own rate throughout."""
    events: tuple[Event, ...]
    """Rising in `at_min`."""
    expects: tuple[Expect, ...] = ()
    """What must hold, judged by `vpp hil test`; nobody else heeds it."""
    day: date | None = None
    """Plant-zone day on which a test of it starts."""
    cycle_s: int = 1
    """Plant seconds of one control cycle in a test in memory."""

    def segments(self, start: datetime) -> tuple[tuple[datetime, float], ...]:
        """Return the rates as segments of a clock schedule that starts at `start`."""
        return tuple((start + timedelta(minutes=r.at_min), r.rate) for r in self.rates)


QUIET = Scenario(name="quiet", start_local=None, duration_min=1440.0, rates=(), events=())


def read_scenario(path: Path | str, park: Park) -> Scenario:
    """Read a scenario file for `park`; InvalidInput carries every fault of the file."""
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fault = Fault(file=file.name, wrong=f"cannot be read: {error}", expected="a TOML file in UTF-8")
        raise InvalidInput((fault,)) from error
    name, faults = file.name, list[Fault]()
    head = {key: value for key, value in table.items() if key not in ("rate", "event", "expect")}
    rates = tuple(r for _, r in rows(Named(name, "rate", {None: Rate}), table, faults))
    events: tuple[tuple[int, Event], ...] = tuple(rows(Named(name, "event", EVENTS), table, faults))
    expects: tuple[tuple[int, Expect], ...] = tuple(rows(Named(name, "expect", EXPECTS), table, faults))
    faults += _rate_faults(name, rates)
    for key, numbered in (("event", events), ("expect", expects)):
        for number, row in numbered:
            faults += name_faults(name, f"{key} {number}", row, park)
    parsed = one(name, "", head, _Head, faults)
    if faults or parsed is None:
        raise InvalidInput(tuple(faults))
    return Scenario(
        **{field.name: getattr(parsed, field.name) for field in fields(_Head)},
        rates=rates,
        events=tuple(sorted((event for _, event in events), key=lambda e: e.at_min)),
        expects=tuple(expect for _, expect in expects),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    name: str
    duration_min: Minutes
    start_local: time | None = None
    day: date | None = None
    cycle_s: Annotated[int, Ge(1), Le(60)] = 1


def _rate_faults(file: str, rates: tuple[Rate, ...]) -> list[Fault]:
    starts = [r.at_min for r in rates]
    if not starts or (starts[0] == 0 and starts == sorted(set(starts))):
        return []
    return [
        Fault(file=file, field="rate at_min", wrong=str(starts), expected="rising minutes, the first one 0")
    ]
