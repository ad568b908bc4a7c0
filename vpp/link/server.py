"""Control's side of the link."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from vpp.errors import DeviceFailure
from vpp.link.frames import Message, StatusRequest, Subscribe, pack, read_frame
from vpp.types import Reply, Snapshot
from vpp.version import VERSION

MAX_PENDING = 8
"""Requests of one peer that wait for an answer; more close the connection."""
DRAIN_S = 2.0
"""True seconds after which a peer that does not read is dropped."""

Take: TypeAlias = Callable[[Message], Awaitable[Message]]


class _Peer:
    """One connection on control's side: a slot for the newest snapshot, and its requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.task = asyncio.current_task()
        self.role: str | None = None
        self.park = ""
        self.pending: set[asyncio.Task[None]] = set()
        self.newest: bytes | None = None
        self.fresh = asyncio.Event()


def _other(read: str, own: str) -> bool:
    return bool(read) and bool(own) and read != own


class LinkServer:
    """Control's side: answers requests by `take`, publishes snapshots to subscribers.

    `skipped` counts snapshots a slow reader never saw, `dropped` peers that stopped reading,
    `refused` connections closed for a malformed frame. A peer of another version, or that has read another
    park than `park()` names (its folder's fingerprint), is not let in; one that stands when the park
    changes is closed.
    """

    def __init__(self, path: Path, take: Take, park: Callable[[], str] = str) -> None:
        self._path, self._take, self._park = path, take, park
        self._peers: set[_Peer] = set()
        self._server: asyncio.AbstractServer | None = None
        self._latest: Snapshot | None = None
        self._inode = 0
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
        self._inode = self._path.stat().st_ino

    async def stop(self) -> None:
        """Close every connection and remove the socket file where it is still this server's."""
        if self._server is not None:
            self._server.close()
        for peer in tuple(self._peers):
            peer.writer.transport.abort()
        if ending := {peer.task for peer in self._peers if peer.task is not None}:
            await asyncio.wait(ending, timeout=DRAIN_S)
        # another control may have taken the path over while this one was stopped
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def publish(self, snapshot: Snapshot) -> None:
        """Put the newest snapshot into every subscriber's slot; never waits."""
        self._latest = snapshot
        for peer in tuple(self._peers):
            if _other(peer.park, self._park()):
                peer.writer.transport.abort()
                self._peers.discard(peer)
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
                await self._accept(peer, *await read_frame(reader))
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
            reason = self._mismatch(message)
            if not reason:
                peer.role, peer.park = message.role, message.park
            await self._send(peer, pack(Reply(id=message.role, accepted=not reason, reason=reason), serial))
        elif isinstance(message, StatusRequest):
            answer = self._latest or Reply(id="", accepted=False, reason="control has not run a cycle yet")
            await self._send(peer, pack(answer, serial))
        elif len(peer.pending) >= MAX_PENDING:
            raise ValueError("too many requests wait for an answer")
        else:
            task = asyncio.create_task(self._answer(peer, serial, message))
            peer.pending.add(task)
            task.add_done_callback(peer.pending.discard)

    def _mismatch(self, peer: Subscribe) -> str:
        if peer.version != VERSION:
            return f"{peer.role} is of version {peer.version}, control of {VERSION}: start the run anew"
        if _other(peer.park, self._park()):
            return (
                f"{peer.role} has read another park than control, or other register maps "
                f"({peer.park[:8]}, control {self._park()[:8]}): `vpp reload`, or start the run anew"
            )
        return ""

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
            self._peers.discard(peer)
            peer.writer.transport.abort()
        except OSError:
            peer.writer.close()
