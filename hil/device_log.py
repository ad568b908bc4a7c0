"""The simulated devices' own log: JSON lines, one event each, with plant and true time."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

Note = Callable[[datetime, Mapping[str, object]], None]
"""Takes the plant time of an event and its fields."""


def silent_log(_at: datetime, _record: Mapping[str, object]) -> None:
    """Write nothing: for runs in memory that nobody asks afterwards."""


class DeviceLog:
    """Appends to a file, one line per event, each in the page cache before the next step.

    The plant outlives a full disk: lines that cannot be written are counted, and their number is the
    first thing written when there is room again.
    """

    def __init__(self, path: Path, true_s: Callable[[], float]) -> None:
        self._file = path.open("ab", buffering=0)
        self._true_s = true_s
        self._torn = False
        self.lost = 0
        """Lines that could not be written since the last one that could."""

    def note(self, at: datetime, record: Mapping[str, object]) -> None:
        """Write one event."""
        stamp = {"at": at.isoformat(), "true_s": round(self._true_s(), 3)}
        lines = [{**stamp, "event": "lost", "lines": self.lost}] if self.lost else []
        if not all(self._write(line) for line in [*lines, {**stamp, **record}]):
            self.lost += 1
        else:
            self.lost = 0

    def _write(self, line: Mapping[str, object]) -> bool:
        text = json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n"
        data = ("\n" + text if self._torn else text).encode()
        try:
            written = self._file.write(data)
        except OSError:
            return False
        self._torn = written < len(data)
        return not self._torn

    def close(self) -> None:
        """Close the file."""
        self._file.close()
