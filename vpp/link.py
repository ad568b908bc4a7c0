"""The one stream between control and everybody else: framed messages over a Unix socket.

A frame is a 4-byte length, then `kind`, a serial number and the payload. A request carries a
serial, its answer the same one; serial 0 is a published snapshot. Nothing is queued for a dead
peer: a request fails at once with `DeviceFailure` in words.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from vpp.errors import DeviceFailure, TimedOut
from vpp.types import (
    DispatchOrder,
    ModeOrder,
    Plan,
    Reply,
    RestoreOrder,
    Severity,
    ShedOrder,
    ShedReport,
    Snapshot,
    TieSensitivity,
    wire,
)

MAX_FRAME_BYTES = 8 * 2**20
"""A plan of 192 steps for 500 elements takes about 3 MB; assumption: twice that is an error."""
MAX_PENDING = 8
"""Requests of one peer that wait for an answer; more close the connection."""
DRAIN_S = 2.0
"""True seconds after which a peer that does not read is dropped."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOffer:
    """A released plan on its way to control."""

    plan: Plan
    sensitivities: tuple[TieSensitivity, ...]
    """One per step of the plan, or none."""
    started_true_s: float
    """Monotonic second at which the planner read the snapshot it started from."""
    deadline_s: float
    """True seconds after that at which control drops the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark of another process for the journal; an alarm while `raised`."""

    id: str
    """Alarm id, e.g. `process:planner`."""
    source: str
    severity: Severity
    text: str
    raised: bool
    """False clears the alarm of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """First message of a peer that wants every snapshot."""

    role: str
    """`planner`, `service`, `cli` ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Ask for the newest snapshot, once."""


Message: TypeAlias = (
    Snapshot
    | PlanOffer
    | Reply
    | DispatchOrder
    | ShedOrder
    | RestoreOrder
    | ModeOrder
    | ShedReport
    | Note
    | Subscribe
    | StatusRequest
)

KINDS: dict[str, type[Message]] = {
    "snapshot": Snapshot,
    "plan_offer": PlanOffer,
    "reply": Reply,
    "dispatch_order": DispatchOrder,
    "shed_order": ShedOrder,
    "restore_order": RestoreOrder,
    "mode_order": ModeOrder,
    "shed_report": ShedReport,
    "note": Note,
    "subscribe": Subscribe,
    "status_request": StatusRequest,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_HEAD = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")


def pack(message: Message, serial: int = 0) -> bytes:
    """Return the frame of a message; ValueError where it is larger than a frame may be."""
    name = _NAMES[type(message)].encode()
    payload = wire.encode(message)
    body = _HEAD.pack(len(name), serial) + name + payload
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a {name.decode()} of {len(body)} bytes is larger than a frame may be")
    return _LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> tuple[int, Message]:
    """Return (serial, message) of a frame without its length; ValueError in words if malformed."""
    if len(body) < _HEAD.size:
        raise ValueError(f"a frame of {len(body)} bytes is too short")
    size, serial = _HEAD.unpack_from(body)
    name = body[_HEAD.size : _HEAD.size + size].decode("ascii", "replace")
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"unknown kind of message {name[:40]!r}")
    return serial, wire.decode(body[_HEAD.size + size :], kind)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, Message]:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if not 0 < length <= MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes is refused; at most {MAX_FRAME_BYTES}")
    return unpack(await reader.readexactly(length))


Take: TypeAlias = Callable[[Message], Awaitable[Message]]


class _Peer:
    """One connection on control's side: a slot for the newest snapshot, and its requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.task = asyncio.current_task()
        self.role: str | None = None
        self.pending: set[asyncio.Task[None]] = set()
        self.newest: bytes | None = None
        self.fresh = asyncio.Event()


