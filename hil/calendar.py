"""The calendar of planned outages, `outages.csv`, as the plant lives it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from hil.unit import Unit
from vpp.park import Park
from vpp.park.outages import unfed


class Gone(NamedTuple):
    """What a device or load cannot do."""

    mw: float
    """inf: out."""
    until: datetime


class Planned:
    """What is out at a plant time; what a branch cuts off is out with it."""

    def __init__(self, park: Park) -> None:
        self._park = park
        self._branches = {line.name for line in park.grid.lines} | {t.name for t in park.grid.trafos}
        self._bus_of = {name: row.bus for name, row in park.resources.items()}
        self._bus_of |= {name: row.bus for name, row in park.loads.items()}
        self._found: dict[tuple[int, ...], tuple[frozenset[str], dict[str, Gone]]] = {}

    def branches(self, at: datetime) -> frozenset[str]:
        """Return the lines and transformers that are out."""
        return self._at(at)[0]

    def gone(self, at: datetime) -> Mapping[str, Gone]:
        """Return by device or load what it cannot do; only those affected."""
        return self._at(at)[1]

    def hold(self, units: Mapping[str, Unit], at: datetime) -> None:
        """Open the breakers of devices that are out, and tell those that are derated."""
        gone = self.gone(at)
        for name, unit in units.items():
            mw, until = gone.get(name, (0.0, at))
            unit.lost_mw = mw
            if math.isinf(mw) and (unit.tripped_until is None or unit.tripped_until <= at):
                unit.trip(at, (until - at).total_seconds())

    def fed_mw(self, resource: str, available_mw: float, at: datetime) -> float:
        """Return what a wind or PV plant can feed in of what the weather gives."""
        most_mw = self._park.resources[resource].p_max_mw
        gone = self.gone(at)
        return max(0.0, min(available_mw, most_mw - gone[resource].mw)) if resource in gone else available_mw

    def served_mw(self, load: str, demand_mw: float, at: datetime) -> float:
        """Return what a load can draw of its demand."""
        gone = self.gone(at)
        return max(0.0, demand_mw - gone[load].mw) if load in gone else demand_mw

    def _at(self, at: datetime) -> tuple[frozenset[str], dict[str, Gone]]:
        outages = self._park.outages
        now = tuple(k for k, o in enumerate(outages) if o.start <= at < o.end)
        if now not in self._found:
            out = frozenset(outages[k].element for k in now if outages[k].element in self._branches)
            dead = unfed(self._park, out) - unfed(self._park, frozenset()) if out else frozenset[str]()
            ends = [outages[k].end for k in now if outages[k].element in self._branches]
            gone = {name: Gone(math.inf, min(ends)) for name, bus in self._bus_of.items() if bus in dead}
            for k in now:
                outage = outages[k]
                if outage.element in self._bus_of and outage.element not in gone:
                    lost = math.inf if outage.lost_mw is None else outage.lost_mw
                    gone[outage.element] = Gone(lost, outage.end)
            self._found[now] = (out, gone)
        return self._found[now]
