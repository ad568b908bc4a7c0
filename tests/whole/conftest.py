"""A whole park in real processes on free ports, driven from outside."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.errors import DeviceFailure, TimedOut
from vpp.link import StatusRequest, ask
from vpp.park import endpoints, load_park
from vpp.service import orders
from vpp.service.ready import free_base
from vpp.state_dir import RunSettings, StateDir
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


@dataclass(frozen=True, slots=True)
class BarePlant:
    """The simulated plant in its process, without any control."""

    state: StateDir
    settings: RunSettings

    def log(self, *events: str, since_s: float = 0.0) -> list[dict]:
        lines = self.state.device_log.read_text(encoding="utf-8").splitlines()
        rows = (json.loads(line) for line in lines if line.endswith("}"))
        return [row for row in rows if row["event"] in events and row["true_s"] >= since_s]

    def now(self) -> datetime:
        return self.settings.schedule.plant_at(monotonic_s())


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


FORKS = """
import os, signal, sys
from controllers.acting.__main__ import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log, *arguments = line.split()
        fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os._exit(main(arguments))
    print(child, flush=True)
"""
"""A process that has imported control and forks one for each line: a start costs no import."""


class Controls:
    """Starts control processes, and asks them."""

    def __init__(self, clock: RealClock) -> None:
        self.clock, self.pids = clock, []
        self.parent = subprocess.Popen([sys.executable, "-c", FORKS], stdin=-1, stdout=-1, text=True)

    def start(self, state: StateDir, *options: str) -> int:
        print(state.root / "control.log", "--state", state.root, *options, file=self.parent.stdin, flush=True)
        self.pids.append(int(self.parent.stdout.readline()))
        return self.pids[-1]

    async def kill(self, pid: int, within_s: float = 10.0) -> None:
        """Kill one that runs, and wait until it is gone with its locks: the kernel takes its time."""
        os.kill(pid, signal.SIGKILL)
        self.pids.remove(pid)
        deadline = monotonic_s() + within_s
        while runs(pid):
            assert monotonic_s() < deadline, f"{pid} does not end"
            await self.clock.sleep_true(0.002)

    def end(self) -> None:
        while self.pids:
            with suppress(ProcessLookupError):
                os.kill(self.pids.pop(), signal.SIGKILL)

    async def until(self, socket: Path, holds: Callable[[Snapshot], bool], within_s: float) -> Snapshot:
        deadline, last = monotonic_s() + within_s, None
        while monotonic_s() < deadline:
            try:
                last = await asyncio.to_thread(ask, socket, StatusRequest(), 1.0)
            except (DeviceFailure, TimedOut) as gone:
                last = gone
            if isinstance(last, Snapshot) and holds(last):
                return last
            await self.clock.sleep_true(0.05)
        raise AssertionError(f"not within {within_s} s: {last}")


def bare_plant(root: Path, rate: float) -> Iterator[BarePlant]:
    """Serve small10 on free ports at one rate until the generator ends."""
    state, park = StateDir(root), load_park("small10")
    state.prepare()
    settings = RunSettings(
        park=park.folder,
        schedule=Schedule(
            origin_true_s=monotonic_s(), segments=((datetime(2026, 3, 17, 7, tzinfo=timezone.utc), rate),)
        ),
        seed=1,
        port_base=free_base("127.0.0.1", len(endpoints(park)), 26000 + os.getpid() % 1000 * 10),
        simulated=True,
        scenario=None,
    )
    state.write_settings(settings)
    process = subprocess.Popen([sys.executable, "-m", "hil", "--state", str(state.root)])
    try:
        deadline = monotonic_s() + UP_S
        while not (state.root / "ports.json").exists():
            assert process.poll() is None
            assert monotonic_s() < deadline
            time.sleep(0.05)
        yield BarePlant(state, settings)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarePlant]:
    """The plant at rate 5: a setpoint of small10 is trusted for 12 true seconds."""
    yield from bare_plant(tmp_path_factory.mktemp("plant"), 5.0)


@pytest.fixture(scope="module")
def fast_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BarePlant]:
    """The plant at rate 60."""
    yield from bare_plant(tmp_path_factory.mktemp("plant"), 60.0)


@pytest.fixture(scope="module")
def forked() -> Iterator[Controls]:
    made = Controls(
        RealClock(Schedule(origin_true_s=0.0, segments=((datetime(2026, 1, 1, tzinfo=timezone.utc), 1.0),)))
    )
    yield made
    made.end()
    made.parent.stdin.close()
    made.parent.wait(20)


@pytest.fixture
def controls(forked: Controls) -> Iterator[Controls]:
    yield forked
    forked.end()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., StateDir]:
    """Make the state folder of a machine that sees a plant; settings are the plant's but for `changes`."""

    def make(plant: BarePlant, name: str, **changes: object) -> StateDir:
        state = StateDir(tmp_path / name)
        state.prepare()
        state.write_settings(replace(plant.settings, **changes))
        return state

    return make


@asynccontextmanager
async def forwarded(base: int, target: int, count: int) -> AsyncIterator[Callable[[], None]]:
    """Forward `count` ports; yields what cuts them off for good: connections end, connects are refused."""
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        far, to_far = await asyncio.open_connection("127.0.0.1", port)
        writers.update((writer, to_far))
        await asyncio.gather(copy(reader, to_far), copy(far, writer))

    def joining(port: int):
        return lambda reader, writer: join(reader, writer, port)

    servers = [await asyncio.start_server(joining(target + k), "127.0.0.1", base + k) for k in range(count)]

    def cut() -> None:
        for server in servers:
            server.close()
        for writer in writers:
            writer.transport.abort()

    yield cut
    cut()


@pytest.fixture
def lines() -> Callable[..., object]:
    return forwarded
