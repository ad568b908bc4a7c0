"""A recorded run of control, run again from its journal, decides the same to the last bit."""

import asyncio
import struct
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path

import pytest

from controllers.acting import replay as again
from hil.faults import Frozen, Jammed, Refuses, Restart
from hil.scenario import QUIET, Order, Restore, Shed, Silence
from vpp.clock import UTC, Schedule
from vpp.journal import Record, read, snapshots
from vpp.park import Park, endpoints, load_park
from vpp.service.cli import run
from vpp.service.memory import planner_of, run_in_memory
from vpp.state_dir import RunSettings, StateDir
from vpp.types import wire

CYCLES, TICK_S = 201, 10
START = datetime(2026, 3, 17, 4, 14, tzinfo=UTC)
EVENTS = (
    Refuses(at_min=1, for_min=3, endpoint="BESS1", code=4),
    Order(at_min=3, for_min=10, import_max_mw=40.0),
    Silence(at_min=5, for_min=2, endpoint="WF"),
    Restart(at_min=8, for_min=1, resource="CAES1"),
    Shed(at_min=10, mw=12.0, drill=True),
    Frozen(at_min=12, for_min=4, endpoint="PV"),
    Jammed(at_min=20, for_min=1, load="LD_ZN"),
    Shed(at_min=20, mw=25.0),
    Shed(at_min=24, mw=10.0),
    Restore(at_min=27),
    Silence(at_min=26.9, for_min=1, endpoint="LD_ZN"),
)


@pytest.fixture(scope="module")
def park() -> Park:
    small = load_park("small10")
    return replace(small, horizon=replace(small.horizon, cycle_s=float(TICK_S)))


@pytest.fixture(scope="module")
def recorded(park: Park, tmp_path_factory: pytest.TempPathFactory) -> StateDir:
    """Half an hour with faults, orders, sheds, a restoration and re-plans."""
    state = StateDir(tmp_path_factory.mktemp("run"))
    state.prepare()
    schedule = Schedule(origin_true_s=0.0, segments=((START, 1.0),))
    state.write_settings(
        RunSettings(
            park=park.folder, schedule=schedule, seed=1, port_base=None, simulated=True, scenario=None
        )
    )
    run_in_memory(
        park,
        START,
        planner_of(park),
        duration_s=(CYCLES - 1) * TICK_S,
        tick_s=TICK_S,
        seed=1,
        scenario=replace(QUIET, events=EVENTS),
        journal_dir=state.journal,
    )
    return state


@pytest.fixture(scope="module")
def replayed(park: Park, recorded: StateDir) -> again.Replayed:
    return asyncio.run(again.replay(park, recorded.journal))


def test_every_command_comes_out_as_it_was_recorded(replayed: again.Replayed) -> None:
    assert replayed.difference == ""
    assert (replayed.cycles, replayed.ended) == (CYCLES, "the end of the journal")
    assert replayed.setpoints > 7 * (CYCLES - 20)


def test_what_was_recorded_holds_sheds_that_failed_in_part_and_a_restoration(recorded: StateDir) -> None:
    records = list(read(recorded.journal))
    reports = [record.value for record in records if record.kind == "shed"]
    assert [report["drill"] for report in reports] == [True, False, False]
    assert reports[1]["lowered_mw"]
    assert reports[1]["stuck"] == ["LD_ZN"]
    closed = [record.value["outcome"] for record in records if record.kind == "restore"]
    assert {"unknown", "acknowledged"} <= set(closed)


@pytest.mark.parametrize("kinds", [{"sensitivities"}, {"shed_order", "shed"}, {"restore"}])
async def test_a_control_that_would_decide_otherwise_is_found_out(
    park: Park, recorded: StateDir, monkeypatch: pytest.MonkeyPatch, kinds: set[str]
) -> None:
    kept = [record for record in read(recorded.journal) if record.kind not in kinds]
    monkeypatch.setattr(again, "read", lambda folder: kept)
    found = await again.replay(park, recorded.journal)
    assert found.difference.startswith("cycle ")


@pytest.mark.parametrize(("columns", "age"), [(9, ""), (11, "f")])
async def test_an_older_journal_is_read_and_replayed_where_it_tells_ages(
    park: Park, recorded: StateDir, monkeypatch: pytest.MonkeyPatch, columns: int, age: str
) -> None:
    """Earlier versions told neither ages nor times of sending; later ones ages in single precision."""
    count, now = len(endpoints(park)), list(snapshots(recorded.journal))
    old: list[Record] = []
    for record in list(read(recorded.journal))[:20]:
        if record.kind == "snapshot":
            head, packed = record.value
            ages = struct.unpack(f"<{count}d", packed[-8 * count :])
            as_then = struct.pack(f"<{count}{age}", *ages) if age else b""
            record = replace(record, payload=wire.encode((head[:columns], packed[: -8 * count] + as_then)))
        old.append(record)
    for module in (again, import_module("vpp.journal.snapshots")):
        monkeypatch.setattr(module, "read", lambda folder: old)
    then = list(snapshots(recorded.journal))
    assert then
    for before, entry in zip(then, now, strict=False):
        assert (before.age_s, before.values) == (entry.age_s if age else {}, entry.values)
    found = await again.replay(park, recorded.journal)
    assert found.difference == ""
    assert (found.cycles > 0) == bool(age)
    assert (found.ended == "this journal is older than replays") != bool(age)


def test_the_command_says_so(
    recorded: StateDir,
    replayed: again.Replayed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def once(park: Park, folder: Path) -> again.Replayed:
        assert (park.name, folder) == ("small10", recorded.journal)
        return replayed

    monkeypatch.setattr(again, "replay", once)
    assert run(["journal", "replay", "--state", str(recorded.root)]) == 0
    assert capsys.readouterr().out.startswith(f"equal: {CYCLES} cycles")
