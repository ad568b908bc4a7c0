"""Loads, plants and stores of somebody else's net as loads and resources of a park."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from network.import_carried import Carried
from network.import_elements import FIXED, Unit, elements_of
from network.import_source import Source
from vpp.park.placement import resource_params
from vpp.types import Array, Endpoint, Load, NoticeClass, Resource, Shunt
from vpp.types.park import OperatingPoint

NOWHERE = Endpoint(register_map="", host="127.0.0.1", port=0, unit=1)
"""Stands in until the whole park is numbered."""
_LOST = ("tcsc", "vsc", "b2b_vsc", "line_dc", "bus_dc")
"""Tables that a park has no counterpart for."""
_WORDS = {"wind": ("wind",), "pv": ("pv", "solar", "photovoltaic", "rooftop")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Which column of the year's profiles feeds an element."""

    element: str
    column: str
    scale_mw: float
    """MW at 1 of the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Everything that injects power."""

    resources: tuple[Resource, ...]
    loads: tuple[Load, ...]
    statcoms: tuple[Shunt, ...]
    params: Mapping[str, Mapping[str, Any]]
    operating_point: tuple[OperatingPoint, ...]
    feeds: tuple[Feed, ...]


def units_of(source: Source, on: Carried) -> Units:
    """Return loads and resources of the net, and tell what had to change in `on.notes`."""
    builder = _Builder(source, on)
    for unit in elements_of(on.net):
        if on.live(unit.bus):
            builder.add(unit)
    builder.tell()
    _tell_lost(source, on)
    return Units(
        resources=tuple(builder.resources),
        loads=tuple(builder.loads),
        statcoms=tuple(builder.statcoms),
        params=builder.params,
        operating_point=tuple(builder.points),
        feeds=tuple(builder.feeds),
    )


class _Builder:
    """Collects rows; each element of the net goes to the nearest thing a park has."""

    def __init__(self, source: Source, on: Carried) -> None:
        self.source, self.on = source, on
        self.resources: list[Resource] = []
        self.loads: list[Load] = []
        self.statcoms: list[Shunt] = []
        self.params: dict[str, Mapping[str, Any]] = {}
        self.points: list[OperatingPoint] = []
        self.feeds: list[Feed] = []
        self.count = {"idle": 0, "leading": 0, "fixed": 0, "held": 0, "other": 0, "sunny": 0, "constant": 0}

    def add(self, unit: Unit) -> None:
        """Take one element."""
        if unit.table == "storage" and unit.e_mwh > 0 and max(unit.s_mva, unit.rated_mw) > 0:
            self._battery(unit)
        elif unit.rated_mw == 0 and unit.q_mvar == 0:
            self.count["idle"] += 1
            return
        elif unit.rated_mw == 0 and unit.table in ("gen", "svc", "ssc", "xward"):
            self._statcom(unit)
        elif (
            unit.table == "load"
            or (unit.table not in ("sgen", "gen") and unit.p_mw <= 0)
            or unit.nominal_mw < 0
        ):
            self._load(unit)
        else:
            self._plant(unit)
        if unit.table == "gen":
            self.count["held"] += 1
        elif unit.table in (*FIXED, "dcline"):
            self.count["constant"] += 1

    def _name(self, unit: Unit, point_p_mw: float) -> str:
        name = self.on.names.give(
            (unit.table, unit.index, unit.bus), unit.name, f"{unit.table.upper()}{unit.index}"
        )
        self.points.append(OperatingPoint(element=name, p_mw=point_p_mw, q_mvar=unit.q_mvar))
        return name

    def _feed(self, unit: Unit, name: str) -> bool:
        # a load and a plant may bear one profile name that stands for two columns
        column = f"{unit.profile}_pload" if unit.table == "load" else unit.profile
        if unit.profile and column in self.source.series and unit.nominal_mw:
            self.feeds.append(Feed(element=name, column=column, scale_mw=abs(unit.nominal_mw)))
            return True
        return False

    def _load(self, unit: Unit) -> None:
        name = self._name(unit, unit.p_mw)
        self._feed(unit, name)
        p, q = -unit.p_mw, -unit.q_mvar
        tan = q / p if p > 0 else 0.0
        if unit.profile:
            tan = _yearly_tan(self.source.series, unit.profile, tan)
        self.count["leading"] += tan < 0 or (p <= 0 and q != 0)
        self.loads.append(_load_row(unit, name, self.on.bus(unit.bus), max(tan, 0.0)))

    def _plant(self, unit: Unit) -> None:
        name = self._name(unit, unit.p_mw)
        kind = next((k for k, words in _WORDS.items() if any(w in unit.word.lower() for w in words)), "")
        fed = self._feed(unit, name)
        if not kind and fed:
            kind = "pv" if _follows_sun(self.source.series[self.feeds[-1].column]) else "wind"
            self.count["sunny" if kind == "pv" else "other"] += 1
        if not kind:
            kind = "chp"
            self.count["fixed"] += 1
        q_per_p = float(np.clip(round(unit.q_mvar / unit.p_mw, 4), -1, 1)) if unit.p_mw else 0.0
        own: dict[str, Any] = {"q_per_p": q_per_p}
        if kind == "chp":
            least = min(unit.least_mw, unit.rated_mw) if unit.table == "gen" else unit.rated_mw
            own["p_min_mw"] = least
        self._resource(unit, name, kind, own, p_min_mw=0.0, p_max_mw=unit.rated_mw)

    def _battery(self, unit: Unit) -> None:
        name = self._name(unit, unit.p_mw)
        most = max(unit.s_mva, unit.rated_mw)
        self._resource(unit, name, "bess", {}, p_min_mw=-most, p_max_mw=most)

    def _resource(
        self, unit: Unit, name: str, kind: str, own: Mapping[str, Any], *, p_min_mw: float, p_max_mw: float
    ) -> None:
        tree = {**resource_params(kind, max(p_max_mw, -p_min_mw)), **own}
        known = next((ref for ref, other in self.params.items() if other == tree), None)
        ref = known or f"{kind}_{len(self.params) + 1}"
        self.params[ref] = tree
        circle = max(unit.s_mva, hypot(unit.p_mw, unit.q_mvar), p_max_mw, -p_min_mw)
        self.resources.append(
            Resource(
                id=name,
                kind=kind,
                bus=self.on.bus(unit.bus),
                p_max_mw=p_max_mw,
                p_min_mw=p_min_mw,
                s_mva=circle,
                e_mwh=unit.e_mwh if kind == "bess" else None,
                params_ref=ref,
                endpoint=NOWHERE,
            )
        )

    def _statcom(self, unit: Unit) -> None:
        name = self._name(unit, 0.0)
        # twice what it gives now where nothing states its rating; assumption
        most = max(unit.s_mva, 2 * abs(unit.q_mvar))
        self.statcoms.append(
            Shunt(name=name, bus=self.on.bus(unit.bus), kind="statcom", q_mvar=most, steps=0)
        )

    def tell(self) -> None:
        """Add what happened to `on.notes`, in words."""
        words = {
            "idle": "elements of 0 MW and 0 Mvar are left out",
            "leading": "loads with leading or lone reactive power: plans take their power factor as 1",
            "held": "voltage-controlled generators are carried at their solved reactive power",
            "fixed": "plants without a kind the park knows are carried as CHP units (a band, a ramp, a fuel)",
            "other": "plants that are neither wind nor sun follow their own series like wind: they may be "
            "curtailed, never raised",
            "sunny": "plants without a kind are PV plants: their series stand still at night",
            "constant": "wards, motors, FACTS, unbalanced elements and ends of DC lines are carried as "
            "constant power at their solved state",
        }
        self.on.notes += [f"{self.count[key]} {text}" for key, text in words.items() if self.count[key]]


