"""What the command line writes: plain lines or JSON, in any locale, with or without a terminal."""

import os
import sys
from collections.abc import Mapping
from typing import IO, Any

from vpp.errors import InvalidInput

MAX_FAULTS = 200
"""Faults printed at most; the rest is counted (assumption: nobody mends more in one go)."""


def prepare_streams() -> None:
    """Let no character of a park or an error end in UnicodeEncodeError, whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def is_live(stream: IO[str]) -> bool:
    """Return whether redrawing makes sense: a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") != "dumb"


def use_colour(stream: IO[str]) -> bool:
    """Return whether colour is wanted: a terminal, and NO_COLOR unset or empty (no-color.org)."""
    return is_live(stream) and not os.environ.get("NO_COLOR")


def say(text: str) -> None:
    """Write one or more lines of result and flush, so that a pipe sees them at once."""
    print(text, flush=True)


def forsake_output() -> None:
    """Let what is still written to a closed pipe vanish, also in the flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Write one or more lines to standard error."""
    print(text, file=sys.stderr, flush=True)


def to_json(value: object) -> str:
    """Return `value` (dataclasses, datetimes, arrays) as indented JSON; nan and inf become null."""
    import msgspec

    raw = msgspec.json.encode(value, enc_hook=_plain)
    return msgspec.json.format(raw, indent=2).decode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def fault_lines(error: InvalidInput) -> list[str]:
    """Return one line per fault, at most `MAX_FAULTS`, then the count of the rest."""
    lines = [_one_line(str(fault)) for fault in error.faults[:MAX_FAULTS]]
    rest = len(error.faults) - len(lines)
    return [*lines, f"... and {rest} more faults"] if rest > 0 else lines


def _one_line(text: str) -> str:
    return " ".join(text.split())


def error_lines(error: Exception) -> list[str]:
    """Return an error of the product in words for people, without a traceback."""
    if isinstance(error, InvalidInput):
        count = len(error.faults)
        return [*fault_lines(error), f"{count} fault{'s' if count != 1 else ''} found"]
    return [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]


def error_json(error: Exception, exit_code: int) -> dict[str, object]:
    """Return an error of the product for programs."""
    faults = error.faults[:MAX_FAULTS] if isinstance(error, InvalidInput) else ()
    return {
        "error": type(error).__name__,
        "exit_code": exit_code,
        "text": "\n".join(error_lines(error)),
        "faults": faults,
        "fault_count": len(error.faults) if isinstance(error, InvalidInput) else 0,
    }
