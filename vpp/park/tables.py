"""Reading the files of a park folder: text in, typed rows and faults out."""

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vpp.errors import Fault
from vpp.types import Endpoint
from vpp.types.park import Name

T = TypeVar("T")

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
"""A dot inside (`CHP_10.5`) is allowed, none in front: a name may become a file's."""
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,16}")
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Above this a file is refused unread; assumption, far above any real table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[T]):
    """One row and where it stands."""

    file: str
    line: int
    """As an editor counts it."""
    value: T

    def fault(self, field: str | None, wrong: str, expected: str) -> Fault:
        """Return a fault of this row."""
        return Fault(file=self.file, row=self.line, field=field, wrong=wrong, expected=expected)


def read_rows(folder: Path, file: str, model: Callable[..., T], faults: list[Fault]) -> tuple[Row[T], ...]:
    """Return the sound rows of the CSV file `file`, columns named like the fields of `model`.

    A field of type `Endpoint` stands for its four columns. Empty cells of optional fields are None.
    Every fault is added to `faults`.
    """
    text = read_text(folder, file, faults)
    if text is None:
        return ()
    lines = _split(file, text, faults)
    if not lines:
        return ()
    columns = _columns(model)
    header = [cell.strip() for cell in lines[0][1]]
    if not _header_fits(file, lines[0][0], header, columns, faults):
        return ()
    rows = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            wrong = f"{len(cells)} cells"
            faults.append(Fault(file=file, row=line, wrong=wrong, expected=f"{len(header)} cells"))
            continue
        record = _record(dict(zip(header, cells, strict=True)), model)
        value = build(model, record, file, line, faults)
        if value is not None:
            rows.append(Row(file=file, line=line, value=value))
    return tuple(rows)


def read_toml(folder: Path, file: str, faults: list[Fault]) -> dict[str, Any] | None:
    """Return the TOML file as a dict, or None with a fault."""
    text = read_text(folder, file, faults)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except RecursionError:
        faults.append(Fault(file=file, wrong="nested too deeply", expected="TOML"))
    except ValueError as error:  # TOMLDecodeError, and integers beyond Python's digit limit
        at = re.search(r"\(at line (\d+)", str(error))
        row = int(at.group(1)) if at else None
        words = re.sub(r" \(at .*\)$", "", str(error))
        faults.append(Fault(file=file, row=row, wrong=words, expected="TOML"))
    return None


