"""What a journal holds: its records in order, its last ones, and whether they can be trusted."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vpp.journal.frames import HEADER_BYTES, Broken, Frame, walk
from vpp.journal.segments import Record, segment_paths


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


def _walk_all(folder: Path) -> Iterator[tuple[Path, Frame | Broken]]:
    for path in segment_paths(folder):
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
    for path in reversed(segment_paths(folder)):
        frames = [found for found in walk(path.read_bytes()) if isinstance(found, Frame)]
        for found in reversed(frames):
            if len(last) == n:
                return tuple(last)
            last.appendleft(msgspec.msgpack.decode(found.payload, type=Record))
    return tuple(last)


def verify(folder: Path) -> Verdict:
    """Check every hash and the chain over all segments; name the first record that is wrong."""
    records, first, digest = 0, None, None
    paths = segment_paths(folder)
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


def recent(folder: Path, kinds: Collection[str], segments: int = 2) -> tuple[Record, ...]:
    """Return the records of some kinds in the last segments, oldest first; damaged ones are left out."""
    records = (
        msgspec.msgpack.decode(found.payload, type=Record)
        for path in segment_paths(folder)[-segments:]
        for found in walk(path.read_bytes())
        if isinstance(found, Frame)
    )
    return tuple(record for record in records if record.kind in kinds)
