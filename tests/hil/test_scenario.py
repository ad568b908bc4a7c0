"""Scenario files: the shipped demo reads, and a bad file tells every fault at once."""

from contextlib import suppress
from datetime import datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.scenario import Order, Restore, Shed, Silence, read_scenario
from vpp.clock import UTC, Schedule
from vpp.errors import InvalidInput
from vpp.park import Park


def demo() -> Path:
    return Path(str(files("vpp"))) / "parks" / "small10" / "scenarios" / "demo.toml"


def test_the_demo_fits_six_plant_hours_into_eight_minutes(park: Park) -> None:
    scenario = read_scenario(demo(), park)
    start = datetime(2026, 3, 10, 7, tzinfo=UTC)
    schedule = Schedule(origin_true_s=0.0, segments=scenario.segments(start))
    assert scenario.start_local == time(15)
    assert schedule.true_at(start + timedelta(hours=6)) == 419
    kinds = {type(event) for event in scenario.events}
    assert {Order, Shed, Restore, Silence} <= kinds


def test_the_demo_sheds_inside_its_minute_at_rate_one(park: Park) -> None:
    scenario = read_scenario(demo(), park)
    (shed,) = [event for event in scenario.events if isinstance(event, Shed)]
    slow, fast = scenario.rates[1:]
    assert (slow.rate, fast.rate) == (1, 60)
    assert slow.at_min < shed.at_min < fast.at_min


BAD = """
name = "bad"
duration_min = -3
weather = "fine"
[[rate]]
at_min = 3
rate = 60
[[event]]
kind = "trip"
at_min = nan
for_min = 5
resource = "PV"
[[event]]
kind = "explode"
at_min = 1
[[event]]
kind = "silent"
at_min = 1
for_min = 2
endpoint = "CAES9"
colour = "red"
[[event]]
kind = "availability"
at_min = 1
for_min = 2
resource = "BESS1"
[[event]]
kind = "restore"
at_min = 1
loads = ["LD_ZN", "LD_XX"]
"""


def test_every_fault_of_a_file_is_told_at_once(park: Park, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    with pytest.raises(InvalidInput) as refused:
        read_scenario(path, park)
    told = str(refused.value)
    for fragment in (
        "duration_min: -3",
        "weather: unknown key",
        "first one 0",
        "event 1 at_min: nan",
        "event 2: unknown kind 'explode'",
        "event 3 colour: unknown key",
        "event 4 resource: unknown 'BESS1'",
        "event 5 loads: unknown 'LD_XX'",
    ):
        assert fragment in told
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = ", b""])
def test_a_file_that_is_no_scenario_is_refused_in_words(park: Park, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"odd\.toml"):
        read_scenario(path, park)


def test_a_missing_file_is_refused_in_words(park: Park, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.toml"):
        read_scenario(tmp_path / "none.toml", park)


@given(cut=st.integers(0, 1500), byte=st.integers(0, 255))
def test_no_edited_byte_ends_in_anything_but_words(
    park: Park, tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int
) -> None:
    content = bytearray(demo().read_bytes())
    content[cut % len(content)] = byte
    path = tmp_path_factory.mktemp("fuzz") / "demo.toml"
    path.write_bytes(content)
    with suppress(InvalidInput):
        assert read_scenario(path, park).duration_min > 0
