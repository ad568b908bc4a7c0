"""Which registers are read together: the fewest requests that cover a map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from vpp.types import Point

WIDTH: Mapping[str, int] = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "uint64": 4,
    "float32": 2,
}
"""Registers of a type."""

MAX_READ_REGISTERS = 125
"""MODBUS Application Protocol V1.1b3, function 3 and 4."""
MAX_READ_BITS = 2000
"""MODBUS Application Protocol V1.1b3, function 1 and 2."""
GAP_TOLERANCE = 8
"""Registers between two points that are read along rather than asked for apart; assumption."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read request."""

    table: str
    address: int
    count: int


def read_blocks(points: Sequence[Point]) -> tuple[Block, ...]:
    """Return the fewest requests that cover `points`, sync groups whole, by table and address.

    Ranges closer than `GAP_TOLERANCE` registers are read together, up to the protocol's limits.
    """
    return tuple(_blocks(tuple(points)))


def _blocks(points: tuple[Point, ...]) -> Iterator[Block]:
    for table, ranges in groupby(sorted(_ranges(points)), key=itemgetter(0)):
        limit = MAX_READ_BITS if table in ("coil", "discrete") else MAX_READ_REGISTERS
        (_, start, end), *rest = ranges
        for _, low, high in rest:
            if low - end <= GAP_TOLERANCE and max(high, end) - start <= limit:
                end = max(high, end)
            else:
                yield Block(table, start, end - start)
                start, end = low, high
        yield Block(table, start, end - start)


def _ranges(points: tuple[Point, ...]) -> Iterator[tuple[str, int, int]]:
    """Yield half-open address ranges that must not be torn: sync groups that fit, else points."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for p in points:
        low, high = p.address, p.address + WIDTH[p.type]
        if p.sync_group is None:
            yield p.table, low, high
        else:
            old = spans.get((p.table, p.sync_group), (low, high))
            spans[p.table, p.sync_group] = (min(low, old[0]), max(high, old[1]))
    for (table, _), (low, high) in spans.items():
        yield table, low, high
