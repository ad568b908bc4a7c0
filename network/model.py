"""A park as a pandapower net: one sign table, one index table, one reactive rule."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import pandapower as pp

from network.empty import empty_net
from vpp.devices import Ammonia, Chp, Electrolyzer, Pv, Wind, q_limits
from vpp.park.model import Park
from vpp.types import Array, Grid

Power = TypeVar("Power", float, Array)
"""One power or an array of them, MW or Mvar."""
SIGN: Mapping[str, int] = MappingProxyType({"sgen": 1, "load": -1, "storage": -1, "ext_grid": 1})
"""Injection-positive power times this is pandapower's own sign; an ext_grid's import is positive."""

TABLE: Mapping[str, str] = MappingProxyType(
    {
        "wind": "sgen",
        "pv": "sgen",
        "bess": "storage",
        "caes": "storage",
        "electrolyzer": "load",
        "h2_store": "load",
        "ammonia": "load",
        "chp": "sgen",
    }
)
"""Device kind -> pandapower table, chosen so that a person who opens the net sees what is what."""

SHORT_TIME = ("short_time_percent", "short_time_min")
"""Columns of our own in pandapower's tables."""


def elements(park: Park) -> tuple[str, ...]:
    """Return the ids of everything that injects power: resources, then loads, in file order."""
    return (*park.resources, *park.loads)


def table_of(park: Park, element: str) -> str:
    """Return the pandapower table that holds a resource or load; KeyError for an unknown id."""
    return "load" if element in park.loads else TABLE[park.resources[element].kind]


def index_table(net: pp.pandapowerNet) -> Mapping[str, tuple[str, int]]:
    """Return name -> (pandapower table, index) of all rows but buses.

    A resource or load wins where a branch or bank bears the same name.
    """
    tables = ("line", "trafo", "shunt", "switch", "ext_grid", "sgen", "load", "storage")
    return {str(name): (table, int(i)) for table in tables for i, name in net[table]["name"].items()}


def to_pandapower(park: Park) -> pp.pandapowerNet:
    """Return the park's grid with every resource and load at 0 MW.

    Buses keep the ids of their table. Lines and transformers carry the park's own type data, with
    `max_loading_percent` 100 and the short-time rating in `short_time_percent` (percent) and
    `short_time_min` (minutes). Taps are of type Ratio at the table's positions: without the type
    pandapower 3 ignores taps. Shunt banks are wholly in; a statcom is a static generator of type
    `statcom` at 0.
    """
    net = empty_net(park.name)
    buses = park.grid.buses
    columns = _columns(buses, index="id", **_alike("name", "zone", "vn_kv"))
    pp.create_buses(net, len(buses), **columns)
    bus_of = {bus.name: bus.id for bus in buses}
    _add_lines(net, park.grid, bus_of)
    _add_trafos(net, park.grid, bus_of)
    _add_shunts(net, park.grid, bus_of)
    for switch in park.grid.switches:
        ends = bus_of[switch.bus_a], bus_of[switch.bus_b]
        closed = switch.normal_state == "closed"
        pp.create_switch(net, *ends, et="b", closed=closed, type=switch.type, name=switch.name)
    for ext in park.grid.ext_grids:
        pp.create_ext_grid(
            net,
            bus_of[ext.bus],
            vm_pu=ext.vm_pu,
            va_degree=ext.va_degree,
            name=ext.name,
            s_sc_max_mva=ext.s_sc_max_mva,
            s_sc_min_mva=ext.s_sc_min_mva,
            rx_max=ext.rx_max,
            rx_min=ext.rx_max,
            max_p_mw=ext.p_import_max_mw,
            min_p_mw=-ext.p_export_max_mw,
        )
    _add_elements(net, park, bus_of)
    return net


def _columns(rows: Sequence[Any], **attribute_of: str) -> dict[str, list[Any]]:
    """Return one list per column: rows one by one would cost pandapower milliseconds each."""
    return {column: [getattr(row, name) for row in rows] for column, name in attribute_of.items()}


