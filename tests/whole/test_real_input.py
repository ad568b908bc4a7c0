"""A plant's own record instead of seeded weather: planned and run through the command line."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpp.journal import snapshots
from vpp.park import endpoints, load_park
from vpp.reports import plan_from_json
from vpp.service.ready import free_base
from vpp.types import Plan

REPO = Path(__file__).parents[2]
RECORD = Path(os.environ.get("VPP_SHARED", REPO.parent / "shared")) / "data/pv/site1_50mw.csv.gz"
"""Two measured years of a 50 MW plant; not part of this repository."""
DAY = datetime(2024, 5, 3, tzinfo=timezone(timedelta(hours=8)))
STEPS = 96


STARTED: list["subprocess.Popen[str]"] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
    STARTED.clear()


def vpp(*words: str, cwd: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "vpp.service.cli", *words]
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    out = subprocess.PIPE
    STARTED.append(
        subprocess.Popen(command, cwd=cwd, env=env, text=True, stdout=out, stderr=subprocess.STDOUT)
    )
    return STARTED[-1]


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=180)
    return process.returncode, said


def park_with(file: str, cwd: Path) -> None:
    """Copy the shipped park to `mine` and feed its PV plant from `file`, as a user would."""
    assert ended(vpp("park", "copy", "small10", "mine", cwd=cwd))[0] == 0
    entry = f'resource = "PV"\nfile = "{file}"\ncolumn = "p_mw"\nunit = "MW"\nlabel = "start"\n'
    with (cwd / "mine" / "park.toml").open("a", encoding="utf-8") as settings:
        settings.write("\n[[profile]]\n" + entry)
    code, said = ended(vpp("park", "check", "mine", cwd=cwd))
    assert code == 0, said


def planned(day: str, cwd: Path) -> Plan:
    code, said = ended(vpp("plan", "mine", "--date", day, "--out", "plans", cwd=cwd))
    assert code == 0, said
    file = cwd / "plans" / day / "plan.json"
    return plan_from_json(file.read_bytes(), file=file.name)


@pytest.fixture
def own_series(tmp_path: Path) -> dict[datetime, float]:
    """Write a bright day and a half, dark from noon on, into `mine/own.csv`; by start of its quarter."""
    quarters = [DAY + timedelta(minutes=15 * k) for k in range(STEPS * 3 // 2)]
    values = {at: 40.0 * max(0.0, np.sin(np.pi * (at.hour - 6) / 12)) * (at.hour < 12) for at in quarters}
    park_with_file = [f"{at.isoformat()},{value:.3f}" for at, value in values.items()]
    (tmp_path / "own.csv").write_text("\n".join(["time,p_mw", *park_with_file, ""]), encoding="utf-8")
    park_with("../own.csv", tmp_path)
    return values


def metered(power: Callable[[Any], float], journal: Path, after: datetime) -> list[float]:
    """Return what was metered, cycle by cycle; one whose answer was late on a busy machine has none."""
    found = [power(row) for row in snapshots(journal) if row.at >= after]
    return [mw for mw in found if np.isfinite(mw)]


def test_a_users_own_series_is_planned_and_run(own_series: dict[datetime, float], tmp_path: Path) -> None:
    count = len(endpoints(load_park("small10")))
    base = free_base("127.0.0.1", count + 1, 20000 + os.getpid() % 600 * 20)
    ports = ("--port-base", str(base), "--web-port", str(base + count), "--state", "run")
    noon = DAY + timedelta(hours=11, minutes=55)
    start = noon.strftime("%Y-%m-%dT%H:%M")
    running = vpp(
        "run", "mine", "--hil", "--start", start, "--for", "10m", "--speed", "60", *ports, cwd=tmp_path
    )
    plan = planned(DAY.date().isoformat(), tmp_path)
    truth = np.array(list(own_series.values())[:STEPS])
    assert plan.series["PV"]["available_mw"][48:].max() < 0.25 * truth.max()
    assert np.corrcoef(plan.series["PV"]["available_mw"], truth)[0, 1] > 0.95
    code, said = ended(running)
    assert code == 0, said
    assert "Traceback" not in said
    power = metered(lambda row: row.values["PV"].get("available_mw", np.nan), tmp_path / "run/journal", noon)
    assert power[0] == pytest.approx(own_series[noon - timedelta(minutes=10)], abs=1.0)
    assert power[-1] == pytest.approx(0.0, abs=0.1)


def test_a_time_that_the_series_does_not_cover_is_told(
    own_series: dict[datetime, float], tmp_path: Path
) -> None:
    assert own_series
    later = (DAY + timedelta(days=1)).date().isoformat()
    wished = ("--start", f"{later}T11:00", "--for", "2h")
    days = ("--date", DAY.date().isoformat(), "--days", "2")
    for words in (("plan", "mine", *days), ("run", "mine", "--hil", *wished)):
        code, said = ended(vpp(*words, cwd=tmp_path))
        assert code == 3, said
        assert "own.csv" in said
        assert "PV" in said
        assert "Traceback" not in said
    assert not (tmp_path / ".yuanwang").exists()


@pytest.mark.skipif(not RECORD.exists(), reason="the measured series is not on this machine (VPP_SHARED)")
def test_a_measured_plant_is_planned_as_recorded(tmp_path: Path) -> None:
    park_with(str(RECORD), tmp_path)
    park = load_park(tmp_path / "mine")
    assert any("61.5 h" in warning for warning in park.warnings)
    plan = planned("2020-04-16", tmp_path)
    profile = park.csv_profiles["PV"]
    first = round((plan.start.timestamp() - profile.start_epoch_s) / profile.step_s)
    truth = profile.p_mw[first : first + STEPS]
    assert truth.max() > 20
    assert np.corrcoef(plan.series["PV"]["available_mw"], truth)[0, 1] > 0.95
