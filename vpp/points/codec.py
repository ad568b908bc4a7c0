"""Register maps: registers to values and back; scale, word order, device sign; no IO.

A map is a tuple of `Point`. Its layout is worked out once per map and cached. Registers are 16-bit
words (MODBUS Application Protocol V1.1b3, section 4.3); a bit of a coil table counts as a register
of value 0 or 1. Word order "big" puts the most significant word at the lowest address.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpp.points.request import WIDTH
from vpp.types import Access, Point

_BITS = {"int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "uint64": 64}
_FLOAT32 = struct.Struct(">f")
_UINT32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Write:
    """One write request: consecutive registers, or bits as 0 and 1."""

    table: str
    address: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One point with all that decoding needs, worked out once."""

    point: Point
    keys: tuple[tuple[str, int], ...]
    """Registers from the most to the least significant word."""
    shifts: tuple[int, ...]
    bits: int
    """Width of an integer; 0 for float32."""
    half: int
    """First raw value that means a negative number; 0 where there is none."""
    factor: float
    is_scale: bool
    """True where other points name this one as their scale point."""


def decode(points: Sequence[Point], registers: Mapping[tuple[str, int], int]) -> dict[str, float]:
    """Return the values of all points whose registers are there, in inside units and sign.

    Left out are points with a missing register, with their sentinel, with a float that is not
    finite, and points whose scale point is left out.
    """
    raw: dict[str, float] = {}
    cells = _cells(points)
    for name, cell in cells.items():
        number = _raw(cell, registers)
        if number is not None:
            raw[name] = number
    values: dict[str, float] = {}
    for name, number in raw.items():
        cell = cells[name]
        scale_point = cell.point.scale_point
        if scale_point is None:
            values[name] = number * cell.factor
        elif scale_point in raw:
            values[name] = number * (cell.factor * 10.0 ** raw[scale_point])
    return values


def encode(points: Sequence[Point], values: Mapping[str, float]) -> tuple[Write, ...]:
    """Return the requests that write `values`; names that the map lacks are ignored.

    Points of one sync group at consecutive addresses are one request, and so are consecutive
    points without a group. Scale points are taken from `values` and never written: they belong to
    the device.

    Raises:
        ValueError: a value is not finite or does not fit its type, a writable sync group is not
            given whole, or a scale point is not among `values`.

    """
    cells = _cells(points)
    chosen = [cell for name, cell in cells.items() if name in values and not cell.is_scale]
    _refuse_torn_groups(cells, values, chosen)
    chosen.sort(key=lambda cell: (cell.point.table, cell.point.address))
    writes: list[Write] = []
    groups: list[str | None] = []
    for cell in chosen:
        point = cell.point
        words = _words(cell, values)
        last = writes[-1] if writes else None
        if (
            last is not None
            and (last.table, last.address + len(last.registers)) == (point.table, point.address)
            and groups[-1] == point.sync_group
        ):
            writes[-1] = Write(last.table, last.address, last.registers + words)
        else:
            writes.append(Write(point.table, point.address, words))
            groups.append(point.sync_group)
    return tuple(writes)


_KNOWN: dict[int, tuple[Sequence[Point], dict[str, _Cell]]] = {}
"""Layouts by identity of the map (hashing 30 points costs more than decoding them); the map is
kept with its layout, so an identity cannot be taken over by another one."""
_KNOWN_MAX = 1024


def _cells(points: Sequence[Point]) -> dict[str, _Cell]:
    known = _KNOWN.get(id(points))
    if known is not None:
        return known[1]
    scales = {point.scale_point for point in points}
    cells = {point.point: _cell(point, point.point in scales) for point in points}
    if isinstance(points, tuple):
        if len(_KNOWN) >= _KNOWN_MAX:
            _KNOWN.clear()
        _KNOWN[id(points)] = (points, cells)
    return cells


def _cell(point: Point, is_scale: bool) -> _Cell:
    width = WIDTH[point.type]
    order = range(width) if point.word_order == "big" else range(width - 1, -1, -1)
    bits = _BITS.get(point.type, 1 if point.type == "bool" else 0)
    return _Cell(
        point=point,
        keys=tuple((point.table, point.address + i) for i in order),
        shifts=tuple(16 * (width - 1 - i) for i in range(width)),
        bits=bits,
        half=1 << (bits - 1) if point.type in ("int16", "int32") else 0,
        factor=point.sign * point.scale,
        is_scale=is_scale,
    )


def _raw(cell: _Cell, registers: Mapping[tuple[str, int], int]) -> float | None:
    number = 0
    for key in cell.keys:
        word = registers.get(key)
        if word is None:
            return None
        number = number << 16 | word
    if number == cell.point.sentinel:
        return None
    if cell.bits == 0:
        value: float = _FLOAT32.unpack(_UINT32.pack(number))[0]
        return value if math.isfinite(value) else None
    return number - (cell.half << 1) if cell.half and number >= cell.half else number


def _refuse_torn_groups(cells: Mapping[str, _Cell], values: Mapping[str, float], chosen: list[_Cell]) -> None:
    groups = {cell.point.sync_group for cell in chosen if cell.point.sync_group is not None}
    for name, cell in cells.items():
        point = cell.point
        if point.sync_group in groups and point.access is Access.WRITE and name not in values:
            raise ValueError(f"sync group {point.sync_group} is written whole: {name} is missing")


def _words(cell: _Cell, values: Mapping[str, float]) -> tuple[int, ...]:
    point = cell.point
    value = values[point.point]
    factor = cell.factor
    if point.scale_point is not None:
        exponent = values.get(point.scale_point)
        if exponent is None:
            raise ValueError(f"{point.point} needs its scale point {point.scale_point}")
        factor *= 10.0**exponent
    number = value / factor + 0.0  # no negative zero on the wire
    if not math.isfinite(number):
        raise ValueError(f"{point.point} is {value}, a finite number is needed")
    raw = _float_bits(point, number) if cell.bits == 0 else _integer_bits(cell, number)
    words = tuple(raw >> shift & 0xFFFF for shift in cell.shifts)
    return words if point.word_order == "big" else words[::-1]


def _float_bits(point: Point, number: float) -> int:
    try:
        raw: int = _UINT32.unpack(_FLOAT32.pack(number))[0]
    except OverflowError:
        raise ValueError(f"{point.point}: {number} does not fit float32") from None
    return raw


def _integer_bits(cell: _Cell, number: float) -> int:
    point = cell.point
    rounded = round(number)
    low, high = -cell.half, (cell.half or 1 << cell.bits) - 1
    if not low <= rounded <= high:
        raise ValueError(f"{point.point}: {number:g} does not fit {point.type} ({low} to {high})")
    raw = rounded & (1 << cell.bits) - 1
    if raw == point.sentinel:
        raise ValueError(f"{point.point}: {number:g} is the map's word for 'not implemented'")
    return raw