def _alike(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _add_lines(net: pp.pandapowerNet, grid: Grid, bus_of: Mapping[str, int]) -> None:
    if not grid.lines:
        return
    types = {t.name: t for t in grid.line_types}
    electric = _alike("r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "g_us_per_km", "max_i_ka", *SHORT_TIME)
    pp.create_lines_from_parameters(
        net,
        [bus_of[line.from_bus] for line in grid.lines],
        [bus_of[line.to_bus] for line in grid.lines],
        max_loading_percent=100.0,
        **_columns(grid.lines, **_alike("name", "length_km")),
        **_columns([types[line.std_type] for line in grid.lines], **electric),
    )


def _add_trafos(net: pp.pandapowerNet, grid: Grid, bus_of: Mapping[str, int]) -> None:
    if not grid.trafos:
        return
    types = {t.name: t for t in grid.trafo_types}
    plate = _alike("sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent")
    tap = _alike("shift_degree", "tap_side", "tap_min", "tap_max", "tap_step_percent", *SHORT_TIME)
    pp.create_transformers_from_parameters(
        net,
        [bus_of[trafo.hv_bus] for trafo in grid.trafos],
        [bus_of[trafo.lv_bus] for trafo in grid.trafos],
        tap_neutral=0,
        tap_changer_type="Ratio",
        max_loading_percent=100.0,
        **_columns(grid.trafos, **_alike("name", "tap_pos")),
        **_columns([types[trafo.std_type] for trafo in grid.trafos], **plate, **tap),
    )


def _add_shunts(net: pp.pandapowerNet, grid: Grid, bus_of: Mapping[str, int]) -> None:
    banks = [shunt for shunt in grid.shunts if shunt.kind != "statcom"]
    statcoms = [shunt for shunt in grid.shunts if shunt.kind == "statcom"]
    if banks:
        pp.create_shunts(
            net,
            [bus_of[bank.bus] for bank in banks],
            q_mvar=[bank.q_mvar / bank.steps for bank in banks],
            p_mw=[bank.p_mw / bank.steps for bank in banks],
            **_columns(banks, name="name", step="steps", max_step="steps"),
        )
    for statcom in statcoms:
        pp.create_sgen(net, bus_of[statcom.bus], p_mw=0.0, q_mvar=0.0, name=statcom.name, type="statcom")


def _add_elements(net: pp.pandapowerNet, park: Park, bus_of: Mapping[str, int]) -> None:
    kind = {e: park.resources[e].kind for e in park.resources} | {e: i.sector for e, i in park.loads.items()}
    bus = {e: i.bus for e, i in park.resources.items()} | {e: i.bus for e, i in park.loads.items()}
    for table in ("sgen", "storage", "load"):
        names = [e for e in elements(park) if table_of(park, e) == table]
        if not names:
            continue
        at, what = [bus_of[bus[e]] for e in names], [kind[e] for e in names]
        if table == "sgen":
            pp.create_sgens(net, at, p_mw=0.0, name=names, type=what)
        elif table == "storage":
            e_mwh = [park.resources[e].e_mwh or float("nan") for e in names]
            pp.create_storages(net, at, p_mw=0.0, max_e_mwh=e_mwh, name=names, type=what)
        else:
            pp.create_loads(net, at, p_mw=0.0, name=names, type=what)


def inject(net: pp.pandapowerNet, p_mw: Mapping[str, float], q_mvar: Mapping[str, float]) -> None:
    """Write injections (positive into the grid) by id into a net of `to_pandapower`, in place."""
    index = index_table(net)
    for values, column in ((p_mw, "p_mw"), (q_mvar, "q_mvar")):
        for element, value in values.items():
            table, i = index[element]
            net[table].at[i, column] = SIGN[table] * value


def place(net: pp.pandapowerNet, park: Park, positions: Mapping[str, float]) -> None:
    """Write positions by actuator id into a net of `to_pandapower`, in place."""
    column = {"tap": ("trafo", "tap_pos"), "shunt": ("shunt", "step"), "statcom": ("sgen", "q_mvar")}
    for actuator, position in positions.items():
        row = park.actuators[actuator]
        table, name = column[row.kind]
        here = net[table]["name"] == row.element
        if row.kind == "statcom":
            here &= net[table]["type"] == "statcom"
        net[table].loc[here, name] = position if row.kind == "statcom" else round(position)


def q_mvar(park: Park, element: str, p_mw: Power) -> Power:
    """Return the reactive injection that goes with an active one, both positive into the grid.

    Loads draw by their lagging power factor, wind, PV and electrolysers follow `q_per_p` of their
    parameters; batteries, CAES and hydrogen stores 0. Devices that give Q by command leave this rule as
    soon as the reactive plan sets them (`network.reactive`).
    """
    return p_mw * q_per_p(park, element)


def commands_q(park: Park, element: str) -> bool:
    """Return whether an element gives Q by command; loads and the like follow their fixed rule."""
    device = park.devices.get(element)
    if device is None:
        return False
    low, high = q_limits(device, device.resource.p_max_mw / 2)
    return low < high


def q_per_p(park: Park, element: str) -> float:
    """Return dQ/dP of an element (Mvar per MW, injection signs); KeyError for an unknown id."""
    load = park.loads.get(element)
    if load is not None:
        return float((1 - load.pf**2) ** 0.5 / load.pf)
    device = park.devices[element]
    return device.params.q_per_p if isinstance(device, Wind | Pv | Electrolyzer | Ammonia | Chp) else 0.0
