"""Messages of the link and their frames: one table kind -> type.

A frame is a 4-byte length, then `kind`, a serial number and the payload.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import TypeAlias

from vpp.types import (
    DispatchOrder,
    ModeOrder,
    Plan,
    ReloadOrder,
    Reply,
    RestoreOrder,
    Severity,
    ShedOrder,
    ShedReport,
    Snapshot,
    TieSensitivity,
    wire,
)
from vpp.version import VERSION

MAX_FRAME_BYTES = 8 * 2**20
"""A plan of 192 steps for 500 elements takes about 3 MB; assumption: twice that is an error."""


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
    version: str = VERSION
    """Of the product that the peer runs."""
    park: str = ""
    """Fingerprint of the park folder that the peer has read; empty: it rests on none."""


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
    | ReloadOrder
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
    "reload_order": ReloadOrder,
    "shed_report": ShedReport,
    "note": Note,
    "subscribe": Subscribe,
    "status_request": StatusRequest,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_HEAD = struct.Struct("<BI")
LENGTH = struct.Struct("<I")


def pack(message: Message, serial: int = 0) -> bytes:
    """Return the frame of a message; ValueError where it is larger than a frame may be."""
    name = _NAMES[type(message)].encode()
    payload = wire.encode(message)
    body = _HEAD.pack(len(name), serial) + name + payload
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a {name.decode()} of {len(body)} bytes is larger than a frame may be")
    return LENGTH.pack(len(body)) + body


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


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, Message]:
    """Return the next (serial, message); ValueError in words if malformed, EOFError at the end."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if not 0 < length <= MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes is refused; at most {MAX_FRAME_BYTES}")
    return unpack(await reader.readexactly(length))
