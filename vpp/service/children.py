"""Child processes of a run: started on a leash in a session of their own, ended within a deadline."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

END_DEADLINE_S = 5.0
"""True seconds from SIGTERM to SIGKILL (assumption: control closes its journal in under one)."""

LEASH = Path(__file__).with_name("leash.py")
LOG_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """How to start one process of a run."""

    name: str
    """planner, control, service or plant; also the name of its log."""
    arguments: tuple[str, ...]
    """After the interpreter: `-m`, module, options."""
    log: Path


async def start(child: Child) -> asyncio.subprocess.Process:
    """Start the process; its output is appended to its log, its input is empty."""
    command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *child.arguments]
    with child.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def end(processes: Sequence[asyncio.subprocess.Process], deadline_s: float = END_DEADLINE_S) -> int:
    """End processes and whatever they started: SIGTERM, and SIGKILL after the deadline.

    Returns how many had to be killed.
    """
    living = [process for process in processes if process.returncode is None]
    for process in living:
        _signal(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            await asyncio.gather(*(process.wait() for process in living))
    stubborn = [process for process in living if process.returncode is None]
    for process in processes:
        _signal(process.pid, signal.SIGKILL)
    await asyncio.gather(*(process.wait() for process in stubborn))
    return len(stubborn)


def _signal(leader: int, number: signal.Signals) -> None:
    """Signal the whole session, so that a child's own children end too."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def last_words(log: Path) -> str:
    """Return the last line that a child wrote to its log; empty where it wrote nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def death_text(returncode: int) -> str:
    """Return in words how a process ended."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"was ended by signal {-returncode}"
