"""Lines, impedances and switches of somebody else's net as lines and couplers of a park."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from network.import_carried import PARALLEL_MAX, Carried, number, open_end, open_ends
from vpp.types import Line, LineType, Switch

PARK_HZ = 50.0
"""Frequency of every park; lines of a net of another keep their charging, not their capacitance."""
UNLIMITED_KA = 99999.0
"""Rating of a branch without one, as pandapower's converters write it."""


def lines_of(on: Carried, switches: list[Switch]) -> Iterator[Line]:
    """Yield every circuit of every line in service; open ends add their couplers to `switches`."""
    net = on.net
    opens = open_ends(net, "l")
    if float(net.f_hz) != PARK_HZ:
        on.notes.append(f"a net of {net.f_hz:g} Hz: its lines keep reactance and charging in a park of 50 Hz")
    out = Counter[str]()
    for index, row in net.line.iterrows():
        ends = (int(row["from_bus"]), int(row["to_bus"]))
        opened = [end for end in ends if (index, end) in opens]
        standing = [end for end in ends if end not in opened]
        if not bool(row["in_service"]) or not standing or not on.live(*standing):
            out["out of service, open at both ends or not fed"] += 1
            continue
        if ends[0] == ends[1]:
            out["with both ends at one bus"] += 1
            continue
        if on.vn_kv(ends[0]) != on.vn_kv(ends[1]):
            levels = f"joins {on.vn_kv(ends[0]):g} kV and {on.vn_kv(ends[1]):g} kV"
            on.fault("line", index, levels, "one nominal voltage at both ends")
            continue
        if not 1 <= row["parallel"] <= PARALLEL_MAX:
            on.fault("line", index, f"{row['parallel']} parallel circuits", f"1 to {PARALLEL_MAX}")
            continue
        kind = _line_type(on, row)
        if kind is None:
            on.fault("line", index, "no impedance or a rating of 0", "r or x and max_i_ka above 0")
            continue
        for circuit in range(int(row["parallel"])):
            name = on.names.give(("line", index, circuit), row["name"], f"LINE{index}")
            key = ("l", int(index), circuit)
            where = [open_end(on, switches, key, end, name) if end in opened else on.bus(end) for end in ends]
            yield Line(
                name=name,
                from_bus=where[0],
                to_bus=where[1],
                length_km=float(row["length_km"]),
                std_type=kind.name,
            )
    for why, count in out.items():
        on.notes.append(f"{count} lines {why} are left out")


def _line_type(on: Carried, row: Any) -> LineType | None:
    df = number(row, "df", 1.0)
    r, x = float(row["r_ohm_per_km"]), float(row["x_ohm_per_km"])
    warm = number(row, "temperature_degree_celsius", 20.0)
    if bool(on.net._options.get("consider_line_temperature", False)):
        r *= 1 + number(row, "alpha", 0.004) * (warm - 20.0)
    rating = float(row["max_i_ka"]) * df
    if (r == 0 and x == 0) or r < 0 or rating <= 0 or float(row["length_km"]) <= 0:
        return None
    c_nf = float(row["c_nf_per_km"]) * float(on.net.f_hz) / PARK_HZ
    figures = (r, x, c_nf, rating, number(row, "g_us_per_km", 0.0))
    return line_type(on, figures, row.get("std_type"))


def line_type(on: Carried, figures: tuple[float, float, float, float, float], wanted: object) -> LineType:
    """Return the type with (r ohm/km, x ohm/km, c nF/km, kA, g uS/km), made where it is new."""
    if figures not in on.line_types:
        r, x, c, rating, g = figures
        on.line_types[figures] = LineType(
            name=on.type_name(wanted, "line"),
            r_ohm_per_km=r,
            x_ohm_per_km=x,
            c_nf_per_km=c,
            max_i_ka=rating,
            g_us_per_km=g,
            short_time_percent=100.0,
            short_time_min=0.0,
        )
    return on.line_types[figures]


def impedances_of(on: Carried) -> Iterator[Line]:
    """Yield series impedances as lines of 1 km."""
    for index, row in on.net.impedance.iterrows():
        ends = (int(row["from_bus"]), int(row["to_bus"]))
        if not bool(row["in_service"]) or not on.live(*ends):
            continue
        symmetric = row["rft_pu"] == row["rtf_pu"] and row["xft_pu"] == row["xtf_pu"]
        shunted = any(number(row, column, 0.0) for column in ("gf_pu", "bf_pu", "gt_pu", "bt_pu"))
        if not symmetric or shunted or on.vn_kv(ends[0]) != on.vn_kv(ends[1]) or row["rft_pu"] < 0:
            on.fault(
                "impedance", index, "two directions, a shunt or two voltages", "a plain series impedance"
            )
            continue
        base = on.vn_kv(ends[0]) ** 2 / float(row["sn_mva"])
        rating = float(row["sn_mva"]) / (3**0.5 * on.vn_kv(ends[0]))
        figures = (float(row["rft_pu"]) * base, float(row["xft_pu"]) * base, 0.0, rating, 0.0)
        name = on.names.give(("impedance", index), row["name"], f"IMP{index}")
        on.notes.append(f"impedance {name} is carried as a line of 1 km")
        yield Line(
            name=name,
            from_bus=on.bus(ends[0]),
            to_bus=on.bus(ends[1]),
            length_km=1.0,
            std_type=line_type(on, figures, "impedance").name,
        )


def couplers_of(on: Carried, switches: list[Switch]) -> Iterator[Line]:
    """Add bus couplers to `switches`, yield those with an impedance as lines."""
    net, dropped = on.net, 0
    ratio = float(net._options["switch_rx_ratio"])
    for index, row in net.switch[net.switch.et == "b"].iterrows():
        ends = (int(row["bus"]), int(row["element"]))
        if ends[0] == ends[1] or not on.live(*ends):
            dropped += 1
            continue
        if on.vn_kv(ends[0]) != on.vn_kv(ends[1]):
            levels = f"joins {on.vn_kv(ends[0]):g} kV and {on.vn_kv(ends[1]):g} kV"
            on.fault("switch", index, levels, "one nominal voltage at both ends")
            continue
        name = on.names.give(("switch", index), row["name"], f"SW{index}")
        a, b = on.bus(ends[0]), on.bus(ends[1])
        z_ohm = number(row, "z_ohm", 0.0)
        if z_ohm > 0 and bool(row["closed"]):
            split = (1 + ratio**2) ** 0.5
            figures = (z_ohm * ratio / split, z_ohm / split, 0.0, UNLIMITED_KA, 0.0)
            on.notes.append(f"switch {name} has an impedance and is carried as a line of 1 km")
            kind = line_type(on, figures, "switch")
            yield Line(name=name, from_bus=a, to_bus=b, length_km=1.0, std_type=kind.name)
        else:
            switches.append(_switch(name, a, b, row, closed=bool(row["closed"])))
    if dropped:
        on.notes.append(f"{dropped} bus couplers between one bus or buses that are not fed are left out")
    plain = int(((net.switch.et != "b") & net.switch.closed.astype(bool)).sum())
    if plain:
        on.notes.append(
            f"{plain} closed switches at ends of branches are not carried: the branch stands there"
        )


def _switch(name: str, a: str, b: str, row: Any, *, closed: bool) -> Switch:
    kind = row["type"] if isinstance(row["type"], str) and row["type"] else "CB"
    return Switch(name=name, bus_a=a, bus_b=b, type=kind, normal_state="closed" if closed else "open")
