"""A plan as a file: JSON that comes back unchanged, and CSV for a spreadsheet."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sized
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from vpp.errors import Fault, InvalidInput
from vpp.park.model import Park
from vpp.reports.plan_outages import outage_columns
from vpp.types import Array, Plan

FORMAT = "yuanwang.plan"
VERSION = 1

_UNITS = (
    ("cny_per_mwh", "CNY/MWh"),
    ("kg_per_h", "kg/h"),
    ("mwh", "MWh"),
    ("mw", "MW"),
    ("mvar", "Mvar"),
    ("kg", "kg"),
    ("pu", "pu"),
    ("percent", "%"),
)
_SIDE = {"bess": " DC", "caes": " air"}
_STORED = {
    "bess": "MWh in the battery, DC side",
    "caes": "MWh of air: charging adds AC x efficiency, a full discharge gives less AC",
}
"""What a plan's `e_mwh` counts, by kind of store."""
LEGEND = {
    "series": "by resource, load, tie and network; interval means, stores at the end of the step",
    "p_mw": "at the terminals, injection positive",
    **{f"e_mwh of {kind}": text for kind, text in _STORED.items()},
    "h2_kg": "kg: of the electrolyser made in the step, of the store held at its end",
    "import_mw, export_mw": "at the tie, both >= 0",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plan_to_json(plan: Plan) -> bytes:
    """Return the plan as a JSON document of format `yuanwang.plan`, version 1.

    Numbers are written so that they read back bit for bit. `gap` may be nan and becomes null;
    any other non-finite number raises ValueError, because no released plan holds one. `legend` tells
    a reader what the names alone do not; it is not read back.
    """
    body = msgspec.to_builtins(plan, enc_hook=_array_to_list)
    if math.isnan(plan.gap):
        body["gap"] = None
    bad = next(_non_finite(body, "plan"), None)
    if bad is not None:
        raise ValueError(f"{bad} is not a finite number")
    return msgspec.json.encode({"format": FORMAT, "version": VERSION, "legend": LEGEND, "plan": body})


def plan_from_json(data: bytes, *, file: str) -> Plan:
    """Read what `plan_to_json` wrote; `file` names the source in the InvalidInput it raises."""
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
        if (document.get("format"), document.get("version")) != (FORMAT, VERSION):
            raise msgspec.ValidationError(f"format {document.get('format')!r} {document.get('version')!r}")
        body = dict(document["plan"])
        if body.get("gap", 0.0) is None:
            body["gap"] = math.nan
        plan = msgspec.convert(body, Plan, dec_hook=_list_to_array)
        if wrong := _misfit(plan):
            raise ValueError(wrong)
        return plan
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
        fault = Fault(file=file, wrong=str(error), expected=f"a plan file {FORMAT} version {VERSION}")
        raise InvalidInput((fault,)) from error


def _misfit(plan: Plan) -> str:
    """Return in words what of a plan read from a file does not belong together; else ''."""
    if plan.steps < 1 or plan.step_min < 1 or any(t.tzinfo is None for t in (plan.start, plan.made_at)):
        return "no steps, or times without a zone"
    if not {"tie", "network"} <= plan.series.keys():
        return "no series of the tie and the network"
    groups: dict[str, Mapping[str, Sized]] = dict(plan.series)
    groups |= {
        "curtailment_cause": plan.curtailment_cause,
        "vm_pu": plan.vm_pu,
        "loading_percent": plan.loading_percent,
        "shadow_prices": plan.shadow_prices,
        "cost_by_step_cny": plan.cost_by_step_cny,
    }
    for group, series in groups.items():
        for name, values in series.items():
            if len(values) != plan.steps:
                return f"{group}.{name} has {len(values)} values for {plan.steps} steps"
    return ""


def read_plan(path: Path | str) -> Plan:
    """Return the plan in a file that `plan_to_json` wrote; InvalidInput where there is none."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        fault = Fault(file=str(path), wrong=error.strerror or "unreadable", expected="a plan.json")
        raise InvalidInput((fault,)) from error
    return plan_from_json(data, file=str(path))


def plan_to_csv(park: Park, plan: Plan) -> str:
    """Return one row per step: start in the plant's zone and UTC, then `NAME.series [unit]` columns.

    The stored energy of a CAES plant is `[MWh air]`, that of a battery `[MWh DC]`. Text that a
    spreadsheet would run as a formula is disarmed with a leading apostrophe (OWASP, "CSV Injection").
    """
    zone = ZoneInfo(park.site.zone)
    columns = dict(_columns(park, plan))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["start_local", "start_utc", *map(safe_cell, columns)])
    for step, start in enumerate(step_starts(plan)):
        local = start.astimezone(zone).isoformat(timespec="minutes")
        cells = [_cell(values[step]) for values in columns.values()]
        writer.writerow([local, start.astimezone(UTC).isoformat(timespec="minutes"), *cells])
    return out.getvalue()


def step_starts(plan: Plan) -> tuple[datetime, ...]:
    """Return the start of every step, UTC."""
    return tuple(plan.start + timedelta(minutes=plan.step_min * i) for i in range(plan.steps))


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def unit_of(series: str) -> str:
    """Return the unit that the name of a series ends in; `1` for counts and codes."""
    return next((unit for suffix, unit in _UNITS if series.endswith(suffix)), "1")


def price_unit(park: Park, name: str) -> str:
    """Return the unit of a shadow price by its name in `Plan.shadow_prices`."""
    kind, _, of = name.partition(":")
    if kind == "store":
        return "CNY/kg" if park.resources[of].kind == "h2_store" else "CNY/MWh"
    if kind == "demand_peak":
        return "CNY/MW"
    return "CNY/MWh"


def _columns(park: Park, plan: Plan) -> Iterator[tuple[str, Array | tuple[str, ...]]]:
    for name, group in plan.series.items():
        resource = park.resources.get(name)
        side = _SIDE.get(resource.kind, "") if resource else ""
        for series, values in group.items():
            unit = unit_of(series) + (side if series == "e_mwh" else "")
            yield f"{name}.{series} [{unit}]", values
    for name, causes in plan.curtailment_cause.items():
        yield f"{name}.curtailment_cause", causes
    for name, values in plan.shadow_prices.items():
        yield f"shadow {name} [{price_unit(park, name)}]", values
    for item, values in plan.cost_by_step_cny.items():
        yield f"cost {item} [CNY]", values
    for bus, values in plan.vm_pu.items():
        yield f"bus {bus}.vm_pu [pu]", values
    for branch, values in plan.loading_percent.items():
        yield f"branch {branch}.loading_percent [%]", values
    yield from outage_columns(plan)


def _cell(value: Any) -> str:
    return safe_cell(value) if isinstance(value, str) else f"{value:.9g}"


def _array_to_list(value: np.ndarray | np.generic) -> Any:
    return value.tolist()


def _list_to_array(kind: Any, value: Any) -> Any:
    assert kind == Array, f"a plan does not hold {kind}"
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("a series must be a flat list of finite numbers")
    return array


def _non_finite(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _non_finite(item, f"{path}.{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _non_finite(item, f"{path}[{i}]")
