"""A segment file as bytes: frames of (length, SHA-256 chained to the last frame, payload)."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"YWJ1"
HEADER_BYTES = len(MAGIC) + 32
"""Magic and the digest of the last frame of the segment before (zeros for the first)."""
START = bytes(32)
MAX_PAYLOAD_BYTES = 8 * 2**20
_HEAD = struct.Struct("<I32s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One sound frame of a segment."""

    offset: int
    end: int
    payload: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Where the reading of a segment ends before its bytes do."""

    offset: int
    torn: bool
    """True: the frame reaches past the end of the file, as after a kill in the middle of a write."""
    text: str


def header(previous: bytes) -> bytes:
    """Return the first bytes of a segment that follows the frame with digest `previous`."""
    return MAGIC + previous


def frame(payload: bytes, previous: bytes) -> tuple[bytes, bytes]:
    """Return (frame, its digest) of a payload after the frame with digest `previous`."""
    digest = hashlib.sha256(previous + payload).digest()
    return _HEAD.pack(len(payload), digest) + payload, digest


def walk(data: bytes) -> Iterator[Frame | Broken]:
    """Yield the frames of a segment in order, then at most one `Broken`."""
    if len(data) < HEADER_BYTES or data[: len(MAGIC)] != MAGIC:
        torn = len(data) < HEADER_BYTES
        other = data[:3] == MAGIC[:3] and data[: len(MAGIC)] != MAGIC
        text = "written by another version" if other else "not a journal segment: its first bytes are missing"
        yield Broken(offset=0, torn=torn and not other, text=text)
        return
    previous, at = data[len(MAGIC) : HEADER_BYTES], HEADER_BYTES
    while at < len(data):
        found = _next(data, at, previous)
        yield found
        if isinstance(found, Broken):
            return
        previous, at = found.digest, found.end


def _next(data: bytes, at: int, previous: bytes) -> Frame | Broken:
    if len(data) - at < _HEAD.size:
        return Broken(offset=at, torn=True, text="the last record is cut off")
    size, digest = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + size
    if not 0 < size <= MAX_PAYLOAD_BYTES:
        torn = not any(data[at:])
        return Broken(offset=at, torn=torn, text=f"a record of {size} bytes cannot be")
    if end > len(data):
        return Broken(offset=at, torn=True, text="the last record is cut off")
    payload = data[at + _HEAD.size : end]
    if hashlib.sha256(previous + payload).digest() != digest:
        torn = end == len(data)
        return Broken(offset=at, torn=torn, text="its content does not fit its hash")
    return Frame(offset=at, end=end, payload=payload, digest=digest)
