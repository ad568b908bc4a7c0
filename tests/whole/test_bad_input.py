"""Bad input never ends in a traceback: each fault through the real command, in another process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import vpp
from vpp.service.ready import free_base

SMALL10 = Path(vpp.__file__).parent / "parks" / "small10"
Edit = Callable[[Path], None]


def command(*arguments: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "vpp.service.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SMALL10.parents[2])},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def replaced(file: str, old: str, new: str) -> Edit:
    def edit(park: Path) -> None:
        text = (park / file).read_text(encoding="utf-8")
        assert old in text, f"{file} no longer holds {old!r}"
        (park / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def removed(file: str) -> Edit:
    return lambda park: (park / file).unlink()


def appended(file: str, line: str) -> Edit:
    def edit(park: Path) -> None:
        with (park / file).open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    return edit


def profile(rows: list[str], zone: str) -> Edit:
    """Feed PV from a measured series of quarter hours."""

    def edit(park: Path) -> None:
        (park / "pv.csv").write_text("\n".join(["time,p_mw", *rows]) + "\n", encoding="utf-8")
        entry = 'resource = "PV"\nfile = "pv.csv"\ncolumn = "p_mw"\nunit = "MW"\nlabel = "start"'
        appended("park.toml", f"\n[[profile]]\n{entry}\n{zone}")(park)

    return edit


def day(hours: int) -> list[str]:
    return [f"2026-03-17 {k // 4:02d}:{k % 4 * 15:02d},{min(k, 30)}.0" for k in range(hours * 4)]


GAP = [row for row in day(24) if "06:15" not in row]

CASES: dict[str, tuple[Edit, str]] = {
    "missing file": (removed("loads.csv"), "loads.csv"),
    "not a number": (replaced("devices.csv", "WIND35,100,0", "WIND35,nan,0"), "devices.csv:2 p_max_mw"),
    "negative rating": (
        replaced("grid/std_types_trafo.csv", "120MVA 230/69,120", "120MVA 230/69,-120"),
        "sn_mva",
    ),
    "unknown bus": (replaced("devices.csv", "wind,WIND35", "wind,NOWHERE"), "NOWHERE"),
    "isolated bus": (appended("grid/buses.csv", "99,ALONE,10,LOST,nothing"), "ALONE"),
    "device twice": (replaced("devices.csv", "\nDPV,", "\nPV,"), "PV"),
    "register twice": (
        replaced("registers/caes.csv", "mode_code,input,1001", "mode_code,input,1000"),
        "1000",
    ),
    "endpoint twice": (replaced("loads.csv", "127.0.0.1,15027,8", "127.0.0.1,15023,4"), "15023"),
    "not utf-8": (lambda park: (park / "meters.csv").write_bytes(b"\xff\xfe\x00id"), "meters.csv"),
    "profile without zone": (profile(day(24), ""), "zone"),
    "profile of an unknown zone": (profile(day(24), 'zone = "Asia/Chifeng"'), "Asia/Chifeng"),
    "profile with a gap": (profile(GAP, 'zone = "Asia/Shanghai"'), "pv.csv"),
    "profile in kilowatt": (
        profile([row.replace(".0", "000.0") for row in day(24)], 'zone = "Asia/Shanghai"'),
        "pv.csv",
    ),
}


@pytest.fixture
def park(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL10, tmp_path / "park"))


@pytest.mark.parametrize("name", CASES)
def test_a_faulty_park_is_told_in_words(name: str, park: Path, tmp_path: Path) -> None:
    edit, word = CASES[name]
    edit(park)
    code, said = command("park", "check", str(park), cwd=tmp_path)
    assert code == 3, said
    assert word in said
    assert "Traceback" not in said


def test_all_faults_are_told_at_once(park: Path, tmp_path: Path) -> None:
    chosen = ("not a number", "negative rating", "isolated bus", "register twice")
    for name in chosen:
        CASES[name][0](park)
    code, said = command("park", "check", str(park), cwd=tmp_path)
    assert code == 3
    assert all(CASES[name][1] in said for name in chosen), said


def test_a_plan_of_a_day_that_the_profile_does_not_cover_is_refused(park: Path, tmp_path: Path) -> None:
    profile(day(24), 'zone = "Asia/Shanghai"')(park)
    code, said = command("plan", str(park), "--date", "2026-04-01", cwd=tmp_path)
    assert code == 3, said
    assert "PV" in said
    assert "Traceback" not in said


def test_plan_and_run_refuse_the_same_folder_in_the_same_words(park: Path, tmp_path: Path) -> None:
    CASES["unknown bus"][0](park)
    answers = [
        command(*arguments, cwd=tmp_path)
        for arguments in (
            ("park", "check", str(park)),
            ("plan", str(park), "--date", "2026-03-17"),
            ("run", str(park), "--hil", "--for", "1h"),
        )
    ]
    assert {code for code, _ in answers} == {3}
    assert len({said for _, said in answers}) == 1


def test_a_faulty_scenario_is_told_before_anything_starts(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.toml"
    scenario.write_text(
        '[[event]]\nkind = "silent"\nat_min = 1\nfor_min = 1\nendpoint = "NOBODY"\n', encoding="utf-8"
    )
    code, said = command("run", "small10", "--hil", "--scenario", str(scenario), cwd=tmp_path)
    assert code == 3
    assert "NOBODY" in said
    assert not (tmp_path / ".yuanwang" / "small10" / "run.json").exists()


def test_a_plant_keeps_its_folder_from_runs_and_other_plants(tmp_path: Path) -> None:
    """They would write over what its processes and its clock go by."""
    first, second = (str(free_base("127.0.0.1", 20, at)) for at in (21000, 22000))
    serve = [sys.executable, "-m", "vpp.service.cli", "hil", "serve", "small10", "--state", "s"]
    plant = subprocess.Popen([*serve, "--port-base", first], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if (tmp_path / "s" / "ports.json").exists():
                break
            time.sleep(0.1)
        known = (tmp_path / "s" / "run.json").read_bytes()
        for arguments in (("run", "small10", "--hil", "--for", "1h"), ("hil", "serve", "small10")):
            code, said = command(*arguments, "--port-base", second, "--state", "s", cwd=tmp_path)
            assert code == 6, said
            assert f"process {plant.pid}" in said
            assert (tmp_path / "s" / "run.json").read_bytes() == known
    finally:
        plant.send_signal(signal.SIGINT)
        assert plant.wait(20) == 0


def test_a_port_in_use_is_named_with_its_device(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        base = str(port - 3)
        for arguments in (("run", "small10", "--hil", "--for", "1h"), ("hil", "serve", "small10")):
            code, said = command(*arguments, "--port-base", base, "--state", "s", cwd=tmp_path)
            assert code == 6, said
            assert f"port {port}" in said
            assert "CAES1" in said
            assert "Traceback" not in said
