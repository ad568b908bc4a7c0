"""Answers spoilt on the wire: what a wrong, old or broken device sends instead of its answer.

Frame layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, §3.1.3.
"""

import struct
from collections.abc import Callable


def framed(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return a PDU behind its MBAP header."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def _echoed(pdu: bytes) -> bytes:
    """Return an answer that names another value, or for a read another first register."""
    return pdu[:-1] + bytes((pdu[-1] ^ 1,))


def _counted(pdu: bytes) -> bytes:
    return pdu[:1] + bytes((pdu[1] ^ 2,)) + pdu[2:] if len(pdu) > 2 else pdu


Garble = Callable[[int, int, bytes], bytes]
"""(transaction, unit, PDU) to the bytes that go out."""
GARBLES: dict[str, Garble] = {
    "tid_0": lambda _, unit, pdu: framed(0, unit, pdu),
    "stale_tid": lambda tid, unit, pdu: framed(tid - 1 & 0xFFFF, unit, pdu),
    "other_unit": lambda tid, unit, pdu: framed(tid, unit + 1 & 0xFF, pdu),
    "other_function": lambda tid, unit, pdu: framed(tid, unit, bytes((pdu[0] ^ 1,)) + pdu[1:]),
    "other_protocol": lambda tid, unit, pdu: struct.pack(">HHHB", tid, 7, len(pdu) + 1, unit) + pdu,
    "short": lambda tid, unit, pdu: framed(tid, unit, pdu[:-2]),
    "wrong_count": lambda tid, unit, pdu: framed(tid, unit, _counted(pdu)),
    "wrong_echo": lambda tid, unit, pdu: framed(tid, unit, _echoed(pdu)),
    "no_length": lambda tid, unit, pdu: struct.pack(">HHHB", tid, 0, 0, unit) + pdu,
    "cut": lambda tid, unit, pdu: framed(tid, unit, pdu)[:-1],
    "twice": lambda tid, unit, pdu: 2 * framed(tid, unit, pdu),
    "byte_by_byte": framed,
}
HARMLESS = frozenset({"twice", "byte_by_byte"})
"""The answer in them is right."""
CLOSING = frozenset({"cut"})
"""The connection ends behind them."""
