"""The one stream between control and everybody else: framed messages over a Unix socket.

A request carries a serial number, its answer the same one; serial 0 is a published snapshot.
Nothing is queued for a dead peer: a request fails at once with `DeviceFailure` in words.
"""

from vpp.link.client import LinkClient, ask
from vpp.link.frames import (
    KINDS,
    MAX_FRAME_BYTES,
    Message,
    Note,
    PlanOffer,
    StatusRequest,
    Subscribe,
    pack,
    unpack,
)
from vpp.link.server import LinkServer

__all__ = [
    "KINDS",
    "MAX_FRAME_BYTES",
    "LinkClient",
    "LinkServer",
    "Message",
    "Note",
    "PlanOffer",
    "StatusRequest",
    "Subscribe",
    "ask",
    "pack",
    "unpack",
]
