"""Somebody else's net as the tables of a park's grid: sources, transformers, shunts, and all together."""

from collections.abc import Iterator

from network.import_carried import PARALLEL_MAX, Carried, number, open_end, open_ends
from network.import_lines import couplers_of, impedances_of, lines_of
from network.import_trafos import Leg, legs
from vpp.types import ExtGrid, Grid, Shunt, Switch, Trafo, TrafoType

S_SC_MAX_MVA, S_SC_MIN_MVA, RX_MAX = 10000.0, 5000.0, 0.1
"""Short-circuit data of an external grid that states none; assumption, a strong grid."""


def grid_of(on: Carried) -> Grid:
    """Return the tables of `grid/`; rows without a counterpart are left out and stand in `on.faults`."""
    ext_grids = tuple(_ext_grids(on))
    switches: list[Switch] = []
    lines = [*lines_of(on, switches), *impedances_of(on), *couplers_of(on, switches)]
    trafos = _trafos(on, switches)
    shunts = tuple(_shunts(on))
    return Grid(
        buses=tuple(on.buses),
        lines=tuple(lines),
        line_types=tuple(on.line_types.values()),
        trafos=tuple(trafos),
        trafo_types=tuple(on.trafo_types.values()),
        shunts=shunts,
        switches=tuple(switches),
        ext_grids=ext_grids,
    )


def _ext_grids(on: Carried) -> Iterator[ExtGrid]:
    net, taken = on.net, set()
    angles = bool(net._options["calculate_voltage_angles"])
    rows = [("ext_grid", i, row) for i, row in net.ext_grid.iterrows()]
    rows += [("gen", i, row) for i, row in net.gen.iterrows() if bool(row["slack"])]
    for table, index, row in rows:
        if not bool(row["in_service"]) or not on.live(row["bus"]):
            continue
        if int(row["bus"]) in taken:
            on.notes.append(f"{table}[{index}] is a second source of its bus and left out")
            continue
        taken.add(int(row["bus"]))
        if table == "gen":
            on.notes.append(f"gen[{index}] holds the slack and becomes an external grid")
        most = number(row, "max_p_mw", 0.0)
        yield ExtGrid(
            name=on.names.give((table, index), row["name"], f"EXT{index}"),
            bus=on.bus(row["bus"]),
            vm_pu=float(row["vm_pu"]),
            va_degree=number(row, "va_degree", 0.0) if angles else 0.0,
            s_sc_max_mva=number(row, "s_sc_max_mva", S_SC_MAX_MVA) or S_SC_MAX_MVA,
            s_sc_min_mva=number(row, "s_sc_min_mva", S_SC_MIN_MVA) or S_SC_MIN_MVA,
            rx_max=abs(number(row, "rx_max", RX_MAX)),
            p_import_max_mw=max(most, 0.0),
            p_export_max_mw=max(-number(row, "min_p_mw", 0.0), 0.0),
            pf_min_at_pcc=0.0,
        )


def _trafos(on: Carried, switches: list[Switch]) -> list[Trafo]:
    trafos: list[Trafo] = []
    opens = {("t", *key) for key in open_ends(on.net, "t")} | {("t3", *k) for k in open_ends(on.net, "t3")}
    skipped = 0
    for leg in legs(on.net, on.notes):
        et = "t3" if leg.star else "t"
        ends = [end for end in (leg.hv_bus, leg.lv_bus) if end is not None]
        opened = [end for end in ends if (et, leg.index, end) in opens]
        standing = [end for end in ends if end not in opened]
        if not on.live(*standing) or not (standing or leg.star):
            skipped += 1
            continue
        if not 1 <= leg.parallel <= PARALLEL_MAX:
            on.fault("trafo", leg.index, f"{leg.parallel} parallel units", f"1 to {PARALLEL_MAX}")
            continue
        for unit in range(leg.parallel):
            key = (et, leg.index, unit)
            name = on.names.give((*key, leg.side), leg.name, f"T{leg.index}")
            sides = [
                on.star(leg.index, leg.star_near, leg.plain)
                if end is None
                else open_end(on, switches, key, end, name)
                if end in opened
                else on.bus(end)
                for end in (leg.hv_bus, leg.lv_bus)
            ]
            kind = _trafo_type(on, leg)
            trafos.append(
                Trafo(name=name, hv_bus=sides[0], lv_bus=sides[1], std_type=kind.name, tap_pos=leg.tap_pos)
            )
    if skipped:
        on.notes.append(f"{skipped} transformers open or not fed are left out")
    return trafos


def _trafo_type(on: Carried, leg: Leg) -> TrafoType:
    if leg.figures not in on.trafo_types:
        on.trafo_types[leg.figures] = leg.type_named(on.type_name(leg.std_type, "trafo"))
    return on.trafo_types[leg.figures]


def _shunts(on: Carried) -> Iterator[Shunt]:
    out = 0
    for index, row in on.net.shunt.iterrows():
        steps = int(row["step"])
        if not bool(row["in_service"]) or not on.live(row["bus"]) or steps == 0:
            out += 1
            continue
        # pandapower states a shunt at its own voltage, a park at its bus's
        scale = steps * (on.vn_kv(row["bus"]) / number(row, "vn_kv", on.vn_kv(row["bus"]))) ** 2
        p_mw, q_mvar = float(row["p_mw"]) * scale, float(row["q_mvar"]) * scale
        name = on.names.give(("shunt", index), row["name"], f"SHUNT{index}")
        if p_mw < 0:
            on.fault("shunt", index, f"{p_mw:g} MW", "0 or more: a shunt draws")
            continue
        if steps < number(row, "max_step", steps):
            on.notes.append(
                f"shunt {name}: {steps} of {row['max_step']:g} steps are in; the rest is left out"
            )
        yield Shunt(
            name=name,
            bus=on.bus(row["bus"]),
            kind="capacitor" if q_mvar < 0 else "reactor",
            q_mvar=q_mvar,
            p_mw=p_mw,
            steps=steps,
        )
    if out:
        on.notes.append(f"{out} shunts out of service, at step 0 or not fed are left out")
