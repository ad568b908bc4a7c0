from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from vpp.errors import InvalidInput
from vpp.park import endpoints
from vpp.service.launch import LEAD_S, Wishes, request_for
from vpp.service.request import addresses, children_of

SCENARIO = """
name = "short"
start_local = 15:00:00
duration_min = 90
[[rate]]
at_min = 0
rate = 60
[[rate]]
at_min = 30
rate = 1
[[event]]
kind = "shed"
at_min = 30.5
mw = 20
"""


def test_a_simulated_run_starts_after_its_processes(tmp_path: Path) -> None:
    wishes = Wishes(
        park="small10",
        hil=True,
        speed=60,
        start="2026-03-17T15:00",
        length=timedelta(hours=6),
        state=tmp_path,
        port_base=23000,
    )
    request = request_for(wishes)
    start = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)
    schedule = request.settings.schedule
    assert schedule.segments == ((start, 60.0),)
    assert request.ends_at == start + timedelta(hours=6)
    assert schedule.true_at(request.ends_at) - schedule.origin_true_s == pytest.approx(360.0)
    assert [e.port for e in endpoints(request.park).values()] == list(
        range(23000, 23000 + len(endpoints(request.park)))
    )
    assert LEAD_S > 0


def test_a_real_plant_runs_at_rate_1_from_now(tmp_path: Path) -> None:
    request = request_for(Wishes(park="small10", hil=False, state=tmp_path))
    assert request.settings.schedule.segments[0][1] == 1.0
    assert not request.settings.simulated
    assert [child.name for child in children_of(request)] == ["control", "planner", "service"]
    assert [what for what, _, _ in addresses(request)] == ["web page"]


def test_every_wish_that_needs_a_simulated_plant_is_refused_at_once(tmp_path: Path) -> None:
    wishes = Wishes(
        park="small10",
        hil=False,
        speed=60,
        start="2026-03-17",
        scenario=tmp_path / "x.toml",
        own_process=("NOBODY",),
    )
    with pytest.raises(InvalidInput) as refused:
        request_for(wishes)
    assert {fault.file for fault in refused.value.faults} == {
        "--speed",
        "--start",
        "--scenario",
        "--own-process",
    }


def test_a_scenario_sets_start_rates_and_length(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    request = request_for(
        Wishes(park="small10", hil=True, scenario=file, state=tmp_path, start="2026-03-17T15:00")
    )
    segments = request.settings.schedule.segments
    assert [rate for _, rate in segments] == [60.0, 1.0]
    assert segments[1][0] - segments[0][0] == timedelta(minutes=30)
    assert request.ends_at == segments[0][0] + timedelta(minutes=90)


def test_the_plant_is_started_first_and_given_its_own_processes(tmp_path: Path) -> None:
    request = request_for(Wishes(park="small10", hil=True, state=tmp_path, own_process=("CAES1",)))
    plant = children_of(request)[0]
    assert plant.arguments[:2] == ("-m", "hil")
    assert plant.arguments[-2:] == ("--own-process", "CAES1")
