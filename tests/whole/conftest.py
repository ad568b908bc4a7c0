"""A whole park in real processes on free ports, driven from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from vpp.clock import monotonic_s
from vpp.park import endpoints, load_park
from vpp.service import orders
from vpp.service.ready import free_base
from vpp.state_dir import StateDir
from vpp.types import Snapshot

START = "2026-03-17T15:00"
RATE = 60.0
UP_S = 60.0
"""True seconds until everything answers and a plan is followed, on slow cores."""


@dataclass(frozen=True, slots=True)
class System:
    """A `vpp run --hil` in another process."""

    process: "subprocess.Popen[bytes]"
    state: StateDir
    port_base: int

    def status(self) -> Snapshot:
        return orders.status(self.state)

    def until(self, holds: Callable[[Snapshot], bool], within_s: float) -> Snapshot:
        """Return the first snapshot that holds; fail after `within_s` true seconds."""
        deadline, last = monotonic_s() + within_s, None
        while monotonic_s() < deadline:
            try:
                last = self.status()
            except Exception as gone:  # control may be dead just now
                last = gone
            else:
                if holds(last):
                    return last
            assert self.process.poll() is None, self.output()
            time.sleep(0.2)
        raise AssertionError(f"not within {within_s} s; last: {last}\n{self.output()}")

    def children(self) -> dict[str, int]:
        """Return name -> process id of the run's processes."""
        names = {
            "controllers.acting": "control",
            "controllers.planning": "planner",
            "vpp.service": "service",
            "hil": "plant",
        }
        found = {}
        for pid in _children(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if "-m" in words and words[words.index("-m") + 1] in names:
                found[names[words[words.index("-m") + 1]]] = pid
        return found

    def kill(self, name: str) -> int:
        pid = self.children()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def device_log(self) -> list[dict[str, object]]:
        lines = self.state.device_log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def output(self) -> str:
        texts = [
            f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
            for log in self.state.logs.glob("*.log")
        ]
        out = self.state.root / "out.txt"
        return "\n".join([out.read_text(errors="replace")[-1500:] if out.exists() else "", *texts])


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    """Return every process below `pid`."""
    return [below for child in _children(pid) for below in (child, *descendants(child))]


def start_system(state: StateDir, *options: str) -> System:
    """Start `vpp run small10 --hil` on free ports; the caller ends it."""
    count = len(endpoints(load_park("small10")))
    # below the ports that outgoing connections take
    base = free_base("127.0.0.1", count + 1, 20000 + os.getpid() % 600 * 20)
    state.root.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "vpp.service.cli", "run", "small10", "--hil", "--start", START]
    ports = ["--port-base", str(base), "--web-port", str(base + count), "--state", str(state.root)]
    with (state.root / "out.txt").open("ab") as out:
        process = subprocess.Popen(
            [*command, *ports, *options], stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    return System(process, state, base)


def is_up(snapshot: Snapshot) -> bool:
    start = datetime.fromisoformat(f"{START}+08:00")
    return snapshot.plan_id is not None and snapshot.following.value == "plan" and snapshot.at >= start


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One running park for all tests of a module; each must leave it running."""
    state = StateDir(tmp_path_factory.mktemp("run"))
    running = start_system(state, "--speed", str(RATE), "--own-process", "CAES1")
    try:
        running.until(is_up, UP_S)
        yield running
    finally:
        running.process.send_signal(signal.SIGCONT)
        running.process.send_signal(signal.SIGINT)
        try:
            running.process.wait(20)
        except subprocess.TimeoutExpired:
            running.process.kill()


@pytest.fixture
def below() -> Callable[[int], list[int]]:
    return descendants


@pytest.fixture
def launched() -> Iterator[Callable[..., System]]:
    """Start a run on a state folder and wait until a plan is followed; end what is left of it."""
    started: list[System] = []

    def start(state: StateDir, *options: str) -> System:
        started.append(start_system(state, *options))
        started[-1].until(is_up, UP_S)
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
