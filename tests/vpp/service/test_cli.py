"""The command line as a shell sees it: exit codes, words, no traceback, in any locale."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vpp
from vpp.errors import Fault, InvalidInput
from vpp.service import cli, cli_park
from vpp.service.ready import free_base
from vpp.service.terminal import MAX_FAULTS, fault_lines

SMALL10 = Path(vpp.__file__).parent / "parks" / "small10"
HEAVY = ("numpy", "pandas", "pandapower", "cvxpy", "pydantic", "fastapi", "matplotlib", "rich", "asyncio")


def vpp_command(*arguments: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "vpp.service.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SMALL10.parents[2]), **env},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_help_answers_in_under_300_ms_of_cpu_time(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert vpp_command("--help", cwd=tmp_path).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = f"print(set({HEAVY}) & set(sys.modules))"
    code = f"import sys; from vpp.service.cli import run; run(['--help']); {loaded}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=SMALL10.parents[2]
    )
    assert done.stdout.decode().splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["plan", "small10"],
        ["plan", "small10", "--date", "tomorrow"],
        ["plan", "small10", "--date", "2026-02-30"],
        ["plan", "small10", "--date", "0001-01-01"],
        ["run", "small10", "--speed", "0"],
        ["run", "small10", "--hil", "--for", "six hours"],
        ["order", "--for", "30m"],
        ["order", "--import-max", "90", "--for", "-1h"],
        ["shed", "--mw", "-3"],
        ["shed", "--mw", "nan"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_good_park_is_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["park", "check", "small10", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["park"] == "small10"
    assert {row["outage"] for row in said["outages"]} == {"C10_FDR_1", "C10_FDR_2"}


def test_outages_that_no_dispatch_cures_are_listed_with_their_least_overload(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["park", "check", "small10"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "no dispatch cures" in line]
    assert len(said) == 2
    assert "C10_FDR_1, C10_FDR_2 carries 121 %" in said[0]


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8", "zh_CN.GB18030"])
@pytest.mark.parametrize("encoding", ["", "ascii", "gb18030"])
def test_faults_are_one_line_each_in_every_locale(tmp_path: Path, locale: str, encoding: str) -> None:
    park = tmp_path / "园区"
    shutil.copytree(SMALL10, park)
    devices = (park / "devices.csv").read_text(encoding="utf-8").replace("BESS1", "电池")
    (park / "devices.csv").write_text(devices, encoding="utf-8")
    env = {"LANG": locale, "LC_ALL": locale} | ({"PYTHONIOENCODING": encoding} if encoding else {})
    done = vpp_command("park", "check", str(park), cwd=tmp_path, **env)
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    assert b"devices.csv" in done.stderr
    assert b"\x1b[" not in done.stdout + done.stderr


def test_faults_are_counted_beyond_the_limit() -> None:
    faults = tuple(Fault(file="a.csv", row=k, wrong="x\ny", expected="z") for k in range(MAX_FAULTS + 7))
    lines = fault_lines(InvalidInput(faults))
    assert len(lines) == MAX_FAULTS + 1
    assert lines[-1] == "... and 7 more faults"
    assert lines[0] == "a.csv:0: x y; expected z"


def test_faults_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["park", "check", str(tmp_path / "nowhere"), "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["exit_code"] == 3
    assert answer["fault_count"] == len(answer["faults"]) > 0


def test_nobody_there_is_exit_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["status"],
        ["shed", "--mw", "5"],
        ["restore"],
        ["order", "--import-max", "9", "--for", "1h"],
    ):
        assert cli.run(arguments) == 6
        assert "vpp run" in capsys.readouterr().err


def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_text: str) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vpp.park.load_park", broken)
    assert cli_park.check
    assert cli.run(["park", "check", "small10"]) == 1
    said = capsys.readouterr().err
    assert "internal error (ZeroDivisionError)" in said
    assert len(said.splitlines()) == 1
    assert "planted" in (tmp_path / ".yuanwang" / "logs" / "vpp.log").read_text(encoding="utf-8")


def test_a_rate_other_than_1_needs_a_simulated_plant(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", "small10", "--speed", "60"]) == 3
    assert "--speed" in capsys.readouterr().err


def test_a_journal_that_is_not_there_is_exit_3(tmp_path: Path) -> None:
    assert cli.run(["journal", "verify", "--state", str(tmp_path / "nowhere")]) == 3


def test_a_folder_that_cannot_be_written_is_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    arguments = ["run", "small10", "--hil", "--for", "1h", "--state", str(tmp_path / "file" / "s")]
    assert cli.run([*arguments, "--port-base", str(free_base("127.0.0.1", 14, 29000))]) == 3
    assert "Not a directory; expected a folder to write" in capsys.readouterr().err


@pytest.mark.parametrize("start", ["9999-12-31T23:00", "0001-01-01"])
def test_a_start_outside_all_calendars_is_exit_3(start: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", "small10", "--hil", "--start", start]) == 3
    assert "1980 to 2200" in capsys.readouterr().err


def test_a_port_wanted_twice_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = free_base("127.0.0.1", 14, 29000)
    ports = ["--port-base", str(base), "--web-port", str(base + 1)]
    assert cli.run(["run", "small10", "--hil", "--state", str(tmp_path / "s"), *ports]) == 6
    assert f"port {base + 1} on 127.0.0.1 is wanted by PV and web page" in capsys.readouterr().err


def test_the_doctor_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) in {0, 5}
    assert {row["what"] for row in json.loads(capsys.readouterr().out)} > {"python", "zone data", "disk"}
