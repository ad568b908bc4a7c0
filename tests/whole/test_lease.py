"""Two control processes on one simulated plant: one acts, the other waits; killed, stopped, cut off."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import vpp
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.errors import DeviceFailure, TimedOut
from vpp.journal import verify
from vpp.link import StatusRequest, ask
from vpp.park import endpoints, load_park
from vpp.service.ready import free_base
from vpp.state_dir import RunSettings, StateDir
from vpp.types import DispatchOrder, Snapshot

START = datetime(2026, 3, 17, 7, 0, tzinfo=timezone.utc)
RATE = 5.0
TTL_TRUE_S = 60.0 / RATE
"""small10 trusts a setpoint for 60 plant seconds."""
UP_S = 40.0
PARK = Path(vpp.__file__).parent / "parks" / "small10"
COUNT = len(endpoints(load_park(PARK)))


@dataclass(frozen=True, slots=True)
class Plant:
    """The simulated plant in its process."""

    state: StateDir
    settings: RunSettings

    def log(self, *events: str) -> list[dict]:
        lines = self.state.device_log.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        return [row for row in rows if row["event"] in events]

    def epochs(self) -> dict[str, int]:
        """Return by device the epoch of the last command it took."""
        return {row["device"]: int(row["epoch"]) for row in self.log("write") if row.get("epoch")}


@dataclass(frozen=True, slots=True)
class Controls:
    """Starts control processes and asks them."""

    started: list["subprocess.Popen[bytes]"]
    clock: RealClock

    def start(self, state: StateDir, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "controllers.acting", "--state", str(state.root), *options]
        with (state.root / "control.log").open("ab") as log:
            self.started.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self.started[-1]

    async def until(self, socket: Path, holds: Callable[[Snapshot], bool], within_s: float) -> Snapshot:
        """Return the first snapshot that holds."""
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


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    state = StateDir(tmp_path_factory.mktemp("plant"))
    state.prepare()
    base = free_base("127.0.0.1", COUNT, 20000 + os.getpid() % 1200 * 10)
    settings = RunSettings(
        park=str(PARK),
        schedule=Schedule(origin_true_s=monotonic_s(), segments=((START, RATE),)),
        seed=1,
        port_base=base,
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
            os.sched_yield()
        yield Plant(state, settings)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def controls(plant: Plant) -> Iterator[Controls]:
    made = Controls([], RealClock(plant.settings.schedule))
    yield made
    for process in made.started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(10)


@pytest.fixture
def folder(plant: Plant, tmp_path: Path) -> Callable[..., StateDir]:
    """Make a state folder of a machine that sees the plant, at ports of its own where given."""

    def make(name: str, port_base: int | None = None) -> StateDir:
        state = StateDir(tmp_path / name)
        state.prepare()
        base = plant.settings.port_base if port_base is None else port_base
        state.write_settings(
            RunSettings(
                park=str(PARK),
                schedule=plant.settings.schedule,
                seed=1,
                port_base=base,
                simulated=True,
                scenario=None,
            )
        )
        return state

    return make


def is_passive(snapshot: Snapshot) -> bool:
    return any(alarm.id == "passive" for alarm in snapshot.alarms)


def acts(snapshot: Snapshot) -> bool:
    return bool(snapshot.setpoints) and not is_passive(snapshot)


def standby_socket(state: StateDir) -> Path:
    return state.standby / "control.sock"


def check_one_after_the_other(plant: Plant, since_s: float) -> None:
    """No device took or was sent a command of an epoch after one of a higher epoch."""
    highest: dict[str, int] = {}
    rows = [row for row in plant.log("write", "fenced") if row["true_s"] >= since_s and row.get("epoch")]
    assert rows
    for row in rows:
        assert row["event"] == "write", row
        assert row["epoch"] >= highest.get(row["device"], 0), row
        highest[row["device"]] = row["epoch"]


async def test_the_second_waits_passively_and_takes_over_when_the_first_is_killed(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir]
) -> None:
    state, begun_s = folder("kill"), monotonic_s()
    first = controls.start(state)
    before = await controls.until(state.socket, acts, UP_S)
    controls.start(state, "--standby")
    waiting = await controls.until(standby_socket(state), is_passive, UP_S)
    assert waiting.setpoints == {}
    assert {reading.quality for reading in waiting.readings.values()} == {"good"}
    now = START + timedelta(seconds=(monotonic_s() - plant.settings.schedule.origin_true_s) * RATE)
    hour = timedelta(hours=1)
    order = DispatchOrder(
        id="o1", import_max_mw=90, export_max_mw=None, start=now, end=now + hour, expires_at=now + hour
    )
    refused = await asyncio.to_thread(ask, standby_socket(state), order, 5.0)
    assert not refused.accepted
    assert "passive" in refused.reason
    assert (await asyncio.to_thread(ask, state.socket, order, 5.0)).accepted
    first.kill()
    killed_s = monotonic_s()
    after = await controls.until(state.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
    assert after.epoch == before.epoch + 1
    assert [held.id for held in after.orders] == ["o1"], "it goes on with what the first was told"
    taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
    assert taken[0]["true_s"] - killed_s < TTL_TRUE_S / 2
    assert len({row["device"] for row in taken}) >= len(before.setpoints) - 1
    check_one_after_the_other(plant, begun_s)
    assert verify(state.journal).ok


async def test_one_that_was_stopped_sends_nothing_when_it_wakes_and_becomes_the_spare(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir]
) -> None:
    state, begun_s = folder("stop"), monotonic_s()
    # a folder of its own, as after a lost disk: the epochs of the run before stand in the registers
    first = controls.start(state)
    before = await controls.until(state.socket, acts, UP_S)
    assert before.epoch > 1
    controls.start(state, "--standby")
    await controls.until(standby_socket(state), is_passive, UP_S)
    first.send_signal(signal.SIGSTOP)
    stopped_s = monotonic_s()
    after = await controls.until(state.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
    taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
    assert taken[0]["true_s"] - stopped_s < TTL_TRUE_S / 2
    first.send_signal(signal.SIGCONT)
    woken_s = monotonic_s()
    woken = await controls.until(standby_socket(state), is_passive, 10)
    assert any(alarm.severity == "alarm" and alarm.id == "passive" for alarm in woken.alarms)
    await controls.until(state.socket, lambda s: s.cycle > after.cycle + 3, 20)
    late = [row for row in plant.log("write", "fenced") if row["true_s"] > woken_s]
    assert late
    assert {row["epoch"] for row in late if row.get("epoch")} == {after.epoch}
    check_one_after_the_other(plant, begun_s)
    assert verify(state.journal).ok
    # and the spare takes over in turn
    controls.started[-1].kill()
    await controls.until(state.socket, lambda s: acts(s) and s.epoch > after.epoch, 20)
    assert verify(state.journal).ok


@asynccontextmanager
async def lines(base: int, target: int) -> AsyncIterator[Callable[[], None]]:
    """Forward `COUNT` ports; yields what cuts them off for good: connections end, connects are refused."""
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

    servers = [await asyncio.start_server(joining(target + k), "127.0.0.1", base + k) for k in range(COUNT)]

    def cut() -> None:
        for server in servers:
            server.close()
        for writer in writers:
            writer.transport.abort()

    yield cut
    cut()


async def test_on_two_machines_the_registers_alone_decide(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir]
) -> None:
    begun_s, base = monotonic_s(), free_base("127.0.0.1", COUNT, plant.settings.port_base + COUNT)
    async with lines(base, plant.settings.port_base) as cut:
        here, there = folder("here", base), folder("there")
        controls.start(here)
        before = await controls.until(here.socket, acts, UP_S)
        controls.start(there, "--standby")
        await controls.until(there.socket, is_passive, UP_S)
        before = await controls.until(here.socket, lambda s: s.cycle > before.cycle + 5, 20)
        assert acts(before)
        cut()
        cut_s = monotonic_s()
        after = await controls.until(there.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
        taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
        assert taken[0]["true_s"] - cut_s < TTL_TRUE_S / 2
    async with lines(base, plant.settings.port_base):
        healed = await controls.until(here.socket, is_passive, 20)
        assert any(f"epoch {after.epoch}" in alarm.text for alarm in healed.alarms)
        await controls.until(there.socket, lambda s: s.cycle > after.cycle + 5, 20)
        check_one_after_the_other(plant, begun_s)
        for state in (here, there):
            assert verify(state.journal).ok
