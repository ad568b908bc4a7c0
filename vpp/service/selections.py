"""Select before operate: what somebody is about to do, shown first, done within a minute or not at all.

One mechanism for plans' approvals, orders and sheds. A selection names exactly what would be done, serves
once, and ends by itself. Beyond a soft limit it needs another person than the one who selected.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from vpp.clock import Clock

HOLDS_S = 60.0
"""True seconds for which a selection holds; assumption: long enough to read, or to call a colleague."""
MOST = 100
"""Selections kept at a time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected(Generic[T]):
    """One selection."""

    what: T
    by: str
    """Whose secret it was selected with."""
    second: str
    """Why another person has to operate, in words; empty: nobody else is needed."""
    until_true_s: float


class Selections(Generic[T]):
    """What is selected now, by key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Selected[T]] = {}

    def select(self, what: T, *, by: str, second: str = "") -> str | None:
        """Return the key that operates `what`; None where too many selections are open."""
        if len(self.standing()) >= MOST:
            return None
        key = secrets.token_hex(8)
        until = self._clock.true_s() + HOLDS_S
        self._open[key] = Selected(what=what, by=by, second=second, until_true_s=until)
        return key

    def standing(self) -> Mapping[str, Selected[T]]:
        """Return what is open; what has ended is forgotten."""
        now = self._clock.true_s()
        self._open = {key: one for key, one in self._open.items() if one.until_true_s >= now}
        return self._open

    def operate(self, key: str, *, by: str) -> Selected[T] | str:
        """Take a selection to act on it, or say why not; one that waits for a second person stays open."""
        one = self.standing().get(key)
        if one is None:
            return "the selection is not open: select again"
        if one.second and one.by == by:
            return f"another person has to confirm this: {one.second}"
        del self._open[key]
        return one
