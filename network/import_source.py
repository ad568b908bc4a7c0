"""Somebody else's grid as a solved pandapower net: from its JSON file, or from SimBench by code."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandapower as pp

from network.import_solved import FOREIGN, TABLES, line_of, refused, solved
from vpp.types import Array

_MODULES = ("pandapower.auxiliary", "pandas.core.frame", "pandas.core.series", "numpy")
"""What a net is made of; a file that names another module is refused before anything is imported."""
MAX_BYTES = 256 * 1024 * 1024
"""Greatest JSON file; assumption: 10,000 buses take about 15 MB."""
_SETTINGS = ("name", "f_hz", "sn_mva", "version", "format_version", "std_types")
_EMPTIED = frozenset({"controller", "measurement", "group"})
"""Tables whose rows hold objects of programs: counted, never brought to life."""
ZONE = ZoneInfo("Europe/Berlin")
"""Zone of SimBench's stamps: local time of 2016, the hour of October that comes twice written twice."""
STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A grid to import."""

    label: str
    """File name or SimBench code, for messages."""
    net: Any
    """pandapower net, solved."""
    counted: Mapping[str, int] = field(default_factory=dict)
    """Rows of tables that are not read, by table."""
    times: tuple[str, ...] = ()
    """Stamps of the year's profiles, ISO 8601 with offset; empty where there are none."""
    series: Mapping[str, Array] = field(default_factory=dict)
    """Per-unit profiles by name, shape (steps,)."""


def source_from_json(path: Path) -> Source:
    """Return the solved net in a pandapower JSON file; InvalidInput in words where there is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise refused(path.name, "larger than 256 MiB", "a smaller file")
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        wrong = "missing" if isinstance(error, FileNotFoundError) else f"unreadable ({error.strerror})"
        raise refused(path.name, wrong, "a file written by pandapower.to_json") from error
    except (ValueError, RecursionError) as error:
        raise refused(
            path.name, f"no JSON ({line_of(error)})", "a file written by pandapower.to_json"
        ) from error
    if not isinstance(tree, dict) or tree.get("_class") != "pandapowerNet":
        raise refused(path.name, "no pandapower net", "a file written by pandapower.to_json")
    tables = tree.get("_object")
    if not isinstance(tables, dict):
        raise refused(path.name, "a net without tables", "a file written by pandapower.to_json")
    counted = {table: _rows(tables.get(table)) for table in _EMPTIED}
    kept = {k: v for k, v in tables.items() if k in _SETTINGS or k in TABLES - _EMPTIED}
    strange = sorted(
        {text[:60] for text in map(str, _modules({**tree, "_object": kept})) if text not in _MODULES}
    )
    if strange:
        raise refused(path.name, f"objects of {', '.join(strange)}", f"objects of {', '.join(_MODULES)} only")
    try:
        net = pp.from_json_string(json.dumps({**tree, "_object": kept}), convert=True)
    except FOREIGN as error:
        version = str(tables.get("format_version", tables.get("version", "unknown")))[:20]
        wrong = (
            f"unreadable by pandapower {pp.__version__} ({line_of(error)}); the file's format is {version}"
        )
        raise refused(path.name, wrong, "a file of this or an older pandapower") from error
    return Source(label=path.name, net=solved(net, path.name), counted=counted)


def _modules(node: object) -> Iterator[object]:
    """Yield the modules that reading a serialised net would import, also those inside serialised tables."""
    if isinstance(node, Mapping):
        if "_module" in node:
            yield node["_module"]
        inner = node.get("_object")
        if isinstance(inner, str):
            with suppress(ValueError):
                yield from _modules(json.loads(inner))
    for value in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _modules(value)


def source_from_simbench(code: str) -> Source:
    """Return the solved grid of a SimBench code with its year of measured profiles.

    InvalidInput where the package `simbench` is missing or does not know the code.
    """
    if find_spec("simbench") is None:
        expected = 'the extra: pip install "yuanwang[simbench]"'
        raise refused("--simbench", "the package simbench is not installed", expected)
    simbench: Any = import_module("simbench")

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        near = [known for known in codes if known.startswith(code[:6])][:6]
        expected = "a code such as " + ", ".join(near or ["1-HV-mixed--0-no_sw", "1-MV-rural--0-no_sw"])
        raise refused("--simbench", f"unknown code {code[:60]!r}", expected)
    net = simbench.get_simbench_net(code)
    counted = {table: len(net[table]) for table in _EMPTIED if table in net}
    times, series = _profiles(net)
    return Source(label=code, net=solved(net, code), counted=counted, times=times, series=series)


def _profiles(net: Any) -> tuple[tuple[str, ...], dict[str, Array]]:
    series: dict[str, Array] = {}
    stamps: tuple[str, ...] = ()
    for table in ("load", "renewables", "powerplants", "storage"):
        frame = net.profiles.get(table)
        if frame is None or not len(frame):
            continue
        stamps = tuple(frame["time"])
        for column in frame.columns.drop("time"):
            series[str(column)] = frame[column].to_numpy(dtype=float)
    return _with_offset(stamps), series


def _with_offset(stamps: Sequence[str]) -> tuple[str, ...]:
    """Return local stamps of equal steps with their offset; InvalidInput where the steps are not equal."""
    if not stamps:
        return ()
    first = datetime.strptime(stamps[0], "%d.%m.%Y %H:%M").replace(tzinfo=ZONE).astimezone(timezone.utc)
    local = [(first + k * STEP).astimezone(ZONE) for k in range(len(stamps))]
    for time, stamp in zip(local, stamps, strict=True):
        if time.strftime("%d.%m.%Y %H:%M") != stamp:
            raise refused("--simbench", f"the stamp {stamp} of its profiles", f"{time:%d.%m.%Y %H:%M}")
    return tuple(time.isoformat() for time in local)


def _rows(table: object) -> int:
    """Return the rows of a serialised DataFrame without bringing it to life."""
    try:
        frame = json.loads(table["_object"]) if isinstance(table, dict) else {}
        return len(frame.get("index", frame.get("data", ())))
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0
