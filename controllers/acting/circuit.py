"""When a peer that failed is tried again: closed, open, half-open, with jittered back-off."""

from dataclasses import dataclass

import numpy as np

from vpp.types import LinkState

BACKOFF_S = (0.1, 5.0)
"""First and greatest true seconds between two tries; doubled, with jitter (design, section 6)."""
SLAM_S = 1.0
"""Least true seconds between two tries of a peer that accepts and gives no valid answer."""
PROVEN_S = 5.0
"""True seconds that a circuit has been closed after which the back-off begins anew; assumption."""


@dataclass(slots=True)
class Circuit:
    """One circuit; only a valid answer closes it."""

    jitter: np.random.Generator
    state: LinkState = LinkState.CONNECTING
    reason: str = ""
    """Why it is not closed, or what a closed one's endpoint refuses."""
    retry_s: float = 0.0
    """True second before which nothing is tried."""
    pause_s: float = BACKOFF_S[0]
    """The next pause before jitter."""
    since_s: float = 0.0
    """True second at which it closed."""

    @property
    def closed(self) -> bool:
        """Whether the endpoint answers."""
        return self.state is LinkState.CLOSED

    def attempt(self) -> None:
        """Note that one try goes out."""
        if self.state is not LinkState.CONNECTING:
            self.state = LinkState.HALF_OPEN

    def answered(self, now_s: float, reason: str = "") -> None:
        """Close: a valid answer came; `reason` where it was a refusal."""
        if self.state is not LinkState.CLOSED:
            self.state, self.since_s = LinkState.CLOSED, now_s
        self.reason = reason

    def failed(self, reason: str, now_s: float, *, least_s: float = 0.0) -> float:
        """Open, and return the pause in true seconds: doubled each time, at least `least_s`."""
        if self.state is LinkState.CLOSED and now_s - self.since_s >= PROVEN_S:
            self.pause_s = BACKOFF_S[0]
        wait_s = max(self.pause_s * float(self.jitter.uniform(0.5, 1.0)), least_s)
        self.pause_s = min(2 * self.pause_s, BACKOFF_S[1])
        self.state, self.reason, self.retry_s = LinkState.OPEN, reason, now_s + wait_s
        return wait_s
