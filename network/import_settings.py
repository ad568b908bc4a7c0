"""`park.toml` of an imported grid: small10's prices and horizons, the grid's own limits and classes."""

import json
import tomllib
from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any

from network.import_carried import Carried, number
from network.import_source import Source
from network.import_units import Units
from vpp.park.draft import shipped_file
from vpp.types import Grid

DEFAULT_VM = (0.9, 1.1)
"""Voltage band where the source states none; EN 50160's +-10 %."""
SIMBENCH_ZONE = "Europe/Berlin"
LARGE = 60
"""Buses from which a rolling plan gets more than small10's deadline; assumption."""
DEADLINE_S = 10
"""That deadline, as chifeng96 has it."""


def settings_of(source: Source, on: Carried, name: str, grid: Grid, units: Units) -> dict[str, Any]:
    """Return the tree of `park.toml`; what is an assumption for this grid is told in `on.notes`."""
    tree: dict[str, Any] = tomllib.loads(shipped_file("park.toml").read_text(encoding="utf-8"))
    hydrogen_mw = sum(-r.p_min_mw for r in units.resources if r.kind == "electrolyzer")
    peak_mw = sum(load.p_peak_mw for load in units.loads) + hydrogen_mw
    tree["name"] = name
    tree["site"] = _site(source, on)
    if len(grid.buses) > LARGE:
        tree["horizon"]["planner_deadline_s"] = DEADLINE_S
    if hydrogen_mw:
        scale = hydrogen_mw / 50.0
        for key in ("initial_kg", "pipeline_daily_min_kg"):
            tree["hydrogen"][key] = tree["hydrogen"][key] * scale
    else:
        del tree["hydrogen"]
    tie_mw = sum(ext.p_import_max_mw for ext in grid.ext_grids)
    tree["tie"] |= {
        "import_max_mw": tie_mw,
        "export_max_mw": tie_mw,
        "month_peak_so_far_mw": 0.0,
        # what the loads may draw together: a lower one would price every import as a new month's peak
        "expected_month_peak_mw": min(tie_mw, peak_mw),
        "power_factor_min": 0.0,
    }
    tree["reserve"]["up_mw"] = 0.0
    tree["curtailment"]["export_forbidden"] = False
    tree["voltage_band"] = _bands(on)
    tree["generated"] = {"seed": 1}
    tree["contingency"] = contingency_classes(grid)
    on.notes.append("prices, tariff, carbon factor and horizons are small10's: put your own into park.toml")
    return tree