def _follows_sun(series: Array) -> bool:
    """Return whether nothing comes for three tenths of the year, as at night (assumption)."""
    return bool(np.mean(series <= 1e-3 * series.max()) > 0.3)


def _yearly_tan(series: Mapping[str, Array], profile: str, tan: float) -> float:
    """Return Q/P of the year's mean, where the profiles hold both; else `tan` of the nominal values."""
    p, q = series.get(f"{profile}_pload"), series.get(f"{profile}_qload")
    if p is None or q is None or p.mean() <= 0:
        return tan
    return float(tan * q.mean() / p.mean())


def _load_row(unit: Unit, name: str, bus: str, tan: float) -> Load:
    text = unit.name if isinstance(unit.name, str) else name
    return Load(
        id=name,
        name="".join(c if c.isprintable() else "?" for c in text)[:60] or name,
        bus=bus,
        sector=unit.profile or "imported",
        p_peak_mw=max(-unit.p_mw, -unit.nominal_mw, 0.0),
        load_factor=1.0,
        pf=1 / (1 + tan**2) ** 0.5,
        profile="flat24",
        interruptible_share=0.0,
        continuous_modulation_share=0.0,
        priority=5,
        notice_class=NoticeClass.NEVER,
        shed_actuator="none",
        shed_time_ms=0.0,
        max_shed_min=0.0,
        min_between_sheds_min=0.0,
        restart_min=0.0,
        contract_energy_cny_per_kwh=0.0,
        contract_capacity_cny_per_kw_month=0.0,
        voll_cny_per_kwh=60.0,
        blocks=0,
        max_calls_per_day=0,
        restart_cost_cny=0.0,
        rebound_share=0.0,
        endpoint=NOWHERE,
    )


def _tell_lost(source: Source, on: Carried) -> None:
    net = on.net
    if len(net.load) and any(
        float(np.nansum(np.abs(net.load[c].to_numpy(dtype=float))))
        for c in net.load.columns
        if c.startswith("const_")
    ):
        on.notes.append("loads that depend on voltage are carried as constant power at their solved state")
    for table in _LOST:
        if table in net and len(net[table]):
            on.notes.append(f"{len(net[table])} rows of {table} have no counterpart and are left out")
    costs = sum(len(net[table]) for table in ("poly_cost", "pwl_cost"))
    if costs:
        on.notes.append(f"{costs} cost functions are left out: prices stand in park.toml and params/")
    for table, count in sorted(source.counted.items()):
        if count:
            on.notes.append(f"{count} rows of {table} are left out")
