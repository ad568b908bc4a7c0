"""Rules between the tables of `grid/`: references, voltages, taps, islands."""

from collections.abc import Iterator, Sequence
from typing import Any

from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.tables import Row, quoted, twice
from vpp.types import Bus, Trafo, TrafoType

_BRANCH_FILES = (
    "grid/buses.csv",
    "grid/lines.csv",
    "grid/trafos.csv",
    "grid/switches.csv",
    "grid/ext_grid.csv",
)
RATIO_TOLERANCE = 0.25
"""Greatest relative distance of a winding's rating from its bus; assumption, catches swapped sides."""


def grid_faults(folder: Folder) -> Iterator[Fault]:
    """Yield what is wrong between buses, branches, types, shunts, switches and external grids."""
    buses = {row.value.name: row.value for row in folder.buses}
    yield from twice((row, "name", row.value.name) for row in folder.buses)
    yield from twice((row, "id", str(row.value.id)) for row in folder.buses)
    for types in (folder.line_types, folder.trafo_types):
        yield from twice((row, "name", row.value.name) for row in types)
    if not folder.ext_grids and "grid/ext_grid.csv" not in folder.broken:
        yield Fault(file="grid/ext_grid.csv", wrong="no external grid", expected="one row or more")
    if "grid/buses.csv" not in folder.broken:
        yield from _unknown_buses(folder, buses)
    for bank in folder.shunts:
        if bank.value.kind != "statcom" and bank.value.steps == 0:
            yield bank.fault("steps", f"0 for a {bank.value.kind}", "1 or more switched parts")
    yield from _line_faults(folder, buses)
    yield from _trafo_faults(folder, buses)
    if not folder.broken.intersection(_BRANCH_FILES):
        yield from _islands(folder, buses)
    yield from _bands(folder)


def _ends(folder: Folder) -> Iterator[tuple[Row[Any], str, str]]:
    """Yield (row, column, bus name) of everything in `grid/` that stands on a bus."""
    for line in folder.lines:
        yield line, "from_bus", line.value.from_bus
        yield line, "to_bus", line.value.to_bus
    for trafo in folder.trafos:
        yield trafo, "hv_bus", trafo.value.hv_bus
        yield trafo, "lv_bus", trafo.value.lv_bus
    for switch in folder.switches:
        yield switch, "bus_a", switch.value.bus_a
        yield switch, "bus_b", switch.value.bus_b
    for shunt in folder.shunts:
        yield shunt, "bus", shunt.value.bus
    for ext_grid in folder.ext_grids:
        yield ext_grid, "bus", ext_grid.value.bus


def _unknown_buses(folder: Folder, buses: dict[str, Bus]) -> Iterator[Fault]:
    for row, column, name in _ends(folder):
        if name not in buses:
            yield row.fault(column, f"unknown bus {quoted(name)}", "a name of grid/buses.csv")


def _line_faults(folder: Folder, buses: dict[str, Bus]) -> Iterator[Fault]:
    types = {row.value.name for row in folder.line_types}
    for kind in folder.line_types:
        if kind.value.x_ohm_per_km == 0 and kind.value.r_ohm_per_km == 0:
            yield kind.fault("x_ohm_per_km", "0, and r_ohm_per_km too", "an impedance")
    pairs: list[tuple[Row[Any], str, str]] = []
    for line in folder.lines:
        if line.value.std_type not in types and "grid/std_types_line.csv" not in folder.broken:
            yield line.fault("std_type", quoted(line.value.std_type), "a name of grid/std_types_line.csv")
        pairs.append((line, line.value.from_bus, line.value.to_bus))
    pairs += [(switch, switch.value.bus_a, switch.value.bus_b) for switch in folder.switches]
    for row, a, b in pairs:
        if a == b:
            yield row.fault(None, f"both ends at {quoted(a)}", "two buses")
        elif a in buses and b in buses and buses[a].vn_kv != buses[b].vn_kv:
            levels = f"{buses[a].vn_kv:g} kV and {buses[b].vn_kv:g} kV"
            yield row.fault(None, f"joins {levels}", "buses of one voltage")


