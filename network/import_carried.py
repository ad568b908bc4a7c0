"""What an import has carried over so far: names, buses, types, notes and faults."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from network.import_names import Names
from vpp.errors import Fault
from vpp.types import Bus, LineType, Switch, TrafoType

PARALLEL_MAX = 100
"""Most units that one row may stand for; assumption, more is a slip."""


@dataclass
class Carried:
    """What has been carried over so far, and what could not be."""

    label: str
    net: Any
    names: Names
    """Of everything but buses."""
    bus_names: Names
    notes: list[str]
    faults: list[Fault]
    buses: list[Bus]
    dead: frozenset[int]
    """Buses that no source feeds."""
    line_types: dict[tuple[float, ...], LineType]
    trafo_types: dict[tuple[float, ...], TrafoType]
    type_names: dict[str, int]
    """Base of a type's name -> how many types bear it."""
    next_bus: int
    """First bus id that is free."""

    def live(self, *buses: int) -> bool:
        """Return whether every one of these buses (pandapower index) is in the park."""
        return not any(int(bus) in self.dead for bus in buses)

    def bus(self, index: int) -> str:
        """Return the park's name of a bus."""
        return self.bus_names.of(int(index))

    def vn_kv(self, index: int) -> float:
        """Return the nominal voltage of a bus."""
        return float(self.net.bus.at[int(index), "vn_kv"])

    def extra_bus(self, key: Hashable, near: int, name: str) -> str:
        """Return the name of a new bus of the voltage of `near`: an open end, a star point."""
        bus = Bus(
            id=self.next_bus,
            name=self.bus_names.give(key, name, "AUX"),
            vn_kv=self.vn_kv(near),
            zone=self.buses[0].zone,
            role="auxiliary",
        )
        self.buses.append(bus)
        self.next_bus += 1
        return bus.name

    def star(self, index: int, near: int, name: str) -> str:
        """Return the star point of a three-winding transformer, made where it is new."""
        key = ("star", index)
        return (
            self.bus_names.of(key) if self.bus_names.has(key) else self.extra_bus(key, near, f"{name}_star")
        )

    def type_name(self, wanted: object, otherwise: str) -> str:
        """Return a name for a new type that no other type bears."""
        text = wanted if isinstance(wanted, str) else ""
        base = "".join(c for c in text if c.isprintable()).strip()[:60] or otherwise
        count = self.type_names[base] = self.type_names.get(base, 0) + 1
        return base if count == 1 else f"{base} #{count}"

    def fault(self, table: str, index: int, wrong: str, expected: str) -> None:
        """Add a fault of a row of the net."""
        self.faults.append(Fault(file=self.label, field=f"{table}[{index}]", wrong=wrong, expected=expected))


def carried(label: str, net: Any) -> Carried:
    """Return the buses that a source feeds, named; those that none feeds are set aside in words."""
    fed = np.isfinite(net.res_bus.vm_pu.to_numpy(dtype=float))
    dead = frozenset(int(i) for i, is_fed in zip(net.bus.index, fed, strict=True) if not is_fed)
    names = Names()
    buses = []
    for index, row in net.bus.iterrows():
        if int(index) in dead:
            continue
        zone = row["zone"] if isinstance(row.get("zone"), str) and row["zone"] else "GRID"
        name = names.give(int(index), row["name"], f"BUS{index}")
        buses.append(Bus(id=int(index), name=name, vn_kv=float(row["vn_kv"]), zone=zone, role="bus"))
    notes = []
    if dead:
        notes.append(f"{len(dead)} buses that no source feeds are left out, with all that stands on them")
    return Carried(
        label=label,
        net=net,
        names=Names(),
        bus_names=names,
        notes=notes,
        faults=[],
        buses=buses,
        dead=dead,
        line_types={},
        trafo_types={},
        type_names={},
        next_bus=int(net.bus.index.max()) + 1,
    )


def number(row: Any, column: str, otherwise: float) -> float:
    """Return a figure of a row, `otherwise` where it is missing or no number."""
    try:
        value = float(row[column])
    except (KeyError, TypeError, ValueError):
        return otherwise
    return value if isfinite(value) else otherwise


def open_ends(net: Any, et: str) -> set[tuple[int, int]]:
    """Return (element, bus) of every open switch of one kind: l, t or t3."""
    rows = net.switch[(net.switch.et == et) & ~net.switch.closed.astype(bool)]
    return set(zip(rows.element.astype(int), rows.bus.astype(int), strict=True))


def open_end(on: Carried, switches: list[Switch], key: tuple[str, int, int], end: int, name: str) -> str:
    """Return a bus of its own for an open end of a branch, beside an open coupler to the real one."""
    aux = on.extra_bus((*key, end), end, f"{name}_open")
    if on.live(end):
        coupler = on.names.give((*key, end, "switch"), f"{name}_sw", "SW")
        switches.append(Switch(name=coupler, bus_a=on.bus(end), bus_b=aux, type="LBS", normal_state="open"))
    return aux