def read_text(folder: Path, file: str, faults: list[Fault]) -> str | None:
    """Return the UTF-8 text of a file (a byte-order mark is dropped), or None with a fault."""
    path = folder / file
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            faults.append(Fault(file=file, wrong="larger than 64 MiB", expected="a smaller file"))
            return None
        data = path.read_bytes()
    except OSError as error:
        wrong = "missing" if isinstance(error, FileNotFoundError) else f"unreadable ({error.strerror})"
        faults.append(Fault(file=file, wrong=wrong, expected="a readable file"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        faults.append(Fault(file=file, row=row, wrong="not UTF-8", expected="UTF-8 text"))
        return None
    if not text.strip():
        faults.append(Fault(file=file, wrong="empty", expected="a header and rows, or TOML"))
        return None
    return text


def build(
    model: Callable[..., T], record: object, file: str, line: int | None, faults: list[Fault]
) -> T | None:
    """Return `record` as a `model`, or None with one fault per field that breaks its bounds."""
    try:
        value: T = _adapter(model).validate_python([record])[0]
    except ValidationError as error:
        for e in error.errors(include_url=False):
            path = ".".join(str(part) for part in e["loc"][1:] if part != "endpoint")
            field = label(path) if path else None
            faults.append(
                Fault(file=file, row=line, field=field, wrong=_wrong(e), expected=_expected(e, model))
            )
        return None
    for name, column in _columns(model).items():
        text = getattr(value, name, "")
        if column.type == Name and not NAME_PATTERN.fullmatch(text):
            expected = "1 to 64 letters, digits, _, - or . (not in front)"
            faults.append(Fault(file=file, row=line, field=name, wrong=quoted(text), expected=expected))
            return None
    return value


def quoted(value: object) -> str:
    """Return a value for a message: short, on one line."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'


def label(text: str) -> str:
    """Return a name from the input for a message: as it is where that is short and printable."""
    return text if text.isprintable() and len(text) <= 80 else quoted(text)


def twice(rows: Iterable[tuple[Row[Any], str, str]]) -> Iterable[Fault]:
    """Yield a fault for every (row, field, key) whose key was used before."""
    seen: dict[str, Row[Any]] = {}
    for row, field, key in rows:
        if key in seen:
            first = seen[key]
            yield row.fault(field, f"{quoted(key)} stands in {first.file}:{first.line} too", "each only once")
        else:
            seen[key] = row


def _split(file: str, text: str, faults: list[Fault]) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(Fault(file=file, row=line, wrong=str(error), expected="CSV with commas"))
        return []
    return rows


@cache
def _columns(model: Any) -> dict[str, Field[Any]]:
    columns: dict[str, Field[Any]] = {}
    for field in fields(model):
        columns.update(_columns(Endpoint) if field.type is Endpoint else {field.name: field})
    return columns


def _header_fits(
    file: str, line: int, header: list[str], columns: Mapping[str, Field[Any]], faults: list[Fault]
) -> bool:
    before = len(faults)
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            faults.append(
                Fault(file=file, row=line, field=label(name), wrong="column twice", expected="it once")
            )
        if name not in columns:
            expected = "one of " + ", ".join(columns)
            faults.append(
                Fault(file=file, row=line, field=label(name), wrong="unknown column", expected=expected)
            )
    for name, field in columns.items():
        if name not in header and field.default is MISSING:
            faults.append(Fault(file=file, row=line, field=name, wrong="column missing", expected="it"))
    return len(faults) == before


def _record(cells: Mapping[str, str], model: Any) -> dict[str, object]:
    own = {field.name for field in fields(model)}
    record: dict[str, object] = {}
    endpoint: dict[str, object] = {}
    for name, cell in cells.items():
        value = _typed(cell.strip(), _columns(model)[name].type)
        (record if name in own else endpoint)[name] = value
    return record | {"endpoint": endpoint} if endpoint else record


def _typed(text: str, wanted: Any) -> object:
    """Return a cell as pydantic wants it: None where empty and optional; hexadecimal and choices as int."""
    if text == "" and type(None) in get_args(wanted):
        return None
    if _HEX.fullmatch(text):
        return int(text, 16)
    if get_origin(wanted) is Literal and text in map(str, get_args(wanted)):
        return next(choice for choice in get_args(wanted) if str(choice) == text)
    return text


@cache
def _adapter(model: Any) -> TypeAdapter[list[Any]]:
    # the list carries the configuration: pydantic takes none for a bare dataclass
    return TypeAdapter(list[model], config=ConfigDict(allow_inf_nan=False, extra="forbid"))


def _wrong(error: Any) -> str:
    if error["type"] == "missing":
        return "missing"
    if error["type"] == "unexpected_keyword_argument":
        return "unknown key"
    return "empty" if error["input"] == "" else quoted(error["input"])


def _expected(error: Any, model: Any) -> str:
    ctx = error.get("ctx", {})
    match error["type"]:
        case "unexpected_keyword_argument":
            return "one of " + ", ".join(f.name for f in fields(model))
        case "finite_number" | "float_parsing" | "float_type":
            return "a finite number" + _bounds(model, error)
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "a whole number" + _bounds(model, error)
        case "greater_than":
            return f"more than {ctx['gt']:g}"
        case "greater_than_equal":
            return f"{ctx['ge']:g} or more"
        case "less_than_equal":
            return f"{ctx['le']:g} or less"
        case "literal_error" | "enum":
            return str(ctx["expected"])
        case "missing":
            return "a value"
    return str(error["msg"]).removeprefix("Input should be ").splitlines()[0]


def _bounds(model: Any, error: Any) -> str:
    """Return the bounds of the field in words, where they are plain."""
    field = _columns(model).get(str(error["loc"][-1]))
    words = []
    for rule in getattr(field.type, "__metadata__", ()) if field else ():
        match rule:
            case Ge(ge):
                words.append(f"{ge:g} or more")
            case Gt(gt):
                words.append(f"more than {gt:g}")
            case Le(le):
                words.append(f"{le:g} or less")
    return ", " + ", ".join(words) if words else ""
