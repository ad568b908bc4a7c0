"""One lane to a Modbus/TCP peer that believes nothing: the only file of the client that uses pymodbus.

pymodbus's PDU classes are the codec, but for the registers of an answer; connections and frames are
`mbap.py`'s. Facts behind the checks were measured on pymodbus 3.16.1 (docs/decisions/modbus-transport.md).
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
)
from pymodbus.pdu.exceptionresponse import ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

from controllers.acting.mbap import Frame, Wire
from vpp.points import Block, Write
from vpp.types import Endpoint, Outcome

CONNECT_S = 0.8
"""True seconds for a connect, TLS handshake included; assumption: twice the time for an answer."""
_READS = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
_BITS = {"coil": ReadCoilsResponse(), "discrete": ReadDiscreteInputsResponse()}
"""One decoder each: what it decodes is copied out before anything else runs."""


class Answer(NamedTuple):
    """What became of one request."""

    outcome: Outcome
    detail: str = ""
    registers: tuple[int, ...] = ()
    """Registers or bits of a read."""


_NOT_CONNECTED = Answer(outcome=Outcome.DISCONNECTED, detail="not connected")
_DONE = Answer(outcome=Outcome.ACKNOWLEDGED)


class Lane:
    """One connection to one host and port, used for the units behind it; opened by one task alone.

    `wrong` counts answers that did not fit, `timeouts` requests that got none. The connection is
    closed after either, since a late answer could be taken for the next one; transaction numbers go
    on over reconnects and are never 0.
    """

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        self._endpoint, self._tls = endpoint, tls
        self._wire: Wire | None = None
        self._transaction = 0
        self.lost: Callable[[], None] = lambda: None
        """Called when a connection ends, whoever ended it."""
        self.trouble = ""
        """Why the last connect failed, in words."""
        self.wrong = self.timeouts = 0

    @property
    def connected(self) -> bool:
        """True while TCP stands; only a valid answer shows that somebody is there."""
        return self._wire is not None and not self._wire.ended

    async def open(self) -> bool:
        """Connect anew; False, with the reason in `trouble`, where nobody accepts in time."""
        self.close()
        host, port = self._endpoint.host, self._endpoint.port
        loop = asyncio.get_running_loop()
        name = host if self._tls is not None else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, wire = await loop.create_connection(
                    lambda: Wire(self.lost), host, port, ssl=self._tls, server_hostname=name
                )
        except TimeoutError:
            self.trouble = f"nobody accepts a connection within {CONNECT_S:g} s"
            return False
        except (OSError, ssl.SSLError, ssl.CertificateError) as failed:
            self.trouble = _words(failed)
            return False
        self._wire, self.trouble = wire, ""
        return True

    def close(self) -> None:
        """Drop the connection."""
        if self._wire is not None:
            self._wire.end()
            self._wire = None

    async def read(self, block: Block, at: Endpoint | None = None) -> Answer:
        """Read a block of `at` (default: of the lane's endpoint): exactly `block.count` registers or bits."""
        if self._wire is None:
            return _NOT_CONNECTED
        frame = await self._ask(self._wire, _read_pdu(block.table, block.address, block.count), at)
        if frame.outcome is not Outcome.ACKNOWLEDGED or frame.pdu[0] & 0x80:
            return self._failed(frame)
        pdu = frame.pdu
        bits = block.table in _BITS
        size = (block.count + 7) // 8 if bits else 2 * block.count
        if len(pdu) != 2 + size or pdu[1] != size:
            found = f"{pdu[1] if len(pdu) > 1 else 0} announced and {max(len(pdu) - 2, 0)} sent"
            return self._distrust(f"bytes of values: {found}, {size} belong to {block.count} values")
        if bits:
            reply = _BITS[block.table]
            reply.decode(pdu[1:])
            got = tuple(map(int, reply.bits[: block.count]))
        else:
            # big-endian words (V1.1b3, 4.2); pymodbus's decoder takes them one by one, ten times slower
            got = struct.unpack_from(f">{block.count}H", pdu, 2)
        return Answer(outcome=Outcome.ACKNOWLEDGED, registers=got)

    async def write(self, write: Write, at: Endpoint | None = None) -> Answer:
        """Write consecutive registers or coils in one request; the echo must fit."""
        if self._wire is None:
            return _NOT_CONNECTED
        frame = await self._ask(self._wire, _write_pdu(write), at)
        if frame.outcome is not Outcome.ACKNOWLEDGED or frame.pdu[0] & 0x80:
            return self._failed(frame)
        if len(frame.pdu) != 5:
            return self._distrust(f"an echo of {len(frame.pdu)} bytes")
        echo = WriteMultipleCoilsResponse() if write.table == "coil" else WriteMultipleRegistersResponse()
        echo.decode(frame.pdu[1:])
        if (echo.address, echo.count) != (write.address, len(write.registers)):
            return self._distrust(
                f"echo {echo.address}+{echo.count} for {write.address}+{len(write.registers)}"
            )
        return _DONE

    def _ask(self, wire: Wire, pdu: bytes, at: Endpoint | None) -> "asyncio.Future[Frame]":
        at = at or self._endpoint
        self._transaction = self._transaction % 0xFFFF + 1
        return wire.ask(self._transaction, at.unit, pdu, at.timeout_ms * 1e-3)

    def _failed(self, frame: Frame) -> Answer:
        """Return what a frame says that is no success; an exception reply keeps the connection."""
        if frame.outcome is Outcome.UNKNOWN:
            self.timeouts += 1
            self.close()
            return Answer(outcome=Outcome.UNKNOWN, detail=frame.detail)
        if frame.outcome is Outcome.WRONG:
            return self._distrust(frame.detail)
        refusal = ExceptionResponse(frame.pdu[0])
        refusal.decode(frame.pdu[1:])
        return Answer(outcome=Outcome.REFUSED, detail=f"exception {refusal.exception_code}")

    def _distrust(self, detail: str) -> Answer:
        self.wrong += 1
        self.close()
        return Answer(outcome=Outcome.WRONG, detail=detail)


@lru_cache(maxsize=8192)
def _read_pdu(table: str, address: int, count: int) -> bytes:
    request = _READS[table](address=address, count=count)
    return struct.pack(">B", request.function_code) + request.encode()


def _write_pdu(write: Write) -> bytes:
    request = (
        WriteMultipleCoilsRequest(address=write.address, bits=[bool(bit) for bit in write.registers])
        if write.table == "coil"
        else WriteMultipleRegistersRequest(address=write.address, registers=list(write.registers))
    )
    return struct.pack(">B", request.function_code) + request.encode()


def _words(failed: Exception) -> str:
    if isinstance(failed, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(failed, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {failed.verify_message}"
    if isinstance(failed, ssl.SSLError):
        return f"TLS failed: {failed.reason or failed}"
    return f"no connection: {getattr(failed, 'strerror', None) or failed}"
