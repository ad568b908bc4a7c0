"""Names of somebody else's grid made safe and unique for a park."""

import re
import unicodedata
from collections.abc import Hashable

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]+")
LONGEST = 56
"""Characters kept of a name; leaves room for a number inside the 64 that a park allows."""


class Names:
    """Hands out names that no other element of the same namespace bears, and remembers whose they are."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._of: dict[Hashable, str] = {}
        self._next: dict[str, int] = {}
        self.changed = 0
        """Names that could not stay as they were."""
        self.examples: list[str] = []
        """The first few of them, in words."""

    def give(self, key: Hashable, wanted: object, fallback: str) -> str:
        """Return the name of the element `key`, as near to `wanted` as the park's rules allow.

        `fallback` serves where `wanted` is no text or has no character left.
        """
        text = wanted if isinstance(wanted, str) else ""
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        base = _FORBIDDEN.sub("_", plain).strip("_.")[:LONGEST] or fallback
        name, number = base, self._next.get(base, 2)
        while name in self._used:
            name, number = f"{base}_{number}", number + 1
        self._next[base] = number
        self._used.add(name)
        self._of[key] = name
        if text and name != text:
            self.changed += 1
            if len(self.examples) < 3:
                shown = "".join(c if c.isprintable() else "?" for c in text)[:40]
                self.examples.append(f'"{shown}" is {name}')
        return name

    def of(self, key: Hashable) -> str:
        """Return the name given to `key`; KeyError where it was never named."""
        return self._of[key]

    def has(self, key: Hashable) -> bool:
        """Return whether `key` was named."""
        return key in self._of

    def note(self, what: str) -> tuple[str, ...]:
        """Return what was renamed, in words; nothing where every name stayed."""
        if not self.changed:
            return ()
        return (f"{self.changed} names of {what} are made safe and unique: {', '.join(self.examples)} ...",)
