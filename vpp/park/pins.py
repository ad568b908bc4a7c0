"""Pins as text, `ELEMENT@HH:MM-HH:MM=VALUE`: read, judged against the park, written again.

VALUE is a power in MW (injection positive), `off`, `charge`, `discharge`, for a load `serve`, or `plan`:
the power that a plan already has. `*` stands for every device of the park, `HH:MM` alone for one step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from vpp.clock import UTC
from vpp.devices import Caes
from vpp.errors import Fault, InvalidInput
from vpp.park.model import Park
from vpp.park.tables import NAME_PATTERN, quoted
from vpp.types import Hold, Pin, Plan

FORM = "ELEMENT@HH:MM-HH:MM=VALUE with MW, off, charge, discharge, serve or plan"
_PIN = re.compile(
    rf"(?P<element>\*|{NAME_PATTERN.pattern})@(?:(?P<day>\d{{4}}-\d\d-\d\d)T)?(?P<start>\d\d:\d\d)"
    r"(?:-(?P<end>\d\d:\d\d))?=(?P<value>[A-Za-z0-9.+-]{1,24})"
)
_ALLOWED: Mapping[str, tuple[Hold, ...]] = {
    "wind": (Hold.POWER, Hold.OFF),
    "pv": (Hold.POWER, Hold.OFF),
    "bess": (Hold.POWER, Hold.OFF, Hold.CHARGE, Hold.DISCHARGE),
    "caes": (Hold.POWER, Hold.OFF, Hold.CHARGE, Hold.DISCHARGE),
    "electrolyzer": (Hold.POWER, Hold.OFF),
    "load": (Hold.SERVE,),
}
"""Kind -> what a pin may ask of it; kinds that are missing follow others and cannot be pinned."""


def read_pins(
    park: Park, texts: Sequence[str], day: date, *, base: Plan | None = None, file: str = "--pin"
) -> tuple[Pin, ...]:
    """Return the pins of a local day; `base` gives the power where VALUE is `plan`.

    InvalidInput with every fault of every text: form, element, window, value, two pins at one time.
    """
    faults: list[Fault] = []
    pins: list[Pin] = []
    for text in texts:
        found = _PIN.fullmatch(text.strip())
        if found is None:
            faults.append(Fault(file=file, wrong=quoted(text), expected=FORM))
            continue
        words: Words = []
        span = _span(park, found, day, words)
        if span is not None:
            pins += _pins(park, found["element"], found["value"], span, base, words=words)
        faults += [Fault(file=file, field=text.strip(), wrong=w, expected=e) for w, e in dict.fromkeys(words)]
    faults += [
        Fault(file=file, field=pin, wrong=w, expected="one pin at a time") for pin, w in _doubled(pins)
    ]
    if faults:
        raise InvalidInput(tuple(faults))
    return tuple(pins)


def written(park: Park, element: str, start: datetime, end: datetime, value: str) -> str:
    """Return the text of a pin with its day; it reads back to the same pin."""
    zone = ZoneInfo(park.site.zone)
    first, last = start.astimezone(zone), end.astimezone(zone)
    closing = "24:00" if last.date() != first.date() else f"{last:%H:%M}"
    return f"{element}@{first:%Y-%m-%dT%H:%M}-{closing}={value}"


Words = list[tuple[str, str]]
"""(what is wrong, what is expected) of one text."""


def _span(park: Park, found: re.Match[str], day: date, words: Words) -> tuple[datetime, datetime] | None:
    """Return start and end of the steps that are held, UTC."""
    try:
        on = day if found["day"] is None else date.fromisoformat(found["day"])
        start = _at(park, on, found["start"])
        step = timedelta(minutes=park.horizon.step_min)
        end = start + step if found["end"] is None else _at(park, on, found["end"])
    except ValueError:
        words.append(("no such time", "HH:MM from 00:00 to 24:00"))
        return None
    if end <= start:
        words.append((f"it ends at {found['end']}", f"an end behind {found['start']}"))
        return None
    return start, end


def local_midnight(park: Park, day: date) -> datetime:
    """Return the start of a local day, UTC."""
    return _at(park, day, "00:00")


def _at(park: Park, day: date, text: str) -> datetime:
    if text == "24:00":
        day, text = day + timedelta(days=1), "00:00"
    local = datetime.combine(day, time.fromisoformat(text), ZoneInfo(park.site.zone))
    return local.astimezone(UTC)


def _pins(
    park: Park, element: str, value: str, span: tuple[datetime, datetime], base: Plan | None, *, words: Words
) -> Iterator[Pin]:
    kinds = {name: row.kind for name, row in park.resources.items()} | dict.fromkeys(park.loads, "load")
    if element == "*" and value != "plan":
        words.append((f"* with {quoted(value)}", "a whole step is held as `plan`"))
    elif element == "*":
        for name, kind in kinds.items():
            if Hold.POWER in _ALLOWED.get(kind, ()):
                yield from _as_planned(park, name, span, base, words=words)
    elif element not in kinds:
        words.append((f"unknown element {quoted(element)}", "a device or load of the park"))
    elif kinds[element] not in _ALLOWED:
        words.append((f"{element} follows other devices", "a device that can be set by itself"))
    elif value == "plan":
        yield from _as_planned(park, element, span, base, words=words)
    else:
        hold = _hold(park, element, kinds[element], value, words)
        if hold is not None:
            id_ = written(park, element, *span, value)
            yield Pin(id=id_, element=element, start=span[0], end=span[1], hold=hold[0], p_mw=hold[1])


def _hold(park: Park, element: str, kind: str, value: str, words: Words) -> tuple[Hold, float] | None:
    allowed = _ALLOWED[kind]
    names = [h.value for h in allowed if h is not Hold.POWER]
    if value in names:
        return Hold(value), 0.0
    try:
        p_mw = float(value)
    except ValueError:
        p_mw = float("nan")
    if Hold.POWER not in allowed or not abs(p_mw) < float("inf"):
        expected = ", ".join((["MW"] if Hold.POWER in allowed else []) + names)
        words.append((f"{quoted(value)} for a {kind}", expected))
        return None
    if p_mw == 0 and kind != "bess":
        return Hold.OFF, 0.0
    row = park.resources[element]
    if not row.p_min_mw <= p_mw <= row.p_max_mw:
        words.append((f"{p_mw:g} MW", f"{row.p_min_mw:g} to {row.p_max_mw:g}, the rating of {element}"))
        return None
    if (least := _least_mw(park, element, p_mw)) > abs(p_mw):
        words.append((f"{p_mw:g} MW", f"off, or {least:g} MW and more: the least load of {element}"))
        return None
    return Hold.POWER, p_mw


def _least_mw(park: Park, element: str, p_mw: float) -> float:
    """Return the least power of the machine that would run, 0 where there is none."""
    device = park.devices[element]
    if not isinstance(device, Caes):
        return 0.0
    aux = device.params.standby_aux_mw
    if p_mw > 0:
        return float(device.params.turbine.p_min_mw - aux)
    return float(device.params.compressor.p_min_mw + aux)


def _as_planned(
    park: Park, element: str, span: tuple[datetime, datetime], base: Plan | None, *, words: Words
) -> Iterator[Pin]:
    """Yield one pin per step with the power that `base` has there; a device that stood is held off."""
    if base is None or element not in base.series:
        words.append(("`plan` without a plan to take it from", "--from PLAN.json"))
        return
    step, at = timedelta(minutes=base.step_min), span[0]
    while at < span[1]:
        k = round((at - base.start) / step)
        if not 0 <= k < base.steps:
            words.append(("the plan to take it from does not cover this time", "a window inside that plan"))
            return
        series = base.series[element]
        p_mw = float(series["p_mw"][k])
        stands = "charge_mw" in series and series["charge_mw"][k] + series["discharge_mw"][k] < 1e-6
        value = "off" if stands else f"{p_mw:.6g}"
        id_ = written(park, element, at, at + step, value)
        hold = Hold.OFF if stands else Hold.POWER
        yield Pin(
            id=id_, element=element, start=at, end=at + step, hold=hold, p_mw=0.0 if stands else float(value)
        )
        at += step


def _doubled(pins: Sequence[Pin]) -> Iterator[tuple[str, str]]:
    ordered = sorted(pins, key=lambda pin: (pin.element, pin.start))
    for a, b in pairwise(ordered):
        if a.element == b.element and b.start < a.end:
            yield b.id, f"{b.element} is held by {a.id} too"


def window_faults(pins: Sequence[Pin], start: datetime, end: datetime, *, file: str = "--pin") -> list[Fault]:
    """Return a fault for each pin that lies outside a plan's window."""
    expected = "a time inside the planned window"
    return [
        Fault(file=file, field=pin.id, wrong="outside the window", expected=expected)
        for pin in pins
        if pin.end <= start or pin.start >= end
    ]
