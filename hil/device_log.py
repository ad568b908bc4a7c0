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
    """Appends to a file, one line per event, each in the page cache before the next step."""

    def __init__(self, path: Path, true_s: Callable[[], float]) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._true_s = true_s

    def note(self, at: datetime, record: Mapping[str, object]) -> None:
        """Write one event."""
        line = {"at": at.isoformat(), "true_s": round(self._true_s(), 3), **record}
        self._file.write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
