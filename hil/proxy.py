"""A bad line between a Modbus/TCP client and its server: a proxy that does to bytes what networks do.

Conditions are data (`hil.line.Line`) and may change while connections stand. Everything random comes from one
seeded generator per connection and way, so that a run can be repeated.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from hil.line import GOOD, Line, Way
from vpp.clock import Clock
from vpp.seeds import generator

RETRIES = 6
"""Losses of one segment in a row at most."""
HEADERS = 40
"""Bytes of IP and TCP around each segment."""
SWAP_WAIT_S = 0.1
"""True seconds for which a frame is held back behind the next one."""
MAX_WAITING = 64
"""Segments on their way per connection and direction; then the sender is held up."""
READ_BYTES = 4096
CONNECT_S = 2.0
"""True seconds for the proxy's own connection to the server."""


@dataclass(slots=True)
class Carried:
    """What a proxy has done."""

    connections: int = 0
    frames: int = 0
    """Frames or segments that came in."""
    lost: int = 0
    """Segments that were sent again."""
    dropped: int = 0
    doubled: int = 0
    swapped: int = 0
    swallowed: int = 0
    """Bytes that went into a dead way."""


class Proxy:
    """Listens on its own port and carries each connection to the server; use `start` and `close`."""

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock,
        *,
        seed: int = 0,
        line: Line = GOOD,
        own_host: str = "127.0.0.1",
        own_port: int = 0,
    ) -> None:
        self._peer, self._clock, self._seed = (host, port), clock, seed
        self._line = line
        self.carried = Carried()
        self._own_host = own_host
        self.port = own_port
        self._server: asyncio.Server | None = None
        self._free_s = {"asks": 0.0, "answers": 0.0}
        """True second from which the narrow part of each way is free again."""
        self._pairs: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    @property
    def line(self) -> Line:
        """What the line is like now; `set` changes it."""
        return self._line

    async def set(self, line: Line) -> None:
        """Change the line under way; what a cut has swallowed does not come back."""
        self._line = line
        if line.refuses and self._server is not None:
            self._server.close()
            self._server = None
        elif not line.refuses and self._server is None:
            await self._listen()

    async def start(self) -> int:
        """Listen, unless the line refuses; returns the port, which stays the same for good."""
        await self._listen()
        if self._line.refuses:
            await self.set(self._line)
        return self.port

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._carry, self._own_host, self.port, limit=READ_BYTES, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """End every connection by RST on both sides, as a firewall or a crashed peer does."""
        for task, writers in tuple(self._pairs.items()):
            for writer in writers:
                _reset(writer)
            task.cancel()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = tuple(self._pairs)
        self.reset()
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.carried.connections += 1
        number = self.carried.connections
        self._pairs[task] = (writer,)
        try:
            with suppress(asyncio.CancelledError):  # by `reset`; asyncio's streams would tell it as an error
                async with asyncio.timeout(CONNECT_S):
                    there_reader, there = await asyncio.open_connection(*self._peer)
                self._pairs[task] = (writer, there)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._way("asks", number, reader, there))
                    both.create_task(self._way("answers", number, there_reader, writer))
        except* (OSError, TimeoutError, EOFError):
            pass  # one side ended: the other one ends with it
        finally:
            for end in self._pairs.pop(task):
                end.transport.abort()

    async def _way(
        self, name: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one direction until its sender ends, which raises EOFError."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_WAITING)
        chance = generator(self._seed, "line", name, number)
        async with asyncio.TaskGroup() as two:
            two.create_task(self._take_in(name, reader, waiting, chance))
            two.create_task(self._give_out(name, writer, waiting))

    async def _take_in(
        self,
        name: str,
        reader: asyncio.StreamReader,
        waiting: "asyncio.Queue[tuple[float, bytes]]",
        chance: np.random.Generator,
    ) -> None:
        rest, last_s, held = b"", 0.0, b""
        while True:
            way: Way = getattr(self._line, name)
            try:
                async with asyncio.timeout(SWAP_WAIT_S if held else None):
                    data = await reader.read(READ_BYTES)
            except TimeoutError:
                await waiting.put((self._clock.true_s(), held))
                held = b""
                continue
            if not data:
                raise EOFError
            way = getattr(self._line, name)
            if way.dead:
                self.carried.swallowed += len(data)
                continue
            pieces, rest = frames(rest + data) if way.by_frame else ([rest + data], b"")
            for piece in pieces:
                self.carried.frames += 1
                out, held = self._fate(way, chance, piece, held)
                for one in out:
                    last_s = max(last_s, self._due_s(name, way, chance, len(one)))
                    await waiting.put((last_s, one))

    def _fate(
        self, way: Way, chance: np.random.Generator, piece: bytes, held: bytes
    ) -> tuple[list[bytes], bytes]:
        """Return what leaves now, in order, and what is held back behind the next frame."""
        if way.dropped and chance.random() < way.dropped:
            self.carried.dropped += 1
            return [], held
        out = [piece]
        if way.doubled and chance.random() < way.doubled:
            self.carried.doubled += 1
            out.append(piece)
        if held:
            return [*out, held], b""
        if way.swapped and chance.random() < way.swapped:
            self.carried.swapped += 1
            return [], b"".join(out)
        return out, b""

    def _due_s(self, name: str, way: Way, chance: np.random.Generator, size: int) -> float:
        """Return the true second at which a segment arrives."""
        late_s = way.delay_s
        if way.jitter_s:
            late_s = max(0.0, late_s + way.jitter_s * float(chance.uniform(-1.0, 1.0)))
        again = 0
        while way.loss and again < RETRIES and chance.random() < way.loss:
            late_s += way.retry_s * 2**again
            again += 1
        self.carried.lost += again
        self._free_s[name] = (
            max(self._clock.true_s(), self._free_s[name]) + 8 * (size + HEADERS) / way.bit_per_s
        )
        return self._free_s[name] + late_s

    async def _give_out(
        self, name: str, writer: asyncio.StreamWriter, waiting: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        while True:
            due_s, data = await waiting.get()
            if (wait_s := due_s - self._clock.true_s()) > 0:
                await self._clock.sleep_true(wait_s)
            way: Way = getattr(self._line, name)
            if way.dead:
                self.carried.swallowed += len(data)
                continue
            for k, part in enumerate(slices(data, way.slice_bytes)):
                if k and way.slice_gap_s:
                    await self._clock.sleep_true(way.slice_gap_s)
                writer.write(part)
                await writer.drain()


def frames(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut complete Modbus/TCP frames off a stream; returns them and the rest.

    Layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3.
    """
    found, at = [], 0
    while len(data) - at >= 6:
        end = at + 6 + int(struct.unpack_from(">H", data, at + 4)[0])
        if len(data) < end:
            break
        found.append(data[at:end])
        at = end
    return found, data[at:]


def slices(data: bytes, size: int) -> Iterator[bytes]:
    """Yield `data` in pieces of at most `size` bytes; 0: in one."""
    step = size or len(data)
    for at in range(0, len(data), step):
        yield data[at : at + step]


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the kernel send RST instead of FIN at the close."""
    own = writer.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
