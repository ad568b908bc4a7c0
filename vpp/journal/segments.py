"""The journal on disk: open, append, sync, read, verify."""

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vpp.clock import Clock
from vpp.journal.frames import HEADER_BYTES, START, Frame, frame, header, walk
from vpp.types import wire

SEGMENT_BYTES = 16 * 2**20
RING = 4096
"""Records kept in memory while the disk takes none; about an hour of control at one a second."""
AGAIN = "again"
"""Kind of a record that was written before and may have been lost; its payload is the whole record."""


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


class _Entry(NamedTuple):
    """A record as it is written, and as it was first."""

    data: bytes
    original: bytes


def segment_paths(folder: Path) -> list[Path]:
    """Return the segment files of a journal in order."""
    return sorted(path for path in folder.glob("*.ywj") if path.stem.isdigit())


class Journal:
    """Append-only journal of one process.

    Records are in the page cache when `append` returns, but for three times: while the disk takes
    nothing, while the disk is being forced to take what it has (that may stall for seconds, and a
    write would stall with it), and while `may_write` says that another process may have gone on with
    the folder. Meanwhile they wait in a ring: `trouble` says so in words, `lost` counts those that
    fell out of it, and nothing else stops. `append` is for one thread, `sync` may run in another.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._clock, self._segment_bytes = folder, clock, segment_bytes
        self._may_write = may_write or _always
        self._waiting: deque[_Entry] = deque()
        self._unsecured: deque[_Entry] = deque(maxlen=RING)
        """Written, and not yet known to be on the disk."""
        self._unsynced: list[int] = []
        self._files = threading.Lock()
        """Held for as long as a write to the page cache takes."""
        self._forcing = threading.Lock()
        """Held for as long as the disk takes."""
        self._refused: str | None = None
        self._doubtful: str | None = None
        """Why what was written since the last good fsync may be lost."""
        self.lost = 0
        found = segment_paths(folder)
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

    @property
    def trouble(self) -> str | None:
        """What is wrong with the disk, in words; None: nothing."""
        return self._refused or self._doubtful

    def append(self, kind: str, value: Any) -> None:
        """Write a record to the page cache; never raises for a full disk, never waits for one."""
        with self._files:
            self._waiting.append(self._entry(kind, wire.encode(value)))
            if len(self._waiting) > RING:
                self._waiting.popleft()
                self.lost += 1
        if not self._forcing.locked():
            self._flush()

    def _entry(self, kind: str, payload: bytes) -> "_Entry":
        clock = self._clock
        record = Record(
            kind=kind, at=clock.plant_now(), true_s=clock.true_s(), rate=clock.rate(), payload=payload
        )
        encoded = msgspec.msgpack.encode(record)
        return _Entry(encoded, payload if kind == AGAIN else encoded)

    def _flush(self) -> bool:
        """Write what waits; False, with `trouble` set, where the disk refuses."""
        with self._files:
            try:
                while self._waiting and self._may_write():
                    self._write(self._waiting[0].data)
                    self._unsecured.append(self._waiting.popleft())
            except OSError as refused:
                self._refused = f"the journal cannot be written ({refused.strerror}); control goes on"
                return False
            self._refused = None
            return not self._waiting

    def sync(self) -> bool:
        """Force everything to the disk; False, with `trouble` set, where that failed.

        After a failed fsync the kernel takes the lost pages for clean and calls the next one a success
        (fsync(2)): what was not secured is written once more, as kind `again`, to a new segment, as
        soon as the disk takes one.
        """
        with self._forcing:
            secured = self._force()
        self._flush()
        return secured

    def _force(self) -> bool:
        try:
            if self._doubtful is not None:
                self._begin_anew()
            written = self._flush()
            with self._files:
                old, fd, records = list(self._unsynced), self._fd, len(self._unsecured)
            for each in (*old, fd):
                os.fsync(each)
        except OSError as refused:
            self._doubtful = f"the journal cannot be secured on disk ({refused.strerror})"
            return False
        with self._files:
            for _ in range(records):
                self._unsecured.popleft()
            self._unsynced = [each for each in self._unsynced if each not in old]
        for each in old:
            os.close(each)
        self._doubtful = None
        return written

    def _begin_anew(self) -> None:
        """Go on in a new segment, with what the disk may have lost; OSError where it still takes none."""
        digest, path = self._digest, self._path(self._number + 1)
        fd = self._open(path)
        try:
            os.ftruncate(fd, 0)
            os.write(fd, header(digest))
            os.fsync(fd)
            with self._files:
                if self._digest != digest:
                    raise OSError(5, "written to meanwhile")
                for each in (*self._unsynced, self._fd):
                    os.close(each)
                self._unsynced, self._fd = [], fd
                self._number, self._size = self._number + 1, HEADER_BYTES
                again = [self._entry(AGAIN, entry.original) for entry in self._unsecured]
                self._unsecured.clear()
                self._waiting.extendleft(reversed(again))
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise

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
        fd = self._open(self._path(self._number + 1))
        os.ftruncate(fd, 0)
        head = header(self._digest)
        if os.write(fd, head) < len(head):
            os.close(fd)
            raise OSError(28, "no space left on device")
        self._number, self._size = self._number + 1, len(head)
        return fd

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.ywj"

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _always() -> bool:
    return True


def _recover(path: Path) -> tuple[bytes, int, dict[str, Any] | None]:
    """Cut a torn last frame off; return (last digest, size or 0 for `start a new one`, what was done)."""
    try:
        data = path.read_bytes()
    except OSError as unreadable:
        # the chain ends here; `verify` says so, and nobody can say more
        return START, 0, {"segment": path.name, "offset": 0, "text": f"cannot be read: {unreadable.strerror}"}
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
