"""Real processes: nothing of a run may outlive it, whoever ends it and how."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from vpp.clock import RealClock, Schedule, monotonic_s, wall_now
from vpp.service.children import Child, death_text, end, last_words, start
from vpp.service.ready import wait_for

CLOCK = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((wall_now(), 1.0),)))
DEADLINE_S = 20.0

STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
)
PARENT = (
    "import subprocess, sys, time;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
)
SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from vpp.service.children import Child, start
async def main():
    log = Path(sys.argv[1])
    process = await start(Child(name="x", arguments=("-c", "import time; time.sleep(60)"), log=log))
    print(process.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def child(tmp_path: Path, code: str) -> Child:
    return Child(name="x", arguments=("-c", code), log=tmp_path / "x.log")


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    return False


async def gone(pid: int) -> bool:
    async def asked() -> bool:
        return not is_alive(pid)

    return await wait_for(asked, CLOCK, DEADLINE_S)


async def says(log: Path, word: str) -> bool:
    async def asked() -> bool:
        return last_words(log) == word

    return await wait_for(asked, CLOCK, DEADLINE_S)


async def test_a_child_has_a_session_and_a_log_of_its_own(tmp_path: Path) -> None:
    process = await start(child(tmp_path, "import os; print('sid', os.getsid(0) == os.getpid())"))
    assert await process.wait() == 0
    assert last_words(tmp_path / "x.log") == "sid True"


async def test_a_child_that_will_not_end_is_killed_after_the_deadline(tmp_path: Path) -> None:
    process = await start(child(tmp_path, STUBBORN))
    assert await says(tmp_path / "x.log", "up")
    assert await end([process], deadline_s=0.2) == 1
    assert process.returncode == -signal.SIGKILL


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    process = await start(child(tmp_path, PARENT + "print(p.pid, flush=True); time.sleep(60)"))

    async def told() -> bool:
        return bool(last_words(tmp_path / "x.log"))

    assert await wait_for(told, CLOCK, DEADLINE_S)
    grandchild = int(last_words(tmp_path / "x.log"))
    assert await end([process]) == 0
    assert await gone(grandchild)


async def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "x.log")]
    supervisor = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    assert is_alive(pid)
    os.kill(supervisor.pid, signal.SIGKILL)
    await supervisor.wait()
    assert await gone(pid)


def test_deaths_are_told_in_words() -> None:
    assert death_text(6) == "ended with code 6"
    assert death_text(-9) == "was ended by SIGKILL"
