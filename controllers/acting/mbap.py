"""Modbus/TCP frames on one TCP or TLS connection: transactions, units and lengths, nothing above.

Layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3. Why this is not
pymodbus's transport: docs/decisions/modbus-transport.md.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

from vpp.clock import monotonic_s
from vpp.types import Outcome

MAX_LENGTH = 254
"""Unit and PDU of at most 253 bytes, MODBUS Application Protocol V1.1b3, section 4.1."""
REMEMBERED = 16
"""Answered transactions whose doubles are passed over; no more than these can be under way."""
CLOSED = "the connection was closed"
LATE = "no answer in time"
_HEAD = struct.Struct(">HHHB")


class Frame(NamedTuple):
    """What came back for one request: a PDU, or why there is none."""

    outcome: Outcome
    """ACKNOWLEDGED: `pdu` is of the unit and function asked; UNKNOWN or WRONG: there is none."""
    pdu: bytes = b""
    detail: str = ""


@dataclass(slots=True)
class _Asked:
    unit: int
    function: int
    answer: "asyncio.Future[Frame]"
    until_s: float


class Wire(asyncio.Protocol):
    """One connection; it ends itself at the first answer that cannot be right or does not come.

    A late answer could be taken for the next one, and a peer that lies once is not asked again on
    the same connection. `lost` is called once, whoever ended it.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._asked: dict[int, _Asked] = {}
        self._answered: deque[int] = deque(maxlen=REMEMBERED)
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._look_s = 0.0
        """True second at which the timer looks for late answers; one for all, as few answers are late."""
        self.ended = False
        self.doubled = 0
        """Second answers to one transaction; passed over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's own is no subclass of asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits."""
        self.end(CLOSED if exc is None else f"{CLOSED}: {exc}")

    def ask(self, transaction: int, unit: int, pdu: bytes, timeout_s: float) -> "asyncio.Future[Frame]":
        """Send one request; the future never raises and is done within `timeout_s` true seconds."""
        answer: asyncio.Future[Frame] = self._loop.create_future()
        if self.ended or self._transport is None:
            answer.set_result(Frame(Outcome.UNKNOWN, detail=CLOSED))
            return answer
        until_s = monotonic_s() + timeout_s
        self._asked[transaction] = _Asked(unit, pdu[0], answer, until_s)
        if self._timer is None or until_s < self._look_s:
            self._look_in(timeout_s, until_s)
        self._transport.write(_HEAD.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
        return answer

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream, however it was sliced."""
        buffer = self._buffer + data if self._buffer else bytes(data)
        at = 0
        while len(buffer) - at >= 7 and not self.ended:
            transaction, protocol, length, unit = _HEAD.unpack_from(buffer, at)
            if protocol != 0 or not 2 <= length <= MAX_LENGTH:
                self._refuse_all(f"a frame of protocol {protocol} and length {length}")
                return
            end = at + 6 + length
            if len(buffer) < end:
                break
            self._take(transaction, unit, buffer[at + 7 : end])
            at = end
        self._buffer = buffer[at:]

    def end(self, detail: str = CLOSED, outcome: Outcome = Outcome.UNKNOWN) -> None:
        """Drop the connection; whoever still waits gets `outcome`."""
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        asked, self._asked = self._asked, {}
        for request in asked.values():
            if not request.answer.done():
                request.answer.set_result(Frame(outcome, detail=detail))
        self._lost()

    def _look_in(self, wait_s: float, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._look_s = self._loop.call_later(wait_s, self._look), at_s

    def _look(self) -> None:
        """End the connection where an answer is late; else look again when the next one would be."""
        self._timer = None
        if not self._asked:
            return
        transaction, first = min(self._asked.items(), key=lambda item: item[1].until_s)
        if (wait_s := first.until_s - monotonic_s()) > 0:
            self._look_in(wait_s, first.until_s)
        else:
            self._late(transaction)

    def _late(self, transaction: int) -> None:
        request = self._asked.pop(transaction, None)
        if request is not None and not request.answer.done():
            request.answer.set_result(Frame(Outcome.UNKNOWN, detail=LATE))
        self.end()

    def _take(self, transaction: int, unit: int, pdu: bytes) -> None:
        request = self._asked.pop(transaction, None)
        if request is None:
            if transaction in self._answered:
                self.doubled += 1
                return
            self._refuse_all(f"an answer to transaction {transaction}, which was not asked")
            return
        self._answered.append(transaction)
        wrong = _misfit(request, unit, pdu)
        if request.answer.done():
            return
        if wrong:
            request.answer.set_result(Frame(Outcome.WRONG, detail=wrong))
            self.end()
        else:
            request.answer.set_result(Frame(Outcome.ACKNOWLEDGED, pdu))

    def _refuse_all(self, detail: str) -> None:
        """End the connection where no single request can be blamed."""
        self.end(detail, Outcome.WRONG)


def _misfit(request: _Asked, unit: int, pdu: bytes) -> str:
    """Return why an answer cannot be the request's; empty where it can."""
    if unit != request.unit:
        return f"unit {unit} answers for unit {request.unit}"
    if pdu[0] & 0x7F != request.function:
        return f"function {pdu[0]} answers function {request.function}"
    if pdu[0] & 0x80 and len(pdu) != 2:
        return f"an exception reply of {len(pdu)} bytes"
    return ""