class LinkServer:
    """Control's side: answers requests by `take`, publishes snapshots to subscribers.

    `skipped` counts snapshots a slow reader never saw, `dropped` peers that stopped reading,
    `refused` connections closed for a malformed frame.
    """

    def __init__(self, path: Path, take: Take) -> None:
        self._path, self._take = path, take
        self._peers: set[_Peer] = set()
        self._server: asyncio.AbstractServer | None = None
        self._latest: Snapshot | None = None
        self.skipped = self.dropped = self.refused = 0

    @property
    def roles(self) -> frozenset[str]:
        """Roles of the peers that are connected and subscribed now."""
        return frozenset(peer.role for peer in self._peers if peer.role is not None)

    async def start(self) -> None:
        """Listen on the socket (mode 0600), taking over a socket file that nobody serves."""
        if self._path.is_socket():
            try:
                _, probe = await asyncio.open_unix_connection(self._path)
            except OSError:
                self._path.unlink(missing_ok=True)
            else:
                probe.close()
                raise DeviceFailure(f"another control process answers on {self._path}; stop it first")
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close every connection and remove the socket file."""
        if self._server is not None:
            self._server.close()
        for peer in tuple(self._peers):
            peer.writer.transport.abort()
        if ending := {peer.task for peer in self._peers if peer.task is not None}:
            await asyncio.wait(ending, timeout=DRAIN_S)
        self._path.unlink(missing_ok=True)

    def publish(self, snapshot: Snapshot) -> None:
        """Put the newest snapshot into every subscriber's slot; never waits."""
        self._latest = snapshot
        listening = [peer for peer in self._peers if peer.role is not None]
        frame = pack(snapshot) if listening else b""
        for peer in listening:
            self.skipped += peer.newest is not None
            peer.newest = frame
            peer.fresh.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(reader, writer)
        self._peers.add(peer)
        publisher = asyncio.create_task(self._publish(peer))
        try:
            while True:
                await self._accept(peer, *await _read_frame(reader))
        except ValueError:
            self.refused += 1
        except (OSError, EOFError):
            pass
        finally:
            self._peers.discard(peer)
            for task in (publisher, *peer.pending):
                task.cancel()
            writer.close()

    async def _accept(self, peer: _Peer, serial: int, message: Message) -> None:
        if isinstance(message, Subscribe):
            peer.role = message.role
            await self._send(peer, pack(Reply(id=message.role, accepted=True, reason=""), serial))
        elif isinstance(message, StatusRequest):
            answer = self._latest or Reply(id="", accepted=False, reason="control has not run a cycle yet")
            await self._send(peer, pack(answer, serial))
        elif len(peer.pending) >= MAX_PENDING:
            raise ValueError("too many requests wait for an answer")
        else:
            task = asyncio.create_task(self._answer(peer, serial, message))
            peer.pending.add(task)
            task.add_done_callback(peer.pending.discard)

    async def _answer(self, peer: _Peer, serial: int, message: Message) -> None:
        await self._send(peer, pack(await self._take(message), serial))

    async def _publish(self, peer: _Peer) -> None:
        while True:
            await peer.fresh.wait()
            peer.fresh.clear()
            frame, peer.newest = peer.newest, None
            if frame is not None:
                await self._send(peer, frame)

    async def _send(self, peer: _Peer, frame: bytes) -> None:
        try:
            peer.writer.write(frame)
            async with asyncio.timeout(DRAIN_S):
                await peer.writer.drain()
        except TimeoutError:
            self.dropped += 1
            peer.writer.transport.abort()
        except OSError:
            peer.writer.close()


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
    async def connect(cls, path: Path, role: str, timeout_s: float) -> "LinkClient":
        """Connect and subscribe; DeviceFailure where nobody answers, TimedOut after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(path)
        except TimeoutError as late:
            raise TimedOut(f"control did not accept a connection within {timeout_s:g} s") from late
        except OSError as gone:
            raise DeviceFailure(_not_there(path)) from gone
        client = cls(reader, writer)
        await client.request(Subscribe(role=role), timeout_s)
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
                serial, message = await _read_frame(self._reader)
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
            (length,) = _LENGTH.unpack(_read_exactly(peer, _LENGTH.size))
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
