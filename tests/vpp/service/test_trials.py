"""`vpp hil test`: what a scenario expects is judged, told, written for servers, and the same again."""

import json
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest

from hil.scenario import read_scenario
from vpp.errors import InvalidInput
from vpp.park import load_park
from vpp.service import trials
from vpp.service.cli import run
from vpp.service.trials import cases

SHORT = """
name = "short"
start_local = 17:30:00
duration_min = 1.5
[[event]]
kind = "silent"
endpoint = "WF"
at_min = 0.5
for_min = 0.5
[[expect]]
kind = "alarm"
alarm = "silent:WF"
at_min = 0.5
within_s = 5
[[expect]]
kind = "valid"
at_min = 0
for_min = 1.5
[[expect]]
kind = "metered"
endpoint = "WF"
at_min = 1.1
for_min = 0.2
low_mw = LOW
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    file = tmp_path / "short.toml"
    file.write_text(SHORT.replace("LOW", "1"))
    return file


def test_a_run_in_memory_is_judged_and_is_the_same_again(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["hil", "test", str(short), "--park", "small10", "--json", "--seed", "3"]
    assert run(asked) == 0
    first = capsys.readouterr().out
    short.write_text(SHORT.replace("LOW", "500"))
    assert run([*asked, "--junit", str(tmp_path / "junit.xml")]) == 6
    second = capsys.readouterr().out
    (good,), (bad,) = json.loads(first), json.loads(second)
    assert (good["ok"], bad["ok"]) == (True, False)
    # the same run under the same seed, whatever is expected of it
    assert good["digest"] == bad["digest"]
    assert [v["ok"] for v in bad["verdicts"]] == [True, True, False]
    assert bad["latencies"]["alarm, plant s"] == {"count": 1, "p50": 3.0, "p99": 3.0}
    suite = parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("small10.short", "3", "1")
    assert [len(case) for case in suite] == [0, 0, 1]


def test_a_park_stands_for_its_scenarios_that_expect_something() -> None:
    park = load_park("small10")
    found = cases(["small10"], None)
    assert len(found) >= 5
    assert all(read_scenario(case.file, park).expects for case in found)
    assert not any(case.file.name == "demo.toml" for case in found)


def test_a_file_outside_every_park_needs_one_named(short: Path) -> None:
    with pytest.raises(InvalidInput, match="lies in no park's folder"):
        cases([str(short)], None)
    assert cases([str(short)], "small10")[0].park == load_park("small10").folder


def test_a_scenario_starts_on_its_day_or_on_the_examples(short: Path) -> None:
    assert (trials.DAY.isoformat(), read_scenario(short, load_park("small10")).day) == ("2026-03-17", None)
