"""Wrong input and bugs; outcomes of the outside world are values, not exceptions.

YuanwangError
├── InvalidInput   every fault of the input at once          exit 3
├── NoPlan         no plan could be released                  exit 4
├── DeviceFailure  field or peer process unreachable          exit 6
└── TimedOut       a deadline passed                          exit 7
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One fault of the input, in words a dispatcher understands."""

    file: str
    """File inside the park folder, or the option of the command line."""
    row: int | None = None
    """Line in the file as an editor counts it; None where the whole file is meant."""
    field: str | None = None
    """Column or key; None where the whole row is meant."""
    wrong: str
    """What was found."""
    expected: str
    """What should stand there."""

    def __str__(self) -> str:
        where = self.file + (f":{self.row}" if self.row is not None else "")
        field = f" {self.field}" if self.field else ""
        return f"{where}{field}: {self.wrong}; expected {self.expected}"


class YuanwangError(Exception):
    """Base of all errors that a user can cause and mend."""

    exit_code = 1


class InvalidInput(YuanwangError):
    """The input breaks rules; carries all of them."""

    exit_code = 3

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(f) for f in faults))
        self.faults = faults


class NoPlan(YuanwangError):
    """No plan could be released; the message names the conflicting limits."""

    exit_code = 4


class DeviceFailure(YuanwangError):
    """A device, port or peer process cannot be reached; the message says what to do."""

    exit_code = 6


class Mismatch(DeviceFailure):
    """A peer process is of another version, or reads another park; the message says which."""


class TimedOut(YuanwangError):
    """A deadline passed; the message says which."""

    exit_code = 7


@contextmanager
def gathering(faults: list[Fault]) -> Iterator[None]:
    """Add what an InvalidInput carries to `faults` and go on, so that a user hears of every fault at once."""
    try:
        yield
    except InvalidInput as error:
        faults += error.faults
