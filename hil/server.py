"""One Modbus/TCP listener per endpoint, on exactly its host and port.

Own framing instead of pymodbus's server: pymodbus 3.16 answers one of five pipelined requests and
can put another request's value under a valid transaction id (docs/decisions/hil-server.md).
Frame layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, §3.1.3.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hil.garble import CLOSING, GARBLES, framed
from hil.guard import Guard, role_of
from hil.manner import HEALTHY, Manner
from hil.pdu import Refusal, Request, parse, refuse, reply, writes
from hil.registers import Registers
from vpp.errors import DeviceFailure
from vpp.types import Endpoint

FRAME_DEADLINE_S = 5.0
"""True seconds for the rest of a frame whose first byte came, and for a client to take an answer."""
IDLE_DEADLINE_S = 600.0
"""True seconds after which a connection that asks nothing is closed."""
MAX_CONNECTIONS = 32
"""Per endpoint; more are closed at once and counted."""
MAX_PDU = 253
"""Bytes, MODBUS Application Protocol V1.1b3 §4.1."""


class Terminal(Protocol):
    """What stands behind an endpoint: the rig itself, or a line to it."""

    async def values(self) -> Mapping[str, float] | None:
        """Return every point's value now; None while the endpoint is to stay silent."""

    async def command(self, values: Mapping[str, float]) -> None:
        """Take the written values, by point name."""

    async def note(self, record: Mapping[str, object]) -> None:
        """Add a line to the device log."""


@dataclass(slots=True)
class Served:
    """Counters of one listener."""

    requests: int = 0
    refused: int = 0
    broken_frames: int = 0
    turned_away: int = 0
    """Connections beyond `MAX_CONNECTIONS`."""


class Listener:
    """A device's Modbus/TCP server."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        registers: Registers,
        terminal: Terminal,
        guard: Guard | None = None,
        *,
        manner: Callable[[], Manner] = lambda: HEALTHY,
    ) -> None:
        self.name = name
        self._guard = guard if endpoint.security == "tls" else None
        self.served = Served()
        self._endpoint = endpoint
        self._registers = registers
        self._terminal = terminal
        self._manner = manner
        self._ailing: dict[Manner, Registers] = {}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._connections = 0

    async def start(self) -> int:
        """Bind and listen; returns the port. DeviceFailure names device and port when it is taken."""
        host, port = self._endpoint.host, self._endpoint.port
        try:
            context = self._guard.context if self._guard is not None else None
            self._server = await asyncio.start_server(self._talk, host, port, limit=4096, ssl=context)
        except OSError as error:
            raise DeviceFailure(
                f"{self.name}: cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another simulated plant running? Stop it or choose another --port-base"
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        most = self._manner().connections
        if len(self._open) >= (MAX_CONNECTIONS if most is None else most):
            self.served.turned_away += 1
            writer.transport.abort()
            return
        self._open.add(writer)
        self._connections += 1
        number = self._connections
        tls = writer.get_extra_info("ssl_object")
        role = role_of(tls.getpeercert(binary_form=True)) if tls is not None else None
        try:
            first = True
            while (frame := await self._frame(reader)) is not None:
                if first:
                    await self._note_first(number, frame)
                    first = False
                await self._answer(frame, writer, role)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            self.served.broken_frames += 1
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _frame(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes] | None:
        """Return (transaction, unit, PDU); None at the end of the stream or after a broken frame."""
        async with asyncio.timeout(IDLE_DEADLINE_S):
            head = await reader.read(1)
        if not head:
            return None
        async with asyncio.timeout(FRAME_DEADLINE_S):
            head += await reader.readexactly(6)
            transaction, protocol, length, unit = struct.unpack(">HHHB", head)
            if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
                self.served.broken_frames += 1
                return None
            return transaction, unit, await reader.readexactly(length - 1)

    async def _note_first(self, number: int, frame: tuple[int, int, bytes]) -> None:
        request = parse(frame[2])
        kind = "write" if isinstance(request, Request) and request.write is not None else "read"
        await self._terminal.note({"event": "first_frame", "connection": number, "kind": kind})

    async def _answer(
        self, frame: tuple[int, int, bytes], writer: asyncio.StreamWriter, role: str | None
    ) -> None:
        transaction, unit, pdu = frame
        self.served.requests += 1
        if self._manner().connections == 0:
            raise ConnectionAbortedError("no connection by scenario")
        answer = await self._respond(unit, pdu, role)
        if answer is None:
            return
        how = self._manner().garbles_write if writes(pdu) else self._manner().garbles_read
        sent = framed(transaction, unit, answer) if how is None else GARBLES[how](transaction, unit, answer)
        for part in (sent,) if how != "byte_by_byte" else (sent[k : k + 1] for k in range(len(sent))):
            writer.write(part)
        if how in CLOSING:
            raise ConnectionAbortedError("cut by scenario")
        async with asyncio.timeout(FRAME_DEADLINE_S):
            await writer.drain()

    async def _respond(self, unit: int, pdu: bytes, role: str | None) -> bytes | None:
        values = await self._terminal.values()
        if values is None:
            return None
        manner = self._manner()
        code = manner.refuses_write if writes(pdu) else manner.refuses_read
        if code is not None:
            self.served.refused += 1
            return refuse(pdu[0], code)
        answer = await self._serve(unit, pdu, values, role)
        if isinstance(answer, Refusal):
            self.served.refused += 1
            return refuse(pdu[0], answer)
        return answer

    async def _serve(
        self, unit: int, pdu: bytes, values: Mapping[str, float], role: str | None
    ) -> bytes | Refusal:
        if unit != self._endpoint.unit:
            return Refusal.NO_TARGET
        request = parse(pdu)
        if isinstance(request, Refusal):
            return request
        if self._guard is not None and not self._guard.permits(role, write=request.write is not None):
            return Refusal.ILLEGAL_FUNCTION
        if request.write is not None:
            written = self._registers.written(request.write)
            if isinstance(written, Refusal):
                return written
            await self._terminal.command(written)
        if request.read is None:
            return reply(request, ())
        if request.write is not None:
            values = await self._terminal.values() or values
        registers = self._shown().read(values, request.read)
        return registers if isinstance(registers, Refusal) else reply(request, registers)

    def _shown(self) -> Registers:
        manner = self._manner()
        if not (manner.void or manner.exponents):
            return self._registers
        if manner not in self._ailing:
            self._ailing[manner] = self._registers.ailing(manner.void, manner.exponents)
        return self._ailing[manner]
