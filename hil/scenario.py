"""A scenario file: what happens on a scripted day, in plant minutes after the start."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import TypeAdapter, ValidationError

from vpp.errors import Fault, InvalidInput
from vpp.park import Park, endpoints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Minute = Annotated[float, Ge(0), Le(14 * 1440)]
Minutes = Annotated[float, Gt(0), Le(14 * 1440)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Speed of the run from one moment on."""

    at_min: Minute
    rate: Annotated[float, Gt(0), Le(1000)]
    """Plant seconds per true second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """What lasts for a while."""

    at_min: Minute
    for_min: Minutes

    def holds(self, minute: float) -> bool:
        """Return whether it lasts at a plant minute after the start."""
        return self.at_min <= minute < self.at_min + self.for_min


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


Event = Availability | Silence | Slow | Stuck | Trip | Outage | Order | Shed | Restore
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
    faults: list[Fault] = []
    head = {key: value for key, value in table.items() if key not in ("rate", "event")}
    rates = tuple(r for _, r in _rows(file.name, "rate", table.get("rate", []), lambda _: Rate, faults))
    numbered: tuple[tuple[int, Event], ...] = tuple(
        _rows(file.name, "event", table.get("event", []), _event_type, faults)
    )
    events = tuple(event for _, event in numbered)
    faults += _rate_faults(file.name, rates)
    for number, event in numbered:
        faults += _name_faults(file.name, number, event, park)
    parsed = _row(file.name, "", head, _Head, faults)
    if faults or parsed is None:
        raise InvalidInput(tuple(faults))
    return Scenario(
        name=parsed.name,
        start_local=parsed.start_local,
        duration_min=parsed.duration_min,
        rates=rates,
        events=tuple(sorted(events, key=lambda e: e.at_min)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    name: str
    duration_min: Minutes
    start_local: time | None = None


def _event_type(row: dict[str, Any]) -> type[Event] | None:
    return EVENTS.get(str(row.get("kind")))


def _rows(
    file: str,
    key: str,
    rows: Any,
    choose: Callable[[dict[str, Any]], type[T] | None],
    faults: list[Fault],
) -> Iterator[tuple[int, T]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        faults.append(Fault(file=file, field=key, wrong="no list of tables", expected=f"[[{key}]] tables"))
        return
    for number, row in enumerate(rows, start=1):
        where = f"{key} {number}"
        row_type = choose(row)
        if row_type is None:
            wrong = f"unknown kind {row.get('kind')!r}"
            faults.append(Fault(file=file, field=where, wrong=wrong, expected=f"one of {', '.join(EVENTS)}"))
        elif (value := _row(file, f"{where} ", row, row_type, faults)) is not None:
            yield number, value


def _row(file: str, where: str, row: dict[str, Any], row_type: type[T], faults: list[Fault]) -> T | None:
    known = [f.name for f in fields(row_type)]
    unknown = [key for key in row if key not in known]
    for key in unknown:
        faults.append(
            Fault(file=file, field=where + key, wrong="unknown key", expected=f"one of {', '.join(known)}")
        )
    try:
        value = TypeAdapter(row_type).validate_python({k: v for k, v in row.items() if k in known})
    except ValidationError as error:
        for detail in error.errors():
            field = where + ".".join(str(part) for part in detail["loc"])
            wrong = "missing" if detail["type"] == "missing" else repr(detail["input"])
            expected = detail["msg"].removeprefix("Input should be ").removeprefix("Field ")
            faults.append(Fault(file=file, field=field, wrong=wrong, expected=expected))
        return None
    return None if unknown else value


def _rate_faults(file: str, rates: tuple[Rate, ...]) -> list[Fault]:
    starts = [r.at_min for r in rates]
    if not starts or (starts[0] == 0 and starts == sorted(set(starts))):
        return []
    return [
        Fault(file=file, field="rate at_min", wrong=str(starts), expected="rising minutes, the first one 0")
    ]


def _name_faults(file: str, number: int, event: Event, park: Park) -> list[Fault]:
    weather = [r.id for r in park.resources.values() if r.kind in ("wind", "pv")]
    match event:
        case Availability(resource=name):
            field, allowed = "resource", weather
        case Trip(resource=name):
            field, allowed = "resource", list(park.resources)
        case Outage(branch=name):
            lines, trafos = park.grid.lines, park.grid.trafos
            field, allowed = "branch", [b.name for b in lines] + [b.name for b in trafos]
        case Stuck(actuator=name):
            field, allowed = "actuator", list(park.actuators)
        case Silence(endpoint=name) | Slow(endpoint=name):
            field, allowed = "endpoint", list(endpoints(park))
        case Restore(loads=names):
            bad = [n for n in names if n not in park.loads]
            name, field, allowed = (bad[0] if bad else ""), "loads", ["", *park.loads]
        case _:
            return []
    if name in allowed:
        return []
    expected = f"one of {', '.join(a for a in allowed if a)}"
    return [Fault(file=file, field=f"event {number} {field}", wrong=f"unknown {name!r}", expected=expected)]
