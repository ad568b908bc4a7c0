"""Planned outages, `outages.csv`: which element is out or derated from when to when."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from vpp.clock import UTC
from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.model import Park, PlannedOutage
from vpp.park.stamps import open_zone
from vpp.park.tables import Row, quoted, read_rows
from vpp.types.park import Name

FILE = "outages.csv"
OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One row as it is written."""

    element: Name
    """Resource, load, line or transformer."""
    start: str
    end: str
    derate_mw: str
    """`out`, or the MW by which the element can do less."""


def read_outages(root: Path, folder: Folder, faults: list[Fault]) -> tuple[PlannedOutage, ...]:
    """Return the planned outages, none where the park has no such file; faults are added.

    Stamps without an offset are in the park's zone. A branch can only be out, not derated.
    """
    if not (root / FILE).exists() or folder.settings is None:
        return ()
    zone = open_zone(folder.settings.site.zone)
    ratings = {r.value.id: max(r.value.p_max_mw, -r.value.p_min_mw) for r in folder.resources}
    ratings |= {r.value.id: r.value.p_peak_mw for r in folder.loads}
    branches = {r.value.name for r in folder.lines} | {r.value.name for r in folder.trafos}
    found: list[tuple[Row[_Line], PlannedOutage]] = []
    for row in read_rows(root, FILE, _Line, faults):
        before, line = len(faults), row.value
        start, end = (_stamp(row, key, getattr(line, key), zone, faults) for key in ("start", "end"))
        if start is not None and end is not None and end <= start:
            faults.append(row.fault("end", line.end, f"a time behind {line.start}"))
        known = line.element in ratings or line.element in branches
        if not known and not folder.broken:
            wrong = f"unknown element {quoted(line.element)}"
            faults.append(row.fault("element", wrong, "a device, load, line or transformer"))
        lost = _lost_mw(row, ratings.get(line.element), faults)
        if len(faults) == before and start is not None and end is not None:
            found.append((row, PlannedOutage(element=line.element, start=start, end=end, lost_mw=lost)))
    faults += _doubled(found)
    return tuple(outage for _, outage in found)


def _stamp(
    row: Row[_Line], key: str, text: str, zone: ZoneInfo | None, faults: list[Fault]
) -> datetime | None:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        faults.append(row.fault(key, quoted(text), "a time like 2026-03-17T08:00"))
        return None
    return (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=zone or UTC)).astimezone(UTC)


def _lost_mw(row: Row[_Line], rating_mw: float | None, faults: list[Fault]) -> float | None:
    """Return the MW lost, None for all."""
    text = row.value.derate_mw
    if text == OUT:
        return None
    try:
        lost = float(text)
    except ValueError:
        lost = math.nan
    if rating_mw is None and not math.isnan(lost):
        faults.append(row.fault("derate_mw", text, f"`{OUT}`: a branch cannot be derated"))
    elif rating_mw is None or not 0 < lost <= rating_mw:
        most = "" if rating_mw is None else f" up to {rating_mw:g}, its rating"
        faults.append(row.fault("derate_mw", quoted(text), f"`{OUT}`, or MW above 0{most}"))
    return lost


def _doubled(found: list[tuple[Row[_Line], PlannedOutage]]) -> Iterator[Fault]:
    for k, (row, outage) in enumerate(found):
        for earlier, other in found[:k]:
            if other.element == outage.element and other.start < outage.end and outage.start < other.end:
                wrong = f"{outage.element} is out in line {earlier.line} too"
                yield row.fault("element", wrong, "one outage of an element at a time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The planned outages of a window, step by step; a step that an outage touches is affected whole."""

    branches: tuple[frozenset[str], ...]
    """Lines and transformers out of service, by step."""
    dead_buses: tuple[frozenset[str], ...]
    """Buses that no source feeds then, by step."""
    lost_mw: Mapping[str, tuple[float, ...]]
    """By resource or load the MW it can do less, by step; inf: out. Only those affected."""


def calendar(park: Park, start: datetime, step_min: int, steps: int) -> Calendar | None:
    """Return the outages that touch a window, None where none does; what a branch cuts off is out too."""
    step = timedelta(minutes=step_min)
    touched = [o for o in park.outages if o.start < start + steps * step and o.end > start]
    if not touched:
        return None
    names = {line.name for line in park.grid.lines} | {trafo.name for trafo in park.grid.trafos}
    branches, dead, lost = [], [], dict[str, list[float]]()
    cut_off: dict[frozenset[str], frozenset[str]] = {}
    bus_of = _bus_of(park)
    for k in range(steps):
        now = [o for o in touched if o.start < start + (k + 1) * step and o.end > start + k * step]
        out = frozenset(o.element for o in now if o.element in names)
        if out not in cut_off:
            cut_off[out] = unfed(park, out) - unfed(park, frozenset())
        branches.append(out)
        dead.append(cut_off[out])
        gone = {o.element: math.inf if o.lost_mw is None else o.lost_mw for o in now if o.element in bus_of}
        gone |= {name: math.inf for name, bus in bus_of.items() if bus in cut_off[out]}
        for name, mw in gone.items():
            lost.setdefault(name, [0.0] * steps)[k] = mw
    return Calendar(
        branches=tuple(branches), dead_buses=tuple(dead), lost_mw={n: tuple(v) for n, v in lost.items()}
    )


def unfed(park: Park, out: frozenset[str]) -> frozenset[str]:
    """Return the buses that no external grid reaches with branches out of service."""
    grid = park.grid
    joined = [(line.from_bus, line.to_bus) for line in grid.lines if line.name not in out]
    joined += [(trafo.hv_bus, trafo.lv_bus) for trafo in grid.trafos if trafo.name not in out]
    joined += [(s.bus_a, s.bus_b) for s in grid.switches if s.normal_state == "closed"]
    beside: dict[str, list[str]] = {bus.name: [] for bus in grid.buses}
    for a, b in joined:
        beside[a].append(b)
        beside[b].append(a)
    reached, edge = set(), [ext.bus for ext in grid.ext_grids]
    while edge:
        bus = edge.pop()
        if bus not in reached:
            reached.add(bus)
            edge += beside[bus]
    return frozenset(beside) - reached


def _bus_of(park: Park) -> dict[str, str]:
    """Return the bus of every resource and load."""
    return {name: row.bus for name, row in park.resources.items()} | {
        name: row.bus for name, row in park.loads.items()
    }


def outage_warnings(park: Park) -> tuple[str, ...]:
    """Return in words what the planned outages take along."""
    words = []
    for outage in park.outages:
        cut = unfed(park, frozenset((outage.element,))) - unfed(park, frozenset())
        along = [name for name, bus in _bus_of(park).items() if bus in cut]
        if along:
            words.append(f"{FILE}: the outage of {outage.element} cuts off {', '.join(along)}")
    return tuple(words)
