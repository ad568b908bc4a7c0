"""A park that is being made: rows, parameters and settings in memory, and the folder written from them."""

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vpp.errors import Fault, InvalidInput
from vpp.park.shipped import SHIPPED
from vpp.park.toml_text import to_toml
from vpp.types import (
    Actuator,
    Array,
    Bus,
    Endpoint,
    ExtGrid,
    Grid,
    Line,
    LineType,
    Load,
    Meter,
    Resource,
    Shunt,
    Switch,
    Trafo,
    TrafoType,
)
from vpp.types.park import OperatingPoint

_GRID_FILES: tuple[tuple[str, str, type], ...] = (
    ("buses", "buses", Bus),
    ("lines", "lines", Line),
    ("std_types_line", "line_types", LineType),
    ("trafos", "trafos", Trafo),
    ("std_types_trafo", "trafo_types", TrafoType),
    ("shunts", "shunts", Shunt),
    ("switches", "switches", Switch),
    ("ext_grid", "ext_grids", ExtGrid),
)
"""File of `grid/`, field of `Grid`, row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFile:
    """A CSV file of `profiles/`: one stamp column and columns of values."""

    file: str
    """Name in `profiles/`, ending in `.csv.gz`."""
    times: tuple[str, ...]
    """ISO 8601 with offset, interval starts."""
    columns: Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything a park folder holds."""

    settings: Mapping[str, Any]
    """The tree of `park.toml`."""
    grid: Grid
    resources: tuple[Resource, ...]
    loads: tuple[Load, ...]
    meters: tuple[Meter, ...]
    actuators: tuple[Actuator, ...]
    params: Mapping[str, Mapping[str, Any]]
    """Name of a file in `params/` -> its tree."""
    series: tuple[SeriesFile, ...]
    operating_point: tuple[OperatingPoint, ...]


def write_draft(draft: Draft, folder: Path) -> None:
    """Write a park folder; `folder` must be missing or empty.

    Register maps are those of the shipped parks. InvalidInput where the folder holds something or
    cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidInput((Fault(file=str(folder), wrong="not empty", expected="a new folder"),))
        for name in ("grid", "params", "registers", "profiles"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write_files(draft, folder)
    except OSError as error:
        wrong = error.strerror or str(error)
        raise InvalidInput((Fault(file=str(folder), wrong=wrong, expected="a folder to write"),)) from error


def _write_files(draft: Draft, folder: Path) -> None:
    (folder / "park.toml").write_text(to_toml(draft.settings), encoding="utf-8")
    for file, field, row in _GRID_FILES:
        _write_rows(folder / "grid" / f"{file}.csv", row, getattr(draft.grid, field))
    _write_rows(folder / "devices.csv", Resource, draft.resources)
    _write_rows(folder / "loads.csv", Load, draft.loads)
    _write_rows(folder / "meters.csv", Meter, draft.meters)
    _write_rows(folder / "actuators.csv", Actuator, draft.actuators)
    _write_rows(folder / "operating_point.csv", OperatingPoint, draft.operating_point)
    for name, tree in draft.params.items():
        (folder / "params" / f"{name}.toml").write_text(to_toml(tree), encoding="utf-8")
    tables: tuple[Sequence[Resource | Load | Meter | Actuator], ...]
    tables = (draft.resources, draft.loads, draft.meters, draft.actuators)
    for name in sorted({row.endpoint.register_map for table in tables for row in table}):
        source = shipped_file(f"registers/{name}.csv")
        (folder / "registers" / f"{name}.csv").write_text(source.read_text("utf-8"), encoding="utf-8")
    for series in draft.series:
        with gzip.open(folder / "profiles" / series.file, "wt", encoding="utf-8", compresslevel=6) as out:
            out.write(_series_text(series))


def shipped_file(path: str) -> Path:
    """Return `path` inside the first shipped park that has it; KeyError where none has."""
    for park in ("small10", "chifeng96"):
        if (SHIPPED / park / path).is_file():
            return SHIPPED / park / path
    raise KeyError(path)


def _series_text(series: SeriesFile) -> str:
    header = ",".join(["time", *series.columns])
    values: npt.NDArray[np.float64] = np.column_stack(list(series.columns.values()))
    rows = (
        f"{time},{','.join(map(repr, row))}" for time, row in zip(series.times, values.tolist(), strict=True)
    )
    return "\n".join([header, *rows, ""])


def _write_rows(path: Path, model: type, rows: Iterable[object]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_header(model))
    writer.writerows(_cells(row) for row in rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def _header(model: type) -> Sequence[str]:
    return [
        name
        for field in fields(model)
        for name in (_header(Endpoint) if field.type is Endpoint else [field.name])
    ]


def _cells(row: Any) -> list[object]:
    cells: list[object] = []
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Endpoint):
            cells += _cells(value)
        else:
            cells.append("" if value is None else value)
    return cells
