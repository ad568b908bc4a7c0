"""How an endpoint treats its clients at one moment: what its server does beside answering well."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """The default is a healthy endpoint."""

    silence: Literal["mute", "close"] | None = None
    """mute: takes requests, answers nothing; close: drops every connection at its first request."""
    latency_s: float = 0.0
    """True seconds before each answer."""
    refuses_read: int | None = None
    refuses_write: int | None = None
    """Exception codes."""
    garbles_read: str | None = None
    garbles_write: str | None = None
    """Words of `hil.garble`."""
    connections: int | None = None
    """Most at once; None: the server's own bound."""
    void: tuple[str, ...] = ()
    """Points that show 'not implemented'."""
    exponents: tuple[tuple[str, int], ...] = ()
    """By scale point how much larger the exponent is that it shows."""


HEALTHY = Manner()
