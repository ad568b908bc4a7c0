"""A recorded run of control, run again from its journal, decides the same to the last bit."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from controllers.acting import replay as again
from hil.faults import Frozen, Refuses, Restart
from hil.scenario import QUIET, Order, Silence
from vpp.clock import UTC, Schedule
from vpp.journal import Record, read
from vpp.park import Park, load_park
from vpp.service.cli import run
from vpp.service.memory import planner_of, run_in_memory
from vpp.state_dir import RunSettings, StateDir

START = datetime(2026, 3, 17, 9, 44, tzinfo=UTC)
EVENTS = (
    Refuses(at_min=0.5, for_min=0.5, endpoint="BESS1", code=4),
    Order(at_min=0.7, for_min=2, import_max_mw=40.0),
    Silence(at_min=1, for_min=0.5, endpoint="WF"),
    Restart(at_min=1.2, for_min=0.3, resource="CAES1"),
    Frozen(at_min=1.6, for_min=0.5, endpoint="PV"),
)


@pytest.fixture(scope="module")
def park() -> Park:
    return load_park("small10")


@pytest.fixture(scope="module")
def recorded(park: Park, tmp_path_factory: pytest.TempPathFactory) -> StateDir:
    """Two and a half minutes with faults, an order and a re-plan at a quarter hour's end."""
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
        duration_s=150,
        tick_s=1,
        seed=1,
        scenario=replace(QUIET, events=EVENTS),
        journal_dir=state.journal,
    )
    return state


async def test_every_command_comes_out_as_it_was_recorded(park: Park, recorded: StateDir) -> None:
    found = await again.replay(park, recorded.journal)
    assert found.difference == ""
    assert (found.cycles, found.ended) == (151, "the end of the journal")
    assert found.setpoints > 7 * 140


async def test_a_control_that_would_decide_otherwise_is_found_out(
    park: Park, recorded: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "read", lambda folder: _without_plans(folder))
    found = await again.replay(park, recorded.journal)
    assert found.difference.startswith("cycle ")


def _without_plans(folder: Path) -> list[Record]:
    return [record for record in read(folder) if record.kind != "sensitivities"]


def test_the_command_says_so(recorded: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "replay", str(recorded.root)]) == 0
    assert capsys.readouterr().out.startswith("equal: 151 cycles")
