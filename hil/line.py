"""What a line between a Modbus/TCP client and its server is like, as data; `hil.proxy` makes it so."""

from dataclasses import dataclass

RETRY_S = 0.2
"""True seconds: TCP's least retransmission time on Linux (RFC 6298 recommends 1 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One direction; the default carries everything at once."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Added delay is uniform between minus and plus this; segments never overtake each other by it."""
    loss: float = 0.0
    """Share of segments that TCP must send again, after `retry_s` and twice as long each further time."""
    retry_s: float = RETRY_S
    dropped: float = 0.0
    """Share of frames that never arrive while the connection stands, as behind a serial gateway."""
    doubled: float = 0.0
    """Share of frames that arrive twice."""
    swapped: float = 0.0
    """Share of frames that arrive behind the next one, or a tenth of a second later if none comes."""
    slice_bytes: int = 0
    """Bytes that are forwarded at once; 0: all there are."""
    slice_gap_s: float = 0.0
    """True seconds between two slices."""
    bit_per_s: float = float("inf")
    """Of all connections together."""
    dead: bool = False
    """Nothing arrives, and nobody is told: half-open where both ways are dead."""

    @property
    def by_frame(self) -> bool:
        """Whether what happens here happens to whole frames."""
        return max(self.dropped, self.doubled, self.swapped) > 0.0


CLEAR = Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Both directions; `asks` carries requests, `answers` what comes back."""

    asks: Way = CLEAR
    answers: Way = CLEAR
    refuses: bool = False
    """Connections are refused, standing ones are left alone."""

    @staticmethod
    def both(way: Way) -> "Line":
        """Return a line that is the same in both directions."""
        return Line(asks=way, answers=way)


GOOD = Line()
CUT = Line.both(Way(dead=True))
"""A partition or a peer without power: connections stand, nothing passes, new ones open into nothing."""
DEAF = Line(answers=Way(dead=True))
"""Asymmetric: requests arrive, answers are lost."""
