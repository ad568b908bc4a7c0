"""How a connection to the field stands: its circuit, and why."""

from dataclasses import dataclass
from enum import StrEnum


class LinkState(StrEnum):
    """Whether requests go out; only a valid answer closes a circuit, an accepted connect does not."""

    CONNECTING = "connecting"
    """The first try since the start: nobody has answered yet."""
    CLOSED = "closed"
    """The endpoint answers."""
    OPEN = "open"
    """It failed; nothing is sent until the pause ends."""
    HALF_OPEN = "half_open"
    """The pause has ended; one read tries whether it answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The circuit of one endpoint; counters since control's start."""

    state: LinkState
    reason: str
    """Why it is not closed, or what the endpoint refuses; empty where all is well."""
    connects: int
    """TCP connects tried; endpoints behind one gateway share them."""
    timeouts: int
    """Requests without an answer in time, or cut off by the end of their connection."""
    wrong: int
    """Answers that did not fit their request."""
    refused: int
    """Modbus exceptions."""
    dropped: int
    """Polls that were skipped because the one before was still due."""
