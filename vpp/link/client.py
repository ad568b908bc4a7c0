"""A peer's side of the link: with an event loop, and without."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from vpp.errors import DeviceFailure, Mismatch, TimedOut
from vpp.link.frames import LENGTH, MAX_FRAME_BYTES, Message, Subscribe, pack, read_frame, unpack
from vpp.types import Reply, Snapshot


class LinkClient:
    """A peer's side; made by `connect`, usable as an async context."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._serial = 0
        self._newest: Snapshot | None = None
        self._fresh = asyncio.Event()
        self._ended: str | None = None
        self._task = asyncio.create_task(self._receive())

    @classmethod
    async def connect(cls, path: Path, role: str, timeout_s: float, park: str = "") -> "LinkClient":
        """Connect and subscribe; DeviceFailure where nobody answers, TimedOut after `timeout_s`.

        `park` is the fingerprint of the park that this peer has read; Mismatch where control runs another
        version or reads another park.
        """
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(path)
        except TimeoutError as late:
            raise TimedOut(f"control did not accept a connection within {timeout_s:g} s") from late
        except OSError as gone:
            raise DeviceFailure(_not_there(path)) from gone
        client = cls(reader, writer)
        answer = await client.request(Subscribe(role=role, park=park), timeout_s)
        if isinstance(answer, Reply) and not answer.accepted:
            await client.close()
            raise Mismatch(answer.reason)
        return client

    async def request(self, message: Message, timeout_s: float) -> Message:
        """Send a message and return its answer; DeviceFailure at once where the peer is gone."""
        if self._ended is not None:
            raise DeviceFailure(self._ended)
        self._serial += 1
        serial = self._serial
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[serial] = answer
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(pack(message, serial))
                await self._writer.drain()
                return await answer
        except TimeoutError as late:
            raise TimedOut(f"control gave no answer within {timeout_s:g} s") from late
        except OSError as gone:
            raise DeviceFailure("the connection to control was lost") from gone
        finally:
            self._waiting.pop(serial, None)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """Yield the newest snapshot whenever there is one; ends with DeviceFailure."""
        while True:
            await self._fresh.wait()
            if self._newest is None:
                raise DeviceFailure(self._ended or "the connection to control was lost")
            snapshot, self._newest = self._newest, None
            if self._ended is None:
                self._fresh.clear()
            yield snapshot

    def __aiter__(self) -> AsyncIterator[Snapshot]:
        return self.snapshots()

    async def __aenter__(self) -> "LinkClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; requests under way fail."""
        self._end("the connection to control was closed")
        self._task.cancel()
        self._writer.close()

    async def _receive(self) -> None:
        try:
            while True:
                serial, message = await read_frame(self._reader)
                if serial == 0 and isinstance(message, Snapshot):
                    self._newest = message
                    self._fresh.set()
                elif (answer := self._waiting.get(serial)) is not None and not answer.done():
                    answer.set_result(message)
        except (OSError, EOFError):
            self._end("control closed the connection: its process has ended or it dropped this peer")
        except ValueError as malformed:
            self._end(f"control sent a malformed frame: {malformed}")

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._newest = None
        self._fresh.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(DeviceFailure(self._ended))


def ask(path: Path, message: Message, timeout_s: float) -> Message:
    """Send one message and return its answer, without an event loop: for the command line.

    DeviceFailure where control is not there, TimedOut where an answer takes over `timeout_s`
    true seconds between two parts of it.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(timeout_s)
            peer.connect(str(path))
            peer.sendall(pack(message, 1))
            (length,) = LENGTH.unpack(_read_exactly(peer, LENGTH.size))
            if length > MAX_FRAME_BYTES:
                raise DeviceFailure(f"control sent a frame of {length} bytes")
            return unpack(_read_exactly(peer, length))[1]
    except TimeoutError as late:
        raise TimedOut(f"control gave no answer within {timeout_s:g} s") from late
    except OSError as gone:
        raise DeviceFailure(_not_there(path)) from gone
    except ValueError as malformed:
        raise DeviceFailure(f"control sent a malformed frame: {malformed}") from malformed


def _read_exactly(peer: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = peer.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("closed in the middle of a frame")
        parts += part
    return bytes(parts)


def _not_there(path: Path) -> str:
    return f"control does not answer on {path}: start it with `vpp run`, or name its folder with --state"