def _site(source: Source, on: Carried) -> dict[str, Any]:
    found = [
        (lon, lat) for text in on.net.bus.get("geo", ()) if (place := _point(text)) for lon, lat in [place]
    ]
    zone = SIMBENCH_ZONE if source.times else "Asia/Shanghai"
    if source.times and found:
        lon, lat = (sorted(values)[len(values) // 2] for values in zip(*found, strict=True))
        return {"name": source.label, "lat": lat, "lon": lon, "alt_m": 0, "zone": zone}
    on.notes.append("the site is Chifeng's: put your own [site] into park.toml")
    return {"name": source.label, "lat": 42.28, "lon": 118.95, "alt_m": 586, "zone": zone}


def _point(text: object) -> tuple[float, float] | None:
    """Return (lon, lat) of a GeoJSON point, or None."""
    try:
        lon, lat = json.loads(str(text))["coordinates"][:2]
        lon, lat = float(lon), float(lat)
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return (lon, lat) if abs(lat) <= 90 and abs(lon) <= 180 else None


def _bands(on: Carried) -> list[dict[str, float]]:
    """Return one band per nominal voltage: the narrowest that any of its buses states."""
    levels: dict[float, list[tuple[float, float]]] = {}
    for index, row in on.net.bus.iterrows():
        if on.live(index):
            low, high = number(row, "min_vm_pu", DEFAULT_VM[0]), number(row, "max_vm_pu", DEFAULT_VM[1])
            good = 0 < low < high
            levels.setdefault(float(row["vn_kv"]), []).append((low, high) if good else DEFAULT_VM)
    bands = []
    for vn_kv, limits in sorted(levels.items(), reverse=True):
        low, high = max(low for low, _ in limits), min(high for _, high in limits)
        if low >= high:
            low, high = DEFAULT_VM
        if len(set(limits)) > 1:
            on.notes.append(
                f"buses of {vn_kv:g} kV have several voltage bands: {low:g} to {high:g} pu for all"
            )
        bands.append({"vn_kv_min": vn_kv, "vn_kv_max": vn_kv, "vm_min_pu": low, "vm_max_pu": high})
    return bands


def contingency_classes(grid: Grid) -> list[dict[str, Any]]:
    """Return every branch in one class: radial where its loss cuts buses off, else preventive."""
    ends = {line.name: (line.from_bus, line.to_bus) for line in grid.lines}
    ends |= {trafo.name: (trafo.hv_bus, trafo.lv_bus) for trafo in grid.trafos}
    closed = [(s.bus_a, s.bus_b) for s in grid.switches if s.normal_state == "closed"]
    cut = _cuts_off(grid, list(ends.values()), closed)
    classes = {"preventive": [n for n, c in zip(ends, cut, strict=True) if not c]}
    classes["radial"] = [n for n, c in zip(ends, cut, strict=True) if c]
    return [{"class": kind, "outages": names} for kind, names in classes.items() if names]


def _cuts_off(grid: Grid, ends: Sequence[tuple[str, str]], closed: Sequence[tuple[str, str]]) -> list[bool]:
    """Return whether each branch is the only way to some bus: the bridges of the graph (Tarjan, 1974)."""
    order = {bus.name: k for k, bus in enumerate(grid.buses)}
    bulk = len(order)
    pairs = [(order[a], order[b]) for a, b in [*ends, *closed]]
    # every source is an entrance to one bulk grid, twice, so that it is no bridge itself
    pairs += 2 * [(order[ext.bus], bulk) for ext in grid.ext_grids]
    near: list[list[tuple[int, int]]] = [[] for _ in range(bulk + 1)]
    for edge, (a, b) in enumerate(pairs):
        near[a].append((b, edge))
        near[b].append((a, edge))
    depth, low, bridge = [-1] * (bulk + 1), [0] * (bulk + 1), [False] * len(pairs)
    depth[bulk] = low[bulk] = 0
    path = [(bulk, -1, iter(near[bulk]))]
    count = 1
    while path:
        node, entered, rest = path[-1]
        for other, edge in rest:
            if edge == entered:
                continue
            if depth[other] >= 0:
                low[node] = min(low[node], depth[other])
                continue
            depth[other] = low[other] = count
            count += 1
            path.append((other, edge, iter(near[other])))
            break
        else:
            path.pop()
            if path:
                parent = path[-1][0]
                low[parent] = min(low[parent], low[node])
                bridge[entered] = low[node] > depth[parent]
    return bridge[: len(ends)]


def tie_limit_mw(grid: Grid, on: Carried, draws_mw: float, injections_mw: float) -> float:
    """Return what the tie carries: the sources' own limits, else the branches at them, else all power.

    Rounded up to 10 MW.
    """
    stated = sum(ext.p_import_max_mw for ext in grid.ext_grids)
    if stated > 0:
        return stated
    at = {ext.bus for ext in grid.ext_grids}
    vn_kv = {bus.name: bus.vn_kv for bus in grid.buses}
    trafo_mva = {kind.name: kind.sn_mva for kind in grid.trafo_types}
    line_ka = {kind.name: kind.max_i_ka for kind in grid.line_types}
    carry = sum(trafo_mva[t.std_type] for t in grid.trafos if at & {t.hv_bus, t.lv_bus})
    carry += sum(
        3**0.5 * vn_kv[x.from_bus] * line_ka[x.std_type] for x in grid.lines if at & {x.from_bus, x.to_bus}
    )
    most = max(draws_mw, injections_mw)
    limit = carry if isfinite(carry) and 0 < carry < 100 * max(most, 1.0) else 2 * most
    on.notes.append(
        f"the tie carries {10 * ceil(limit / 10)} MW: the source states no limit, its branches do"
    )
    return float(10 * ceil(limit / 10))
