"""The events of a park's contingency classes: what may fail, alone or together."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from vpp.park.model import Park

Kind = Literal["preventive", "corrective", "radial", "island"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One event of the park's contingency classes."""

    name: str
    """The element's name; of an event of several their names with ` + ` between."""
    kind: Kind
    branches: tuple[str, ...]
    devices: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """External grids."""


def outages(park: Park) -> tuple[Outage, ...]:
    """Return every event of the park's classes; wildcards match branches, devices and sources."""
    branches = {*(line.name for line in park.grid.lines), *(trafo.name for trafo in park.grid.trafos)}
    sources = [ext.name for ext in park.grid.ext_grids]
    known = [
        *(line.name for line in park.grid.lines),
        *(trafo.name for trafo in park.grid.trafos),
        *park.resources,
        *sources,
    ]

    def event(kind: Kind, names: Sequence[str]) -> Outage:
        return Outage(
            name=" + ".join(names),
            kind=kind,
            branches=tuple(n for n in names if n in branches),
            devices=tuple(n for n in names if n in park.resources),
            sources=tuple(n for n in names if n in sources),
        )

    def matched(patterns: Sequence[str]) -> list[str]:
        return [n for n in known if any(fnmatchcase(n, pattern) for pattern in patterns)]

    found: list[Outage] = []
    for entry in park.contracts.contingencies:
        found += [event(entry.kind, [name]) for name in matched(entry.outages)]
        if entry.together:
            found.append(event(entry.kind, matched(entry.together)))
    return tuple(found)
