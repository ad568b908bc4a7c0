"""A park folder becomes a `Park`, or every fault of it is told at once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from vpp.errors import Fault, InvalidInput
from vpp.park.contract_rules import contract_faults, identity_faults
from vpp.park.fingerprint import fingerprint
from vpp.park.folder import Folder, read_folder
from vpp.park.grid_rules import grid_faults
from vpp.park.model import CsvProfile, Park
from vpp.park.operating_point import read_operating_point
from vpp.park.outages import outage_warnings, read_outages
from vpp.park.profiles import read_profiles
from vpp.park.rating_rules import rating_faults
from vpp.park.register_rules import register_faults
from vpp.park.security import security_faults
from vpp.park.settings import Settings
from vpp.park.shipped import SHIPPED, shipped_parks
from vpp.park.tables import NAME_PATTERN, Row
from vpp.types import Grid
from vpp.types.park import OperatingPoint

T = TypeVar("T")

_RULES = (identity_faults, grid_faults, register_faults, rating_faults, contract_faults)


def load_park(path: Path | str) -> Park:
    """Return the park in the folder `path`, or the shipped park of that name (`small10`).

    Raises:
        InvalidInput: every fault of the folder, with file, row and field.

    """
    root = _root(path)
    faults: list[Fault] = []
    if not root.is_dir():
        raise InvalidInput((Fault(file=str(path), wrong="no such folder", expected=_expected_folder()),))
    folder = read_folder(root, faults)
    for rule in _RULES:
        faults.extend(rule(folder))
    profiles = {} if folder.settings is None else read_profiles(root, folder, folder.settings, faults)
    delivered = read_operating_point(root, folder, faults)
    planned = read_outages(root, folder, faults)
    faults.extend(security_faults(root, folder))
    if faults or folder.settings is None:
        raise InvalidInput(tuple(sorted(set(faults), key=_place)))
    park = _park(root, folder, folder.settings, profiles, delivered)
    park = replace(park, outages=planned)
    return replace(park, warnings=park.warnings + outage_warnings(park)) if planned else park


def _root(path: Path | str) -> Path:
    folder = Path(path)
    if not folder.is_dir() and NAME_PATTERN.fullmatch(str(path)) and (SHIPPED / str(path)).is_dir():
        return SHIPPED / str(path)
    return folder.absolute()


def _expected_folder() -> str:
    return "a park folder, or the name of a shipped park: " + ", ".join(shipped_parks())


def _place(fault: Fault) -> tuple[str, int, str, str]:
    return fault.file, fault.row or 0, fault.field or "", fault.wrong


def _park(
    root: Path,
    folder: Folder,
    settings: Settings,
    profiles: Mapping[str, CsvProfile],
    delivered: Mapping[str, OperatingPoint],
) -> Park:
    return Park(
        name=settings.name,
        folder=str(root),
        fingerprint=fingerprint(root),
        site=settings.site,
        horizon=settings.horizon,
        grid=_grid(folder),
        resources={row.value.id: row.value for row in folder.resources},
        devices=folder.devices,
        loads={row.value.id: row.value for row in folder.loads},
        meters={row.value.id: row.value for row in folder.meters},
        actuators={row.value.id: row.value for row in folder.actuators},
        contracts=settings.contracts,
        tariff=settings.tariff,
        voltage_bands=settings.voltage_bands,
        approval=settings.approval,
        operate=settings.operate,
        security=settings.security,
        register_maps={name: _values(rows) for name, rows in folder.register_maps.items()},
        generated=settings.generated,
        csv_profiles=profiles,
        operating_point=delivered,
        warnings=tuple(dict.fromkeys(text for p in profiles.values() for text in p.warnings)),
    )


def _grid(folder: Folder) -> Grid:
    return Grid(
        buses=_values(folder.buses),
        lines=_values(folder.lines),
        line_types=_values(folder.line_types),
        trafos=_values(folder.trafos),
        trafo_types=_values(folder.trafo_types),
        shunts=_values(folder.shunts),
        switches=_values(folder.switches),
        ext_grids=_values(folder.ext_grids),
    )


def _values(rows: Iterable[Row[T]]) -> tuple[T, ...]:
    return tuple(row.value for row in rows)
