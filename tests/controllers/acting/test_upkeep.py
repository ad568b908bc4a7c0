"""Control watches itself: a loop that hangs, handles and memory that run out, a wall clock that is set."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from controllers.acting import upkeep
from controllers.acting.intake import MAX_REMARKS
from controllers.acting.process import Post
from controllers.acting.upkeep import Figures, Upkeep, conditions
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.journal import read
from vpp.link import Note, StatusRequest
from vpp.ntp import wall_error_s
from vpp.types import Reply, Severity

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
WELL = Figures(files=10, files_max=100, memory_bytes=10, memory_max=100, stepped_s=0.0, wall_error_s=0.01)


def raised(figures):
    return {note.id for note in conditions(figures) if note.raised}


@pytest.fixture
def real():
    return RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 60.0),)))


def test_four_fifths_of_a_limit_are_an_alarm():
    assert raised(WELL) == set()
    assert raised(replace(WELL, files=80)) == {"control:files"}
    assert raised(replace(WELL, memory_bytes=80)) == {"control:memory_used"}


def test_handles_that_run_out_are_told_and_told_again_when_they_are_back(real):
    limit = upkeep.resource.getrlimit(upkeep.resource.RLIMIT_NOFILE)
    watch = Upkeep(real, lambda: 0.01)
    assert watch.look() == []
    held = len(os.listdir("/proc/self/fd"))
    try:
        upkeep.resource.setrlimit(upkeep.resource.RLIMIT_NOFILE, (held + 2, limit[1]))
        assert [(note.id, note.raised) for note in watch.look()] == [("control:files", True)]
    finally:
        upkeep.resource.setrlimit(upkeep.resource.RLIMIT_NOFILE, limit)
    assert [(note.id, note.raised) for note in watch.look()] == [("control:files", False)]
    assert watch.look() == []


def test_a_wall_clock_that_nobody_disciplines_is_told_until_somebody_does(real):
    assert raised(replace(WELL, wall_error_s=0.9)) == set()
    errors = iter([None, 2.5, 0.01, 0.01])
    watch = Upkeep(real, lambda: next(errors))
    told = [[(note.id, note.raised, note.severity) for note in watch.look()] for _ in range(4)]
    stands, ends = (("control:ntp", up, Severity.INFORMATION) for up in (True, False))
    assert told == [[stands], [stands], [ends], []]


def test_the_kernel_says_how_good_the_wall_clock_is_or_that_it_does_not_know():
    error_s = wall_error_s()
    assert error_s is None or 0.0 <= error_s < 3600.0


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_is_set_moves_no_plant_time_and_is_told(real, monkeypatch, hours):
    watch, wall_now = Upkeep(real, lambda: 0.01), upkeep.wall_now
    before, true_s = real.plant_now(), real.true_s()
    monkeypatch.setattr(upkeep, "wall_now", lambda: wall_now() + timedelta(hours=hours))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * hours)
    (note,) = watch.look()
    assert note.id == "control:clock"
    assert f"{3600 * hours:+d} s" in note.text
    moved_s = (real.plant_now() - before).total_seconds()
    assert 0.0 <= moved_s <= 60.0 * (real.true_s() - true_s) + 1e-3


HANG = """
import asyncio, sys, time
from datetime import datetime, timezone
from controllers.acting import watchdog
from vpp.clock import RealClock, Schedule
watchdog.LOOK_S = 0.05
clock = RealClock(Schedule(origin_true_s=0.0, segments=((datetime(2026, 3, 17, tzinfo=timezone.utc), 1.0),)))

async def hang():
    with watchdog.Watchdog(clock, blocked_s=0.2, wedged_s=float(sys.argv[2])) as dog:
        alive = asyncio.create_task(dog.show_life())
        await clock.sleep_true(0.3)
        assert dog.blocked == 0
        time.sleep(float(sys.argv[1]))
        print(dog.blocked, flush=True)
        alive.cancel()

asyncio.run(hang())
"""


def hang(seconds, wedged_s):
    command = [sys.executable, "-c", HANG, str(seconds), str(wedged_s)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_loop_that_is_blocked_is_told_with_the_place_and_goes_on():
    done = hang(1.0, 30.0)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "time.sleep(" in done.stderr or "in hang" in done.stderr
    assert done.stderr.count("blocked") == 1


def test_a_loop_that_never_comes_back_ends_its_process():
    done = hang(30.0, 0.6)
    assert (done.returncode, done.stdout) == (6, "")
    assert "the process ends" in done.stderr


class Poisoned:
    """Control with a bug in one path."""

    def __init__(self):
        self.notes = []

    async def take(self, message):
        if isinstance(message, Note):
            self.notes.append(message)
            return Reply(id=message.id, accepted=True, reason="")
        raise KeyError("BESS9")


async def test_a_message_that_sets_off_a_bug_is_answered_and_told_and_stops_nothing(capsys):
    post = Post.__new__(Post)
    post.control = Poisoned()
    answer = await post._take(StatusRequest())
    assert not answer.accepted
    assert "KeyError" in answer.reason
    assert [note.id for note in post.control.notes] == ["control:bug"]
    assert "Traceback" in capsys.readouterr().err


async def test_a_flood_of_remarks_keeps_the_first_and_does_not_fill_the_journal(run, control, journal):
    def note(k, text="it"):
        return Note(id=f"n{k}", source="x", severity=Severity.ACTION, text=text, raised=True)

    await run(1)
    taken = [(await control.take(note(k))).accepted for k in range(1000)]
    assert taken == [True] * MAX_REMARKS + [False] * (1000 - MAX_REMARKS)
    for _ in range(1000):
        assert (await control.take(note(0))).accepted
    snapshot = await run(1)
    assert {alarm.id for alarm in snapshot.alarms} >= {"n0", f"n{MAX_REMARKS - 1}"}
    assert (await control.take(note(2000))).accepted
    assert [record.kind for record in read(journal.folder)].count("note") == MAX_REMARKS + 1
