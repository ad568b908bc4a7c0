"""What control watches about its own machine: file handles, memory, a wall clock that was set or drifts."""

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vpp.clock import Clock, wall_now
from vpp.link import Note
from vpp.types import Severity

USED_SHARE = 0.8
"""Share of a limit from which it is an alarm (fault R4)."""
STEP_S = 2.0
"""True seconds by which the wall clock may drift from the monotonic one within a run; assumption: above
what NTP slews in minutes."""
WALL_S = 1.0
"""Error of the wall clock beyond which stamps may name another cycle than another system's (fault C2)."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a process uses, and may use at most."""

    files: int
    files_max: int
    memory_bytes: int
    memory_max: int
    stepped_s: float
    """By how much the wall clock was set forward since the process started."""
    wall_error_s: float | None
    """By how much it may be off; None: nothing disciplines it."""


def conditions(found: Figures) -> Iterator[Note]:
    """Yield a remark for each matter, raised or not."""
    yield _note(
        "files",
        Severity.ALARM,
        found.files >= USED_SHARE * found.files_max,
        f"control holds {found.files} of at most {found.files_max} open files",
    )
    used, most = (x / 2**20 for x in (found.memory_bytes, found.memory_max))
    yield _note(
        "memory_used",
        Severity.ALARM,
        found.memory_bytes >= USED_SHARE * found.memory_max,
        f"control uses {used:.0f} of at most {most:.0f} MiB",
    )
    yield _note(
        "clock",
        Severity.ACTION,
        abs(found.stepped_s) > STEP_S,
        f"the wall clock was set by {found.stepped_s:+.0f} s; plant time goes on as it was: "
        "start the run anew where it should follow",
    )
    error_s = found.wall_error_s
    known = "nothing disciplines it" if error_s is None else f"it may be off by {error_s:.1f} s"
    yield _note(
        "ntp",
        Severity.INFORMATION,
        error_s is None or error_s > WALL_S,
        f"the wall clock is not synchronised, {known}: time stamps may not fit those of the grid operator",
    )


def _note(id_: str, severity: Severity, raised: bool, text: str) -> Note:
    return Note(id=f"control:{id_}", source="control", severity=severity, text=text, raised=raised)


class Upkeep:
    """Looks at the process; remarks are given when a matter comes, changes its words, or goes.

    `wall_error_s` tells how good the wall clock is (`vpp.ntp`).
    """

    def __init__(self, clock: Clock, wall_error_s: Callable[[], float | None]) -> None:
        self._clock, self._wall_error_s = clock, wall_error_s
        self._offset_s = wall_now().timestamp() - clock.true_s()
        self._told: set[str] = set()

    def look(self) -> list[Note]:
        """Return the remarks of now."""
        notes = list(conditions(self._figures()))
        due = [note for note in notes if note.raised or note.id in self._told]
        self._told = {note.id for note in notes if note.raised}
        return due

    def _figures(self) -> Figures:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Figures(
            files=len(os.listdir("/proc/self/fd")),
            files_max=limit if limit != resource.RLIM_INFINITY else 2**31,
            memory_bytes=pages * resource.getpagesize(),
            memory_max=_memory_max(),
            stepped_s=wall_now().timestamp() - self._clock.true_s() - self._offset_s,
            wall_error_s=self._wall_error_s(),
        )


def _memory_max() -> int:
    """Return the least of what the process, its control group and the machine allow."""
    machine = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        group = int(_CGROUP.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        group = machine
    return min(machine, group, own if own != resource.RLIM_INFINITY else machine)
