"""The text of a series file: unpacked, split in cells, numbers read."""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vpp.errors import Fault
from vpp.park.series_entry import SeriesEntry
from vpp.park.stamps import SHOWN, Say, speaker
from vpp.park.tables import label, quoted
from vpp.types import Array

MAX_BYTES = 512 * 1024 * 1024
"""Greatest file after unpacking; assumption: ten years at one minute fit ten times."""
_MW = {"W": 1e-6, "kW": 1e-3, "MW": 1.0}


Lines = tuple[list[str], list[tuple[int, list[str]]]]
"""Header and (line, cells) of every row of a file."""


def read_cells(
    path: Path, entry: SeriesEntry, faults: list[Fault], files: dict[Path, Lines]
) -> list[tuple[int, str, str]] | None:
    """Return (line, time, value) of every row; `files` remembers what was read before."""
    say = speaker(entry.file, None, faults)
    if path not in files:
        lines = _lines(path, say)
        if lines is None:
            return None
        files[path] = lines
    header, rows = files[path]
    missing = [name for name in (entry.time_column, entry.column) if header.count(name) != 1]
    for name in missing:
        columns = ", ".join(label(cell) for cell in header)[:200]
        found = "two columns of that name" if name in header else f"columns {columns}"
        speaker(entry.file, name, faults)(1, found, f"one column {name}, cells parted by commas")
    if missing:
        return None
    if len(rows) < 2:
        say(None, f"{len(rows)} rows", "two or more")
        return None
    at_time, at_value = header.index(entry.time_column), header.index(entry.column)
    return [(line, cells[at_time].strip(), cells[at_value].strip()) for line, cells in rows]


def _lines(path: Path, say: Say) -> Lines | None:
    text = _text(path, say)
    if text is None:
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                rows.append((line, cells))
            elif cells:
                say(line, f"{len(cells)} cells", f"{len(header)} cells")
                return None
            line = reader.line_num + 1
    except csv.Error as error:
        say(reader.line_num, str(error), "CSV with commas")
        return None
    return header, rows


def _text(path: Path, say: Say) -> str | None:
    if path.suffix == ".parquet":
        say(None, "Parquet", "the column as .csv or .csv.gz")
        return None
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        say(None, "missing", "a readable file")
        return None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        say(None, f"unreadable ({error})", "a .csv file, or one packed by gzip as .csv.gz")
        return None
    if len(data) > MAX_BYTES:
        say(None, "larger than 512 MiB", "a smaller file")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        say(data[: error.start].count(b"\n") + 1, "not UTF-8", "UTF-8 text")
        return None


def read_values(rows: Sequence[tuple[int, str, str]], entry: SeriesEntry, say: Say) -> Array | None:
    """Return the values in MW, nan where a cell is empty and gaps may be held."""
    values = np.empty(len(rows))
    wrong = 0
    for i, (line, _, text) in enumerate(rows):
        try:
            values[i] = float(text or "nan")
        except ValueError:
            values[i] = math.inf
        if math.isinf(values[i]) or (math.isnan(values[i]) and entry.gaps == "refuse"):
            wrong += 1
            if wrong <= SHOWN:
                say(line, quoted(text) if text else "empty", 'a finite number, or gaps = "hold"')
    if wrong > SHOWN:
        say(None, f"{wrong - SHOWN} more rows without a finite number", 'numbers, or gaps = "hold"')
    return None if wrong else values * _MW[entry.unit]
