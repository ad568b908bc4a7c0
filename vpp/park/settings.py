"""`park.toml`: site, horizon, contracts, tariff, voltage bands, profiles."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vpp.errors import Fault
from vpp.park.model import (
    AmmoniaContract,
    Approval,
    CarbonContract,
    Contingency,
    Contracts,
    CurtailmentContract,
    GeneratedProfile,
    Horizon,
    HydrogenContract,
    InitialState,
    Operate,
    ReserveContract,
    Security,
    TariffPeriod,
    TieContract,
    VoltageBand,
)
from vpp.park.series_entry import SeriesEntry
from vpp.park.tables import NAME_PATTERN, build, quoted, read_toml
from vpp.types import Site

T = TypeVar("T")
FILE = "park.toml"

_SINGLE = {
    "site": Site,
    "horizon": Horizon,
    "hydrogen": HydrogenContract,
    "ammonia": AmmoniaContract,
    "carbon": CarbonContract,
    "tie": TieContract,
    "reserve": ReserveContract,
    "curtailment": CurtailmentContract,
    "initial": InitialState,
    "approval": Approval,
    "operate": Operate,
    "security": Security,
    "generated": GeneratedProfile,
}
_OPTIONAL = {"hydrogen", "ammonia", "approval", "operate", "security"}
_LISTS = {
    "tariff": TariffPeriod,
    "voltage_band": VoltageBand,
    "contingency": Contingency,
    "profile": SeriesEntry,
}
_LISTS_MAY_LACK = {"profile"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of `park.toml`."""

    name: str
    site: Site
    horizon: Horizon
    contracts: Contracts
    tariff: tuple[TariffPeriod, ...]
    voltage_bands: tuple[VoltageBand, ...]
    approval: Approval
    operate: Operate
    security: Security | None
    generated: GeneratedProfile
    profiles: tuple[SeriesEntry, ...]


def read_settings(folder: Path, faults: list[Fault]) -> Settings | None:
    """Return the settings, or None where `faults` were added."""
    tree = read_toml(folder, FILE, faults)
    if tree is None:
        return None
    before = len(faults)
    faults.extend(_unknown(key) for key in tree if key not in {"name", *_SINGLE, *_LISTS})
    name = tree.get("name")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        wrong = "missing" if name is None else quoted(name)
        faults.append(
            Fault(file=FILE, field="name", wrong=wrong, expected="letters, digits, _, - or . (not in front)")
        )
    parts: dict[str, Any] = {key: _section(tree, key, model, faults) for key, model in _SINGLE.items()}
    parts |= {key: _entries(tree, key, model, faults) for key, model in _LISTS.items()}
    if len(faults) > before:
        return None
    return Settings(
        name=str(name),
        site=parts["site"],
        horizon=parts["horizon"],
        contracts=Contracts(
            hydrogen=parts["hydrogen"],
            ammonia=parts["ammonia"],
            carbon=parts["carbon"],
            tie=parts["tie"],
            reserve=parts["reserve"],
            curtailment=parts["curtailment"],
            initial=parts["initial"],
            contingencies=parts["contingency"],
        ),
        tariff=parts["tariff"],
        voltage_bands=parts["voltage_band"],
        approval=parts["approval"] or Approval(mode="automatic"),
        operate=parts["operate"] or Operate(),
        security=parts["security"],
        generated=parts["generated"],
        profiles=parts["profile"],
    )


def _section(tree: dict[str, Any], key: str, model: Callable[..., T], faults: list[Fault]) -> T | None:
    if key not in tree:
        if key not in _OPTIONAL:
            faults.append(Fault(file=FILE, field=key, wrong="missing", expected=f"a table [{key}]"))
        return None
    return _value(tree[key], key, model, faults)


def _entries(tree: dict[str, Any], key: str, model: Callable[..., T], faults: list[Fault]) -> tuple[T, ...]:
    rows = tree.get(key, [])
    if not isinstance(rows, list) or (not rows and key not in _LISTS_MAY_LACK):
        faults.append(Fault(file=FILE, field=key, wrong="missing", expected=f"entries [[{key}]]"))
        return ()
    values = (_value(row, f"{key}[{i + 1}]", model, faults) for i, row in enumerate(rows))
    return tuple(value for value in values if value is not None)


def _value(raw: object, label: str, model: Callable[..., T], faults: list[Fault]) -> T | None:
    if not isinstance(raw, dict):
        faults.append(Fault(file=FILE, field=label, wrong=quoted(raw), expected="a table"))
        return None
    record: dict[str, object] = dict(raw)
    if model is Contingency and "class" in record:
        record["kind"] = record.pop("class")
    if model is TariffPeriod:
        record.setdefault("months", [])
    found: list[Fault] = []
    value = build(model, record, FILE, None, found)
    faults.extend(
        Fault(file=FILE, field=_path(label, fault.field), wrong=fault.wrong, expected=fault.expected)
        for fault in found
    )
    return value


def _path(label: str, field: str | None) -> str:
    if label.startswith("contingency") and field == "kind":
        field = "class"
    return f"{label}.{field}" if field else label


def _unknown(key: str) -> Fault:
    known = ", ".join(["name", *_SINGLE, *_LISTS])
    return Fault(file=FILE, field=quoted(key), wrong="unknown key", expected=f"one of {known}")
