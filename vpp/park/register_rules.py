"""Rules of register maps: no register twice, and every point that a kind of endpoint needs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.interruption import is_trimmable
from vpp.park.tables import Row, quoted, twice
from vpp.points import MAX_READ_BITS, MAX_READ_REGISTERS, WIDTH
from vpp.types import Access, Actuator, Load, Meter, Point, Resource

_DEVICE = ("p_mw", "q_mvar", "status", "heartbeat", "energy_out_mwh", "energy_in_mwh")
_COMMAND = ("setpoint_mw", "epoch", "reversion_mw")
_PER_KIND: Mapping[str, tuple[str, ...]] = {
    "wind": ("available_mw",),
    "pv": ("available_mw",),
    "bess": ("e_mwh", "soc"),
    "caes": ("e_mwh", "soc", "mode_code", "starts_turbine", "starts_compressor", "trains"),
    "electrolyzer": (
        *("h2_kg_per_h", "on_stacks", "warm_stacks", "heating_stacks", "heating_min", "setpoint_stacks"),
    ),
    "ammonia": ("nh3_t_per_h", "nh3_t", "h2_kg_per_h", "restart_min"),
    "h2_store": ("h2_kg", "delivered_kg", "setpoint_h2_kg_per_h"),
}
_LOAD = ("p_mw", "q_mvar", "breakers", "heartbeat", "energy_in_mwh")
_TRIM = ("trimmed_mw", "trim_mw", "epoch", "sequence", "ttl_s")
"""What a load needs of which a part can be trimmed."""
_METER = ("p_mw", "q_mvar", "heartbeat", "energy_in_mwh", "energy_out_mwh")
_ACTUATOR = ("position", "heartbeat", "setpoint_position", "epoch")
_TIE = ("frequency_hz", "vm_pu")
_TIMERS = (("ttl_s", "reversion_s"), ("reversion_total_s",))
"""Either pair of timers, or one timer for both."""
_EVERY_POLL = ("p_mw", "heartbeat", "breakers", "trimmed_mw", "position")
"""What is judged each cycle."""
_WRITTEN = ("setpoint_", "reversion_", "block_", "test_", "epoch", "sequence", "ttl_s", "trim_mw")


def register_faults(folder: Folder) -> Iterator[Fault]:
    """Yield what is wrong inside the register maps, and which points their users miss."""
    for name, rows in folder.register_maps.items():
        yield from twice((row, "point", row.value.point) for row in rows)
        yield from _overlaps(rows)
        for row in rows:
            yield from _row_faults(row, rows)
        yield from _long_groups(f"registers/{name}.csv", rows)
    for user in folder.endpoint_rows():
        rows = folder.register_maps.get(user.value.endpoint.register_map, ())
        points = {row.value.point for row in rows}
        missing = [point for point in _needed(user.value) if point not in points]
        if isinstance(user.value, Resource) and not any(points.issuperset(t) for t in _TIMERS):
            missing.append("ttl_s and reversion_s (or reversion_total_s)")
        if isinstance(user.value, Meter) and user.value.kind == "station":
            yield from _branch_faults(folder, rows)
        if rows and missing and f"registers/{user.value.endpoint.register_map}.csv" not in folder.broken:
            wrong = f"{quoted(user.value.endpoint.register_map)} lacks {', '.join(missing)}"
            yield user.fault("register_map", wrong, "a map with every point of its kind")


def _branch_faults(folder: Folder, rows: Sequence[Row[Point]]) -> Iterator[Fault]:
    """Yield the points of a station's map that name no branch of the grid."""
    branches = {row.value.name for row in folder.lines} | {row.value.name for row in folder.trafos}
    for row in rows:
        word, found, name = row.value.point.partition(":")
        if found and (word not in ("closed", "loading") or name not in branches):
            yield row.fault("point", f"unknown {quoted(row.value.point)}", "closed: or loading: and a branch")


def _needed(row: object) -> Sequence[str]:
    match row:
        case Resource():
            return (*_DEVICE, *_COMMAND, *_PER_KIND.get(row.kind, ()))
        case Load():
            blocks = range(1, row.blocks + 1)
            trim = _TRIM if is_trimmable(row) else ()
            return (*_LOAD, *trim, *(f"block_{i}" for i in blocks), *(f"test_{i}" for i in blocks))
        case Meter():
            return (
                ("heartbeat",) if row.kind == "station" else (*_METER, *(_TIE if row.kind == "tie" else ()))
            )
        case Actuator():
            return _ACTUATOR
    return ()


def _overlaps(rows: Sequence[Row[Point]]) -> Iterator[Fault]:
    ordered = sorted(rows, key=lambda row: (row.value.table, row.value.address, row.line))
    for a, b in pairwise(ordered):
        end = a.value.address + WIDTH[a.value.type]
        if a.value.table == b.value.table and b.value.address < end:
            wrong = f"register {b.value.address} is used by {quoted(a.value.point)} in line {a.line} too"
            yield b.fault("address", wrong, f"{end} or more")


def _row_faults(row: Row[Point], rows: Sequence[Row[Point]]) -> Iterator[Fault]:
    point = row.value
    bits = point.table in ("coil", "discrete")
    if bits != (point.type == "bool"):
        yield row.fault(
            "type", f"{point.type} in table {point.table}", "bool in coil and discrete, numbers elsewhere"
        )
    if point.address + WIDTH[point.type] > 65536:
        yield row.fault("address", f"{point.address} is too high for {point.type}", "registers up to 65535")
    if point.access is Access.WRITE and point.table in ("input", "discrete"):
        yield row.fault("access", f"rw in the read-only table {point.table}", "r")
    if point.access is Access.READ and point.point.startswith(_WRITTEN):
        yield row.fault("access", f"{quoted(point.point)} is a command but read-only", "rw")
    if point.rate == "slow" and point.point in _EVERY_POLL:
        yield row.fault("rate", f"{quoted(point.point)} is slow", "fast: control needs it at every poll")
    if point.scale == 0:
        yield row.fault("scale", "0", "another number")
    if point.sentinel is not None and not 0 <= point.sentinel < 1 << 16 * WIDTH[point.type]:
        yield row.fault("sentinel", str(point.sentinel), f"a raw word of {point.type}")
    if point.scale_point is not None:
        named = [other.value for other in rows if other.value.point == point.scale_point]
        if not named or named[0].type not in ("int16", "uint16") or named[0].scale_point is not None:
            wrong = f"{quoted(point.scale_point)} is no 16-bit point of this map"
            yield row.fault("scale_point", wrong, "a point that holds a decimal exponent")


def _long_groups(file: str, rows: Sequence[Row[Point]]) -> Iterator[Fault]:
    spans: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        point = row.value
        if point.sync_group is not None:
            ends = [point.address, point.address + WIDTH[point.type]]
            spans.setdefault((point.table, point.sync_group), []).extend(ends)
    for (table, group), ends in spans.items():
        most = MAX_READ_BITS if table in ("coil", "discrete") else MAX_READ_REGISTERS
        if max(ends) - min(ends) > most:
            wrong = f"sync group {quoted(group)} spans {max(ends) - min(ends)} registers"
            yield Fault(file=file, field="sync_group", wrong=wrong, expected=f"{most} or less, one request")