def _trafo_faults(folder: Folder, buses: dict[str, Bus]) -> Iterator[Fault]:
    types = {row.value.name: row.value for row in folder.trafo_types}
    for row in folder.trafo_types:
        if row.value.tap_min > row.value.tap_max:
            yield row.fault("tap_min", f"{row.value.tap_min} above tap_max", f"at most {row.value.tap_max}")
        if row.value.vk_percent == 0:
            yield row.fault("vk_percent", "0", "the short-circuit voltage, not 0")
        if abs(row.value.vkr_percent) > abs(row.value.vk_percent):
            yield row.fault("vkr_percent", "more than vk_percent", f"at most {abs(row.value.vk_percent):g}")
    for trafo in folder.trafos:
        if trafo.value.hv_bus == trafo.value.lv_bus:
            yield trafo.fault(None, f"both sides at {quoted(trafo.value.hv_bus)}", "two buses")
        kind = types.get(trafo.value.std_type)
        if kind is None and "grid/std_types_trafo.csv" not in folder.broken:
            yield trafo.fault("std_type", quoted(trafo.value.std_type), "a name of grid/std_types_trafo.csv")
        elif kind is not None:
            yield from _fit(trafo, kind, buses)


def _fit(trafo: Row[Trafo], kind: TrafoType, buses: dict[str, Bus]) -> Iterator[Fault]:
    if not kind.tap_min <= trafo.value.tap_pos <= kind.tap_max:
        yield trafo.fault("tap_pos", str(trafo.value.tap_pos), f"{kind.tap_min} to {kind.tap_max}")
    sides = (("hv_bus", trafo.value.hv_bus, kind.vn_hv_kv), ("lv_bus", trafo.value.lv_bus, kind.vn_lv_kv))
    for column, name, vn_kv in sides:
        if name in buses and abs(vn_kv / buses[name].vn_kv - 1) > RATIO_TOLERANCE:
            wrong = f"a {vn_kv:g} kV winding on {quoted(name)} of {buses[name].vn_kv:g} kV"
            yield trafo.fault(column, wrong, "the voltage of its bus")


def _islands(folder: Folder, buses: dict[str, Bus]) -> Iterator[Fault]:
    """Yield a fault for every bus without a path of branches to an external grid."""
    neighbours: dict[str, list[str]] = {name: [] for name in buses}
    closed = [s for s in folder.switches if s.value.normal_state == "closed"]
    pairs = [
        *((row.value.from_bus, row.value.to_bus) for row in folder.lines),
        *((row.value.hv_bus, row.value.lv_bus) for row in folder.trafos),
        *((row.value.bus_a, row.value.bus_b) for row in closed),
    ]
    for a, b in pairs:
        if a in buses and b in buses:
            neighbours[a].append(b)
            neighbours[b].append(a)
    reached = {row.value.bus for row in folder.ext_grids if row.value.bus in buses}
    front = list(reached)
    while front:
        fresh = [b for b in neighbours[front.pop()] if b not in reached]
        reached.update(fresh)
        front += fresh
    for row in folder.buses:
        if row.value.name not in reached:
            yield row.fault("name", f"bus {quoted(row.value.name)} is isolated", "a path to an external grid")


def _bands(folder: Folder) -> Iterator[Fault]:
    if folder.settings is None:
        return
    bands: Sequence[Any] = folder.settings.voltage_bands
    for i, band in enumerate(bands):
        if not (0 < band.vn_kv_min <= band.vn_kv_max and 0 < band.vm_min_pu < band.vm_max_pu):
            field = f"voltage_band[{i + 1}]"
            yield Fault(file="park.toml", field=field, wrong="bounds not rising", expected="min below max")
    for row in folder.buses:
        count = sum(band.vn_kv_min <= row.value.vn_kv <= band.vn_kv_max for band in bands)
        if count != 1:
            wrong = f"{count} voltage bands of park.toml hold {row.value.vn_kv:g} kV"
            yield row.fault("vn_kv", wrong, "exactly one")
