"""All tables of a park folder, row by row, before any rule between them is judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vpp.devices import DEVICE_TYPES, Device
from vpp.errors import Fault
from vpp.park.settings import Settings, read_settings
from vpp.park.tables import NAME_PATTERN, Row, build, quoted, read_rows, read_toml
from vpp.types import (
    Actuator,
    Bus,
    ExtGrid,
    Line,
    LineType,
    Load,
    Meter,
    Point,
    Resource,
    Shunt,
    Switch,
    Trafo,
    TrafoType,
)

EndpointRow = Row[Resource] | Row[Load] | Row[Meter] | Row[Actuator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What could be read; rows with faults are missing."""

    settings: Settings | None
    buses: tuple[Row[Bus], ...]
    lines: tuple[Row[Line], ...]
    line_types: tuple[Row[LineType], ...]
    trafos: tuple[Row[Trafo], ...]
    trafo_types: tuple[Row[TrafoType], ...]
    shunts: tuple[Row[Shunt], ...]
    switches: tuple[Row[Switch], ...]
    ext_grids: tuple[Row[ExtGrid], ...]
    resources: tuple[Row[Resource], ...]
    loads: tuple[Row[Load], ...]
    meters: tuple[Row[Meter], ...]
    actuators: tuple[Row[Actuator], ...]
    devices: Mapping[str, Device]
    """By resource id, where the parameter file was sound."""
    register_maps: Mapping[str, tuple[Row[Point], ...]]
    """By name, every map that a row asks for and that exists."""
    broken: frozenset[str]
    """Files with faults of their own: their rows are incomplete, so what refers to them is not judged."""

    def endpoint_rows(self) -> Iterator[EndpointRow]:
        """Yield the rows of the four tables with an endpoint, in order."""
        yield from self.resources
        yield from self.loads
        yield from self.meters
        yield from self.actuators


def read_folder(root: Path, faults: list[Fault]) -> Folder:
    """Read every file of a park folder; each fault inside a row or file is added to `faults`."""
    resources = read_rows(root, "devices.csv", Resource, faults)
    loads = read_rows(root, "loads.csv", Load, faults)
    meters = read_rows(root, "meters.csv", Meter, faults)
    actuators = read_rows(root, "actuators.csv", Actuator, faults)
    users: tuple[EndpointRow, ...] = (*resources, *loads, *meters, *actuators)
    folder = Folder(
        settings=read_settings(root, faults),
        buses=read_rows(root, "grid/buses.csv", Bus, faults),
        lines=read_rows(root, "grid/lines.csv", Line, faults),
        line_types=read_rows(root, "grid/std_types_line.csv", LineType, faults),
        trafos=read_rows(root, "grid/trafos.csv", Trafo, faults),
        trafo_types=read_rows(root, "grid/std_types_trafo.csv", TrafoType, faults),
        shunts=read_rows(root, "grid/shunts.csv", Shunt, faults),
        switches=read_rows(root, "grid/switches.csv", Switch, faults),
        ext_grids=read_rows(root, "grid/ext_grid.csv", ExtGrid, faults),
        resources=resources,
        loads=loads,
        meters=meters,
        actuators=actuators,
        devices=_devices(root, resources, faults),
        register_maps=_register_maps(root, users, faults),
        broken=frozenset(),
    )
    return replace(folder, broken=frozenset(fault.file for fault in faults))


def _devices(root: Path, rows: tuple[Row[Resource], ...], faults: list[Fault]) -> dict[str, Device]:
    params: dict[tuple[str, str], Any] = {}
    devices: dict[str, Device] = {}
    for row in rows:
        kind, ref = row.value.kind, row.value.params_ref
        if kind not in DEVICE_TYPES:
            faults.append(row.fault("kind", quoted(kind), "one of " + ", ".join(DEVICE_TYPES)))
            continue
        if not _file_exists(root, "params", ref, ".toml"):
            faults.append(row.fault("params_ref", f"no file params/{quoted(ref)}.toml", "a file in params/"))
            continue
        device_type = DEVICE_TYPES[kind]
        if (kind, ref) not in params:
            file = f"params/{ref}.toml"
            tree = read_toml(root, file, faults)
            params[kind, ref] = None if tree is None else build(device_type.params, tree, file, None, faults)
        if params[kind, ref] is not None:
            devices[row.value.id] = device_type.device(resource=row.value, params=params[kind, ref])
    return devices


def _register_maps(
    root: Path, users: tuple[EndpointRow, ...], faults: list[Fault]
) -> dict[str, tuple[Row[Point], ...]]:
    maps: dict[str, tuple[Row[Point], ...]] = {}
    for row in users:
        name = row.value.endpoint.register_map
        if name in maps:
            continue
        if not _file_exists(root, "registers", name, ".csv"):
            wrong = f"no file registers/{quoted(name)}.csv"
            faults.append(row.fault("register_map", wrong, "a file in registers/"))
            continue
        maps[name] = read_rows(root, f"registers/{name}.csv", Point, faults)
    return maps


def _file_exists(root: Path, subfolder: str, name: str, suffix: str) -> bool:
    # the pattern keeps names such as ../x inside the folder
    return bool(NAME_PATTERN.fullmatch(name)) and (root / subfolder / (name + suffix)).is_file()
