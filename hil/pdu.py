"""Modbus requests and replies as bytes, without MBAP header; no state, no IO.

Source of all codes, limits and layouts: MODBUS Application Protocol Specification V1.1b3, §6 and §7.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

READ_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
WRITING = (5, 6, 15, 16, 23)
BIT_TABLES = ("coil", "discrete")
MAX_READ_BITS, MAX_READ_REGISTERS = 2000, 125
MAX_WRITE_BITS, MAX_WRITE_REGISTERS, MAX_EXCHANGE_REGISTERS = 1968, 123, 121


class Refusal(IntEnum):
    """Exception code of a reply (§7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    NO_TARGET = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """So many consecutive bits or registers of one table."""

    table: str
    address: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Consecutive bits (0 or 1) or registers (0..65535) for one table."""

    table: str
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks: a write, a read, or (function 23) a write and then a read."""

    function: int
    write: Write | None
    read: Read | None


def parse(pdu: bytes) -> Request | Refusal:
    """Return the request in `pdu`; a wrong length or count is an illegal value, never an exception."""
    if not pdu:
        return Refusal.ILLEGAL_FUNCTION
    function, body = pdu[0], pdu[1:]
    match function:
        case 1 | 2 | 3 | 4:
            return _parse_read(function, body)
        case 5 | 6:
            return _parse_single(function, body)
        case 15 | 16:
            return _parse_multiple(function, body)
        case 23:
            return _parse_exchange(body)
        case _:
            return Refusal.ILLEGAL_FUNCTION


def _parse_read(function: int, body: bytes) -> Request | Refusal:
    if len(body) != 4:
        return Refusal.ILLEGAL_VALUE
    address, count = struct.unpack(">HH", body)
    table = READ_TABLES[function]
    limit = MAX_READ_BITS if table in BIT_TABLES else MAX_READ_REGISTERS
    if not 1 <= count <= limit:
        return Refusal.ILLEGAL_VALUE
    return Request(function=function, write=None, read=Read(table=table, address=address, count=count))


def _parse_single(function: int, body: bytes) -> Request | Refusal:
    if len(body) != 4:
        return Refusal.ILLEGAL_VALUE
    address, value = struct.unpack(">HH", body)
    if function == 6:
        return Request(function=6, write=Write(table="holding", address=address, values=(value,)), read=None)
    if value not in (0x0000, 0xFF00):
        return Refusal.ILLEGAL_VALUE
    bit = 1 if value else 0
    return Request(function=5, write=Write(table="coil", address=address, values=(bit,)), read=None)


def _parse_multiple(function: int, body: bytes) -> Request | Refusal:
    if len(body) < 6:
        return Refusal.ILLEGAL_VALUE
    address, count, size = struct.unpack(">HHB", body[:5])
    data = body[5:]
    if function == 16:
        if not 1 <= count <= MAX_WRITE_REGISTERS or size != 2 * count or len(data) != size:
            return Refusal.ILLEGAL_VALUE
        values = struct.unpack(f">{count}H", data)
        return Request(function=16, write=Write(table="holding", address=address, values=values), read=None)
    if not 1 <= count <= MAX_WRITE_BITS or size != (count + 7) // 8 or len(data) != size:
        return Refusal.ILLEGAL_VALUE
    bits = tuple((data[i // 8] >> (i % 8)) & 1 for i in range(count))
    return Request(function=15, write=Write(table="coil", address=address, values=bits), read=None)


def _parse_exchange(body: bytes) -> Request | Refusal:
    if len(body) < 11:
        return Refusal.ILLEGAL_VALUE
    read_at, read_count, write_at, write_count, size = struct.unpack(">HHHHB", body[:9])
    data = body[9:]
    good = 1 <= read_count <= MAX_READ_REGISTERS and 1 <= write_count <= MAX_EXCHANGE_REGISTERS
    if not good or size != 2 * write_count or len(data) != size:
        return Refusal.ILLEGAL_VALUE
    return Request(
        function=23,
        write=Write(table="holding", address=write_at, values=struct.unpack(f">{write_count}H", data)),
        read=Read(table="holding", address=read_at, count=read_count),
    )


def writes(pdu: bytes) -> bool:
    """Return whether a request wants to change something."""
    return bool(pdu) and pdu[0] in WRITING


def refuse(function: int, code: int) -> bytes:
    """Return the exception reply to `function`."""
    return bytes((function | 0x80, code))


def reply(request: Request, values: tuple[int, ...]) -> bytes:
    """Return the reply to `request`; `values` are what was read, empty after a plain write."""
    match request.function:
        case 1 | 2:
            packed = bytearray((len(values) + 7) // 8)
            for i, bit in enumerate(values):
                packed[i // 8] |= bit << (i % 8)
            return bytes((request.function, len(packed))) + packed
        case 3 | 4 | 23:
            return struct.pack(f">BB{len(values)}H", request.function, 2 * len(values), *values)
        case _:
            return _echo(request)


def _echo(request: Request) -> bytes:
    write = request.write
    assert write is not None
    match request.function:
        case 5:
            return struct.pack(">BHH", 5, write.address, 0xFF00 if write.values[0] else 0)
        case 6:
            return struct.pack(">BHH", 6, write.address, write.values[0])
        case _:
            return struct.pack(">BHH", request.function, write.address, len(write.values))
