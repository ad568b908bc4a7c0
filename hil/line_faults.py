"""Faults of the lines between control and the plant's servers, as events of a scenario.

Each names every endpoint behind the line: one device, or all of a site or gateway. Spells are plant
minutes, what happens within them true seconds. `hil.lines` lays the lines; a run in memory has none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from hil.line import GOOD, Line, Way
from hil.spell import Minute, Spell

Ways = Literal["both", "asks", "answers"]
"""Which way is hit: `asks` carries requests, `answers` what comes back."""
Names = Annotated[tuple[str, ...], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Spell):
    """All comes late (N2)."""

    kind: Literal["delay"] = "delay"
    endpoints: Names
    delay_s: Annotated[float, Gt(0), Le(60)]
    jitter_s: Annotated[float, Ge(0), Le(60)] = 0.0
    """The delay is uniform between minus and plus this around its mean."""
    way: Ways = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Spell):
    """A share of all segments is lost and sent again by TCP (N1)."""

    kind: Literal["loss"] = "loss"
    endpoints: Names
    share: Annotated[float, Gt(0), Le(0.9)]
    way: Ways = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices(Spell):
    """Frames arrive in pieces of a few bytes (N7)."""

    kind: Literal["slices"] = "slices"
    endpoints: Names
    bytes: Annotated[int, Ge(1), Le(4096)]
    gap_s: Annotated[float, Ge(0), Le(10)] = 0.0
    """Between two pieces."""
    way: Ways = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubles(Spell):
    """A share of all frames arrives twice (N8); not on a line with TLS, which hides its frames."""

    kind: Literal["doubles"] = "doubles"
    endpoints: Names
    share: Annotated[float, Gt(0), Le(1)]
    way: Ways = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen(Spell):
    """Connections stand and nothing passes, one way (N4) or both (N3, N5); nobody is told."""

    kind: Literal["half_open"] = "half_open"
    endpoints: Names
    way: Ways = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Spell):
    """Connections are reset, and new ones refused (D2)."""

    kind: Literal["cut"] = "cut"
    endpoints: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Connections are reset once, new ones are taken at once (N6)."""

    kind: Literal["reset"] = "reset"
    at_min: Minute
    endpoints: Names


LineFault = Delay | Loss | Slices | Doubles | HalfOpen | Cut | Reset
LINE_FAULTS: dict[str, type[LineFault]] = {
    "delay": Delay,
    "loss": Loss,
    "slices": Slices,
    "doubles": Doubles,
    "half_open": HalfOpen,
    "cut": Cut,
    "reset": Reset,
}
"""By the word that stands as `kind` in a scenario file."""


def line_at(events: Iterable[LineFault], minute: float) -> Line:
    """Return what a line is like at a plant minute; of two events of one kind the later one counts."""
    line = GOOD
    for event in events:
        if isinstance(event, Spell) and event.holds(minute):
            line = _worse(line, event)
    return line


def _worse(line: Line, event: LineFault) -> Line:
    match event:
        case Delay(delay_s=delay_s, jitter_s=jitter_s):
            return _changed(line, event.way, lambda way: replace(way, delay_s=delay_s, jitter_s=jitter_s))
        case Loss(share=share):
            return _changed(line, event.way, lambda way: replace(way, loss=share))
        case Slices(bytes=size, gap_s=gap_s):
            return _changed(line, event.way, lambda way: replace(way, slice_bytes=size, slice_gap_s=gap_s))
        case Doubles(share=share):
            return _changed(line, event.way, lambda way: replace(way, doubled=share))
        case HalfOpen():
            return _changed(line, event.way, lambda way: replace(way, dead=True))
        case Cut():
            return replace(line, refuses=True)
        case Reset():
            return line


def _changed(line: Line, ways: Ways, change: Callable[[Way], Way]) -> Line:
    asks = line.asks if ways == "answers" else change(line.asks)
    answers = line.answers if ways == "asks" else change(line.answers)
    return replace(line, asks=asks, answers=answers)
