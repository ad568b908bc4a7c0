"""Somebody else's grid as a solved pandapower net: from its JSON file, or from SimBench by code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandapower as pp

from vpp.errors import Fault, InvalidInput
from vpp.types import Array

MAX_BYTES = 256 * 1024 * 1024
"""Greatest JSON file; assumption: 10,000 buses take about 15 MB."""
_SETTINGS = ("name", "f_hz", "sn_mva", "version", "format_version", "std_types")
_TABLES = frozenset(
    {
        *("bus", "load", "sgen", "gen", "storage", "ext_grid", "switch", "shunt", "impedance", "dcline"),
        *("line", "trafo", "trafo3w", "trafo_characteristic_table", "shunt_characteristic_table"),
        *("ward", "xward", "motor", "asymmetric_load", "asymmetric_sgen", "svc", "ssc", "tcsc", "vsc"),
        *("b2b_vsc", "bus_dc", "line_dc", "poly_cost", "pwl_cost", "controller", "measurement", "group"),
    }
)
"""What is read of a file; everything else in it (results, pictures, objects of programs) is passed over."""
_EMPTIED = frozenset({"controller", "measurement", "group"})
"""Tables whose rows hold objects of programs: counted, never brought to life."""
_FIGURES: Mapping[str, tuple[str, ...]] = {
    "bus": ("vn_kv",),
    "line": ("length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka"),
    "trafo": ("sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent"),
    "load": ("p_mw", "q_mvar"),
    "sgen": ("p_mw", "q_mvar"),
    "gen": ("p_mw", "vm_pu"),
    "ext_grid": ("vm_pu",),
}
"""Columns that must be finite numbers."""
_ENDS: Mapping[str, tuple[str, ...]] = {
    **{
        "line": ("from_bus", "to_bus"),
        "trafo": ("hv_bus", "lv_bus"),
        "trafo3w": ("hv_bus", "mv_bus", "lv_bus"),
    },
    **dict.fromkeys(("load", "sgen", "gen", "storage", "ext_grid", "shunt", "switch"), ("bus",)),
}
"""Columns that must name a bus."""
_PLAIN = {
    "in_service": True,
    "closed": True,
    "slack": False,
    "parallel": 1,
    "df": 1.0,
    "scaling": 1.0,
    "step": 1,
}
"""What a row has where its table lacks the column; else nothing."""
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
            raise _refused(path.name, "larger than 256 MiB", "a smaller file")
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        wrong = "missing" if isinstance(error, FileNotFoundError) else f"unreadable ({error.strerror})"
        raise _refused(path.name, wrong, "a file written by pandapower.to_json") from error
    except (ValueError, RecursionError) as error:
        raise _refused(
            path.name, f"no JSON ({_line(error)})", "a file written by pandapower.to_json"
        ) from error
    if not isinstance(tree, dict) or tree.get("_class") != "pandapowerNet":
        raise _refused(path.name, "no pandapower net", "a file written by pandapower.to_json")
    tables = tree.get("_object")
    if not isinstance(tables, dict):
        raise _refused(path.name, "a net without tables", "a file written by pandapower.to_json")
    counted = {table: _rows(tables.get(table)) for table in _EMPTIED}
    kept = {k: v for k, v in tables.items() if k in _SETTINGS or k in _TABLES - _EMPTIED}
    try:
        net = pp.from_json_string(json.dumps({**tree, "_object": kept}), convert=True)
    except Exception as error:  # a foreign parser on foreign input: whatever it says becomes a fault
        version = str(tables.get("format_version", tables.get("version", "unknown")))[:20]
        wrong = f"unreadable by pandapower {pp.__version__} ({_line(error)}); the file's format is {version}"
        raise _refused(path.name, wrong, "a file of this or an older pandapower") from error
    return Source(label=path.name, net=solved(net, path.name), counted=counted)


def source_from_simbench(code: str) -> Source:
    """Return the solved grid of a SimBench code with its year of measured profiles.

    InvalidInput where the package `simbench` is missing or does not know the code.
    """
    if find_spec("simbench") is None:
        expected = 'the extra: pip install "yuanwang[simbench]"'
        raise _refused("--simbench", "the package simbench is not installed", expected)
    simbench: Any = import_module("simbench")

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        near = [known for known in codes if known.startswith(code[:6])][:6]
        expected = "a code such as " + ", ".join(near or ["1-HV-mixed--0-no_sw", "1-MV-rural--0-no_sw"])
        raise _refused("--simbench", f"unknown code {code[:60]!r}", expected)
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
            raise _refused("--simbench", f"the stamp {stamp} of its profiles", f"{time:%d.%m.%Y %H:%M}")
    return tuple(time.isoformat() for time in local)


def solved(net: Any, label: str) -> Any:
    """Return the net with the results of `runpp`; InvalidInput where it has none."""
    _complete(net, label)
    if not len(net.bus):
        raise _refused(label, "a net without buses", "buses, branches and an external grid")
    if not _in_service(net, "ext_grid") and not (len(net.gen) and bool(net.gen.slack.any())):
        raise _refused(label, "no external grid in service", "one ext_grid or more: the tie of the park")
    _finite(net, label)
    try:
        pp.runpp(net, numba=False)
    except pp.LoadflowNotConverged as error:
        expected = "a net that pandapower.runpp solves"
        raise _refused(label, "the power flow of the net does not converge", expected) from error
    except Exception as error:  # a foreign solver on foreign input: whatever it says becomes a fault
        wrong = f"pandapower.runpp fails ({_line(error)})"
        raise _refused(label, wrong, "a net that pandapower.runpp solves") from error
    if not np.isfinite(net.res_bus.vm_pu.to_numpy(dtype=float)).any():
        raise _refused(label, "no bus is fed", "an external grid that feeds buses")
    return net


def _in_service(net: Any, table: str) -> int:
    return int(net[table].in_service.astype(bool).sum()) if len(net[table]) else 0


def _complete(net: Any, label: str) -> None:
    """Refuse tables without the columns that say everything, and give the others what they lack."""
    plain = pp.create_empty_network()
    lacking = {
        t: [c for c in plain[t].columns if c not in net[t]] for t in _TABLES if t in plain and t in net
    }
    faults = [
        Fault(
            file=label, field=table, wrong=f"no column {column}", expected="a table as pandapower writes it"
        )
        for table, columns in lacking.items()
        for column in columns
        if column in (*_FIGURES.get(table, ()), *_ENDS.get(table, ())) and len(net[table])
    ]
    if faults:
        raise InvalidInput(tuple(faults))
    for table, columns in lacking.items():
        for column in columns:
            net[table][column] = _PLAIN.get(column, np.nan)


def _finite(net: Any, label: str) -> None:
    """Refuse rows whose figures are no numbers before a solver stumbles over them."""
    faults = []
    for table, columns in _FIGURES.items():
        for column in columns:
            values = np.array([_float(value) for value in net[table][column]])
            for i in np.flatnonzero(~np.isfinite(values))[:5]:
                field_name = f"{table}[{net[table].index[i]}].{column}"
                faults.append(
                    Fault(file=label, field=field_name, wrong=str(values[i]), expected="a finite number")
                )
    faults += _unknown_buses(net, label)
    if faults:
        raise InvalidInput(tuple(faults))


def _unknown_buses(net: Any, label: str) -> list[Fault]:
    faults = []
    for table, columns in _ENDS.items():
        for column in columns:
            lost = net[table].index[~net[table][column].isin(net.bus.index).to_numpy(dtype=bool)]
            faults += [
                Fault(
                    file=label,
                    field=f"{table}[{i}].{column}",
                    wrong=f"unknown bus {net[table].at[i, column]}",
                    expected="a row of bus",
                )
                for i in lost[:5]
            ]
    return faults


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _rows(table: object) -> int:
    """Return the rows of a serialised DataFrame without bringing it to life."""
    try:
        frame = json.loads(table["_object"]) if isinstance(table, dict) else {}
        return len(frame.get("index", frame.get("data", ())))
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0


def _refused(where: str, wrong: str, expected: str) -> InvalidInput:
    return InvalidInput((Fault(file=where, wrong=wrong, expected=expected),))


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
