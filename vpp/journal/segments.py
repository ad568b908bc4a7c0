"""The journal on disk: open, append, sync, read, verify."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from vpp.clock import Clock
from vpp.journal.frames import HEADER_BYTES, START, Broken, Frame, frame, header, walk
from vpp.types import wire

SEGMENT_BYTES = 16 * 2**20
RING = 4096
"""Records kept in memory while the disk takes none; about an hour of control at one a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of the journal."""

    kind: str
    at: datetime
    """Plant time."""
    true_s: float
    """Monotonic second of the machine; comparable within one boot only."""
    rate: float
    """Plant seconds per true second."""
    payload: bytes
    """The value by `vpp.types.wire`."""

    @property
    def value(self) -> Any:
        """The payload as dicts, lists and scalars."""
        return wire.plain(self.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """The first record of a segment that cannot be trusted."""

    segment: str
    offset: int
    record: int
    """Sound records of the whole journal before it."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` found."""

    records: int
    segments: int
    first: Damage | None
    """None: every record fits its hash and follows the one before."""

    @property
    def ok(self) -> bool:
        """True where nothing is damaged."""
        return self.first is None


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.ywj"))


class Journal:
    """Append-only journal of one process; records are in the page cache when `append` returns.

    Where the disk takes nothing, records wait in a ring: `trouble` says so in words, `lost`
    counts those that fell out of it, and nothing else stops.
    """

    def __init__(self, folder: Path, clock: Clock, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._clock, self._segment_bytes = folder, clock, segment_bytes
        self._waiting: deque[bytes] = deque()
        self._unsynced: list[int] = []
        self.trouble: str | None = None
        self.lost = 0
        found = _segments(folder)
        self._number = int(found[-1].stem) if found else 0
        self._digest, self._size, repaired = _recover(found[-1]) if found else (START, 0, None)
        fits = found and 0 < self._size < segment_bytes
        self._fd = self._open(found[-1]) if fits else self._next_segment()
        if repaired is not None:
            self.append("journal_repaired", repaired)

    @property
    def segment(self) -> int:
        """Number of the segment that the next record goes to."""
        return self._number

    def append(self, kind: str, value: Any) -> None:
        """Write a record to the page cache; never raises for a disk that takes nothing."""
        record = Record(
            kind=kind,
            at=self._clock.plant_now(),
            true_s=self._clock.true_s(),
            rate=self._clock.rate(),
            payload=wire.encode(value),
        )
        self._waiting.append(msgspec.msgpack.encode(record))
        if len(self._waiting) > RING:
            self._waiting.popleft()
            self.lost += 1
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
        except OSError as refused:
            self.trouble = f"the journal cannot be written ({refused.strerror}); control goes on"
        else:
            self.trouble = None

    def sync(self) -> bool:
        """Force everything to the disk; False, with `trouble` set, where that failed."""
        try:
            for fd in (*self._unsynced, self._fd):
                os.fsync(fd)
        except OSError as refused:
            self.trouble = f"the journal cannot be secured on disk ({refused.strerror})"
            return False
        while self._unsynced:
            os.close(self._unsynced.pop())
        return not self._waiting

    def close(self) -> None:
        """Sync and close; the journal takes no more records."""
        self.sync()
        os.close(self._fd)

    def _write(self, payload: bytes) -> None:
        if self._size >= self._segment_bytes:
            following = self._next_segment()
            self._unsynced.append(self._fd)
            self._fd = following
        data, digest = frame(payload, self._digest)
        written = os.write(self._fd, data)
        if written < len(data):
            os.ftruncate(self._fd, self._size)
            raise OSError(28, "no space left on device")
        self._digest, self._size = digest, self._size + written

    def _next_segment(self) -> int:
        path = self.folder / f"{self._number + 1:08d}.ywj"
        fd = self._open(path)
        os.ftruncate(fd, 0)
        head = header(self._digest)
        if os.write(fd, head) < len(head):
            os.close(fd)
            raise OSError(28, "no space left on device")
        self._number, self._size = self._number + 1, len(head)
        return fd

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _recover(path: Path) -> tuple[bytes, int, dict[str, Any] | None]:
    """Cut a torn last frame off; return (last digest, size or 0 for `start a new one`, what was done)."""
    data = path.read_bytes()
    digest, end = (data[4:HEADER_BYTES], HEADER_BYTES) if len(data) >= HEADER_BYTES else (START, 0)
    for found in walk(data):
        if isinstance(found, Frame):
            digest, end = found.digest, found.end
        elif found.torn:
            os.truncate(path, end)
            return digest, end, {"segment": path.name, "offset": end, "cut_bytes": len(data) - end}
        else:
            return digest, 0, {"segment": path.name, "offset": found.offset, "text": found.text}
    return digest, end, None


def _walk_all(folder: Path) -> Iterator[tuple[Path, Frame | Broken]]:
    for path in _segments(folder):
        for found in walk(path.read_bytes()):
            yield path, found


def read(folder: Path) -> Iterator[Record]:
    """Yield every sound record in order; damaged stretches are left out (`verify` names them)."""
    for _, found in _walk_all(folder):
        if isinstance(found, Frame):
            yield msgspec.msgpack.decode(found.payload, type=Record)


def tail(folder: Path, n: int) -> tuple[Record, ...]:
    """Return the last `n` records, oldest first, reading no more segments than needed."""
    last: deque[Record] = deque()
    for path in reversed(_segments(folder)):
        frames = [found for found in walk(path.read_bytes()) if isinstance(found, Frame)]
        for found in reversed(frames):
            if len(last) == n:
                return tuple(last)
            last.appendleft(msgspec.msgpack.decode(found.payload, type=Record))
    return tuple(last)


def verify(folder: Path) -> Verdict:
    """Check every hash and the chain over all segments; name the first record that is wrong."""
    records, first, digest = 0, None, None
    paths = _segments(folder)
    for path in paths:
        data = path.read_bytes()
        start = data[4:HEADER_BYTES]
        if first is None and digest is not None and start != digest:
            text = "it does not follow the segment before: one is missing, cut or replaced"
            first = Damage(segment=path.name, offset=0, record=records, text=text)
        digest = start
        for found in walk(data):
            if isinstance(found, Frame):
                records, digest = records + 1, found.digest
            elif first is None:
                first = Damage(segment=path.name, offset=found.offset, record=records, text=found.text)
    return Verdict(records=records, segments=len(paths), first=first)
