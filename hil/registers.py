"""The registers of one endpoint: point values to registers, written registers to point values.

Addresses between a table's first and last point that no point uses are reserved: they read 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from hil.pdu import Read, Refusal, Write
from hil.sunspec import static_registers
from vpp import points
from vpp.devices import Bess
from vpp.park import Park, endpoints
from vpp.types import Access, Point

ABSENT = {
    "int16": 0x8000,
    "uint16": 0xFFFF,
    "int32": 0x8000_0000,
    "uint32": 0xFFFF_FFFF,
    "uint64": 0xFFFF_FFFF_FFFF_FFFF,
    "float32": 0x7FC0_0000,
}
"""SunSpec's words for 'not implemented', used where a map names none; of float32 a NaN."""
MAX_BLOCKS = 256
"""Different reads that are worked out and kept per map."""


@dataclass(frozen=True, kw_only=True)
class Registers:
    """A register map with the registers that never change (a SunSpec block's headers and names)."""

    points: tuple[Point, ...]
    static: Mapping[tuple[str, int], int]
    """By (table, address)."""
    void: frozenset[str] = frozenset()
    """Measured points that show the word for 'not implemented'."""

    @cached_property
    def span(self) -> Mapping[str, tuple[int, int]]:
        """By table the half-open range of addresses that exist."""
        used: dict[str, list[int]] = {}
        for p in self.points:
            used.setdefault(p.table, []).extend((p.address, p.address + points.WIDTH[p.type]))
        for table, address in self.static:
            used.setdefault(table, []).extend((address, address + 1))
        return {table: (min(ends), max(ends)) for table, ends in used.items()}

    @cached_property
    def _constants(self) -> Mapping[str, float]:
        return points.decode(self.points, self.static)

    @cached_property
    def scales(self) -> Mapping[str, float]:
        """Values of the scale points, by name."""
        names = {p.scale_point for p in self.points}
        return {name: value for name, value in self._constants.items() if name in names}

    @cached_property
    def _scale_registers(self) -> Mapping[tuple[str, int], int]:
        """Where the scale points lie; they belong to the device and never change."""
        at = {(p.table, p.address + k) for p in self.points if p.point in self.scales for k in range(2)}
        return {key: self.static[key] for key in at if key in self.static}

    @cached_property
    def _writable(self) -> Mapping[tuple[str, int], Point]:
        return {
            (p.table, p.address + k): p
            for p in self.points
            if p.access is Access.WRITE
            for k in range(points.WIDTH[p.type])
        }

    def image(self, values: Mapping[str, float]) -> dict[tuple[str, int], int]:
        """Return every register that holds something, by (table, address); `values` by point name."""
        return self._image(self.points, values, self.static)

    def _image(
        self, part: tuple[Point, ...], values: Mapping[str, float], under: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        image = dict(under)
        for (table, address), register in self._words(part, values):
            image[table, address] = register
        return image

    def _words(
        self, part: tuple[Point, ...], values: Mapping[str, float]
    ) -> Iterator[tuple[tuple[str, int], int]]:
        held = {**self._constants, **values}
        for name in self.void:
            held.pop(name, None)
        for write in points.encode(part, held):
            for k, register in enumerate(write.registers):
                yield (write.table, write.address + k), register
        for p in part if self.void else ():
            if p.point in self.void:
                word = ABSENT[p.type] if p.sentinel is None else p.sentinel
                width = points.WIDTH[p.type]
                shifts = range(width - 1, -1, -1) if p.word_order == "big" else range(width)
                yield from (((p.table, p.address + k), word >> 16 * s & 0xFFFF) for k, s in enumerate(shifts))

    def ailing(self, void: tuple[str, ...], exponents: tuple[tuple[str, int], ...]) -> "Registers":
        """Return the map with points that show nothing and scale points that say `more` than before."""
        static = dict(self.static)
        for p in self.points:
            for name, more in exponents:
                if p.point == name and (p.table, p.address) in static:
                    static[p.table, p.address] = static[p.table, p.address] + more & 0xFFFF
        measured = frozenset(p.point for p in self.measured if p.type in ABSENT)
        return Registers(points=self.points, static=static, void=measured.intersection(void))

    @cached_property
    def measured(self) -> tuple[Point, ...]:
        """Points that only the device writes, scale points among them."""
        return _of(self.points, frozenset({Access.READ}), frozenset())

    @cached_property
    def commands(self) -> tuple[Point, ...]:
        """Points that a client writes, and the scale points they need."""
        return _of(self.points, frozenset({Access.WRITE}), frozenset(self.scales))

    def passed(self, part: tuple[Point, ...], values: Mapping[str, float]) -> dict[str, float]:
        """Return what a reader of the points in `part` gets, quantised by their registers."""
        return points.decode(part, self._image(part, values, self._scale_registers))

    def read(self, values: Mapping[str, float], read: Read) -> tuple[int, ...] | Refusal:
        """Return the asked registers or bits."""
        low, high = self.span.get(read.table, (0, 0))
        if read.address < low or read.address + read.count > high:
            return Refusal.ILLEGAL_ADDRESS
        part, words = self._block(read)
        shown = list(words)
        for (table, address), register in self._words(part, values):
            if table == read.table and 0 <= address - read.address < read.count:
                shown[address - read.address] = register
        return tuple(shown)

    def _block(self, read: Read) -> tuple[tuple[Point, ...], tuple[int, ...]]:
        """Return the points that a read touches, groups whole, and what stands under them."""
        known = self._blocks.get(read)
        if known is not None:
            return known
        ends = range(read.address, read.address + read.count)
        part = _touched(self.points, read)
        if len(self._blocks) >= MAX_BLOCKS:
            self._blocks.clear()
        self._blocks[read] = part, tuple(self.static.get((read.table, a), 0) for a in ends)
        return self._blocks[read]

    @cached_property
    def _blocks(self) -> dict[Read, tuple[tuple[Point, ...], tuple[int, ...]]]:
        return {}

    def written(self, write: Write) -> dict[str, float] | Refusal:
        """Return the new values of the points that `write` touches.

        Read-only and unknown addresses and halves of a wide value are illegal addresses; a value
        that is no number (NaN, sentinel) is an illegal value.
        """
        addresses = [(write.table, write.address + k) for k in range(len(write.values))]
        touched = [self._writable.get(a) for a in addresses]
        if None in touched:
            return Refusal.ILLEGAL_ADDRESS
        names = {p.point for p in touched if p is not None}
        if sum(points.WIDTH[p.type] for p in self.points if p.point in names) != len(addresses):
            return Refusal.ILLEGAL_ADDRESS
        decoded = points.decode(
            self.commands, {**self._scale_registers, **dict(zip(addresses, write.values, strict=True))}
        )
        if not names <= decoded.keys():
            return Refusal.ILLEGAL_VALUE
        return {name: decoded[name] for name in names}


@cache
def _of(whole: tuple[Point, ...], access: frozenset[Access], besides: frozenset[str]) -> tuple[Point, ...]:
    """Return part of a map; the same object for equal maps, since the codec knows maps by identity."""
    return tuple(p for p in whole if p.access in access or p.point in besides)


@lru_cache(maxsize=4096)
def _touched(whole: tuple[Point, ...], read: Read) -> tuple[Point, ...]:
    """Return the points that a read touches, groups whole; the same object for equal maps."""
    ends = range(read.address, read.address + read.count)
    touched = [
        p
        for p in whole
        if p.table == read.table and p.address < ends.stop and p.address + points.WIDTH[p.type] > ends.start
    ]
    groups = {p.sync_group for p in touched} - {None}
    return tuple(p for p in whole if p in touched or p.sync_group in groups)


def registers_of(park: Park, name: str) -> Registers:
    """Return an endpoint's registers, with the fixed blocks of a SunSpec map."""
    endpoint = endpoints(park)[name]
    device = park.devices.get(name)
    sunspec = isinstance(device, Bess) and endpoint.register_map.startswith("sunspec")
    static = static_registers(device) if sunspec and isinstance(device, Bess) else {}
    return Registers(
        points=park.register_maps[endpoint.register_map],
        static={("holding", address): word for address, word in static.items()},
    )
