"""Exit codes of the command line: the one place that turns errors and results into numbers."""

from enum import IntEnum
from typing import TYPE_CHECKING

from vpp.errors import YuanwangError

if TYPE_CHECKING:
    from vpp.types import PlanLabel, Reply, ShedReport


class ExitCode(IntEnum):
    """What a shell sees; fixed by the design."""

    OK = 0
    BUG = 1
    USAGE = 2
    INVALID_INPUT = 3
    INFEASIBLE = 4
    DEGRADED = 5
    """Relaxed or degraded: done, but not as asked; the output says what gave."""
    DEVICE = 6
    TIMED_OUT = 7
    INTERRUPTED = 130
    """Ctrl-C before the end, by the shells' custom (128 + SIGINT)."""


_DEGRADED = frozenset({"relaxed", "shifted", "rule"})
"""Values of `PlanLabel`; as words, since its module is too heavy for `vpp --help`."""


def of_error(error: Exception) -> ExitCode:
    """Return the code of an error; anything that is not ours is a bug."""
    return ExitCode(error.exit_code) if isinstance(error, YuanwangError) else ExitCode.BUG


def of_plan(label: "PlanLabel") -> ExitCode:
    """Return the code of a released plan: a declared breach is 5, a proven gap is not."""
    return ExitCode.DEGRADED if label.value in _DEGRADED else ExitCode.OK


def of_reply(reply: "Reply") -> ExitCode:
    """Return the code of control's answer to a command: refused means the input did not fit."""
    return ExitCode.OK if reply.accepted else ExitCode.INVALID_INPUT


def of_shed(report: "ShedReport") -> ExitCode:
    """Return the code of a shed: 5 where the metered cut stayed below the order."""
    return ExitCode.OK if report.ok else ExitCode.DEGRADED
