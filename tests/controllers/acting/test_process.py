"""The control process: starts alone, answers, ends cleanly, and carries nothing heavy."""

import asyncio
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

import vpp
from controllers.acting.process import tick
from vpp.clock import RealClock, Schedule, SimulatedClock, monotonic_s
from vpp.journal import read, snapshots, verify
from vpp.link import LinkClient
from vpp.state_dir import RunSettings, StateDir

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
CLOCK = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),)))
FORBIDDEN = (
    "vpp.service",
    "cvxpy",
    "pandapower",
    "fastapi",
    "pandas",
    "network",
    "forecasts",
    "controllers.planning",
)


@pytest.fixture
def state(tmp_path):
    state = StateDir(tmp_path / "s")
    state.prepare()
    park = Path(vpp.__file__).parent / "parks" / "small10"
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),))
    state.write_settings(
        RunSettings(
            park=str(park), schedule=schedule, seed=1, port_base=48_000, simulated=True, scenario=None
        )
    )
    return state


def start(state, *before):
    command = [sys.executable, *before] if before else [sys.executable, "-m", "controllers.acting"]
    return subprocess.Popen(
        [*command, "--state", str(state.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


async def first_snapshot(state):
    async with asyncio.timeout(20):
        while not state.socket.exists():
            await CLOCK.sleep_true(0.05)
        async with await LinkClient.connect(state.socket, "cli", 5.0) as client:
            async for snapshot in client:
                return snapshot


class Over(Exception):
    """The course is over."""


@pytest.mark.parametrize(
    ("took_s", "began_s", "missed"),
    [
        ([0.3, 0.9, 0.2, 0.2], [0.0, 1.0, 2.0, 3.0], 0),
        ([0.3, 1.02, 0.2, 0.2], [0.0, 1.0, 2.02, 3.0], 0),
        ([1.1, 1.1, 1.1, 0.2], [0.0, 1.1, 2.2, 3.3], 0),
        ([0.3, 2.5, 0.2, 0.2], [0.0, 1.0, 3.5, 4.0], 1),
        ([0.3, 4.0, 0.2, 0.2], [0.0, 1.0, 5.0, 6.0], 3),
    ],
)
async def test_every_period_without_a_cycle_is_counted_and_an_overrun_costs_no_other(took_s, began_s, missed):
    clock, left, began, counted = SimulatedClock(START), list(took_s), [], []

    async def cycle():
        if not left:
            raise Over
        began.append(clock.true_s())
        clock.advance(left.pop(0))

    async def settle():
        """Hold the folder all along."""

    async def rest(until_s):
        clock.advance(max(until_s - clock.true_s(), 0.0))

    control = SimpleNamespace(count_missed=counted.append)
    with pytest.raises(Over):
        await tick(SimpleNamespace(settle=settle, cycle=cycle, rest=rest, control=control), clock, 1.0)
    assert [at - began[0] for at in began] == pytest.approx(began_s)
    assert sum(counted) == missed


async def test_the_process_lives_without_a_plant_and_ends_by_sigterm(state):
    process = start(state)
    try:
        snapshot = await first_snapshot(state)
        assert snapshot.epoch == 1
        second = start(state)
        _, words = second.communicate(timeout=20)
        assert second.returncode == 6
        assert b"another control process" in words
    finally:
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=10)
    assert (process.returncode, words) == (0, b"")
    assert not state.socket.exists()
    assert verify(state.journal).ok
    assert [record.kind for record in read(state.journal)][-1] == "stop"


async def test_after_a_kill_it_starts_again_with_the_next_epoch_and_a_sound_journal(state):
    process = start(state)
    await first_snapshot(state)
    process.kill()
    process.communicate()
    process = start(state)
    try:
        async with asyncio.timeout(20):
            while not any(entry.epoch == 2 for entry in snapshots(state.journal)):
                await CLOCK.sleep_true(0.05)
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert verify(state.journal).ok
    assert state.epoch.read_text() == "2\n"


async def test_it_imports_nothing_heavy(state):
    probe = (
        "import sys\n"
        "from controllers.acting.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "print(' '.join(sorted(sys.modules)))\n"
        "sys.exit(code)\n"
    )
    process = start(state, "-c", probe)
    try:
        await first_snapshot(state)
    finally:
        process.send_signal(signal.SIGTERM)
        out, words = process.communicate(timeout=30)
    assert process.returncode == 0, words
    loaded = out.decode().split()
    assert "controllers.acting.cycle" in loaded
    heavy = [m for m in loaded for name in FORBIDDEN if m == name or m.startswith(name + ".")]
    assert heavy == []


def test_a_folder_without_a_run_is_said_in_one_line(tmp_path):
    process = start(StateDir(tmp_path))
    _, words = process.communicate(timeout=20)
    assert process.returncode == 3
    assert words.count(b"\n") == 1
    assert b"Traceback" not in words
