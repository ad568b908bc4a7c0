"""Planners' commands and routes: plan with pins, explain, compare, approve, pins of a run."""

import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from starlette.testclient import TestClient

from vpp.clock import Schedule, SimulatedClock, monotonic_s
from vpp.park import copy_park, load_park
from vpp.reports.plan_file import plan_to_json, read_plan
from vpp.service import jobs
from vpp.service.api import Parts, build_app
from vpp.service.api_feed import Feed
from vpp.service.cli import run
from vpp.service.day_plans import plan_days
from vpp.state_dir import RunSettings, StateDir
from vpp.types import Reply

AUTH = {"Authorization": "Bearer token"}
AT = datetime(2026, 3, 16, 8, tzinfo=UTC)
DAY = "2026-03-17"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of two plans of a day: free, and pinned by the command line."""
    folder = tmp_path_factory.mktemp("plans")
    (free,) = plan_days(load_park("small10"), date.fromisoformat(DAY), 1)
    (folder / "a" / DAY).mkdir(parents=True)
    (folder / "a" / DAY / "plan.json").write_bytes(plan_to_json(free))
    held = folder / "held.txt"
    held.write_text("# evening\nBESS1@17:00-19:00=off\n")
    assert run(["plan", "small10", "--date", DAY, "--out", str(folder / "b"), "--pin", str(held)]) == 0
    return folder


@pytest.fixture
def state(tmp_path, made, small10):
    """A run's state folder with a day-ahead plan."""
    found = StateDir(tmp_path / "s")
    found.prepare()
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((AT, 1.0),))
    found.write_settings(
        RunSettings(
            park=small10.folder, schedule=schedule, seed=1, port_base=None, simulated=True, scenario=None
        )
    )
    folder = found.day_plan(date.fromisoformat(DAY))
    folder.mkdir()
    (folder / "plan.json").write_bytes((made / "a" / DAY / "plan.json").read_bytes())
    return found


def plan_file(made, which):
    return str(made / which / DAY / "plan.json")


def test_a_plan_holds_the_pins_of_a_file(made):
    plan = read_plan(plan_file(made, "b"))
    assert not plan.series["BESS1"]["discharge_mw"][68:76].any()
    assert [pin.id for pin in plan.pins] == ["BESS1@2026-03-17T17:00-19:00=off"]


def test_faulty_pins_are_exit_3_and_a_missing_file_too(tmp_path, capsys):
    where = ["--out", str(tmp_path)]
    assert (
        run(["plan", "small10", "--date", DAY, *where, "--pin", "XX@10:00=1", "--pin", "BESS1@10:00=900"])
        == 3
    )
    told = capsys.readouterr().err
    assert "XX" in told
    assert "900" in told
    several = ["--pin", str(tmp_path / "none"), "--from", str(tmp_path / "no.json"), "--pin", "YY@10:00=1"]
    assert (
        run(["plan", "small10", "--date", DAY, *where, *several, "--pin", "", "--pin", "*@10:00=plan"]) == 3
    )
    told = capsys.readouterr().err
    assert all(word in told for word in ("none", "no.json", "YY", '"": Is a directory', "4 faults found"))
    assert run(["plan", "small10", "--date", DAY, *where, "--pin", "BESS1@2026-03-20T10:00=off"]) == 3


def test_explain_tells_the_day_a_step_and_a_program(made, capsys):
    assert run(["explain", plan_file(made, "b")]) == 0
    assert "BESS1" in capsys.readouterr().out
    assert run(["explain", plan_file(made, "a"), "--step", "18:10"]) == 0
    assert capsys.readouterr().out.startswith("18:00-18:15")
    assert run(["explain", plan_file(made, "a"), "--step", "18:10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["start"] for step in told["steps"]] == ["18:00"]
    assert run(["explain", plan_file(made, "a"), "--step", "evening"]) == 2


def test_a_plan_of_another_park_is_refused(made, capsys):
    assert run(["explain", plan_file(made, "a"), "--park", "chifeng96"]) == 3
    assert "not those of" in capsys.readouterr().err


def test_both_files_of_a_comparison_are_judged(tmp_path, capsys):
    (tmp_path / "b.json").write_text("[")
    assert run(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 3
    told = capsys.readouterr().err
    assert "a.json" in told
    assert "b.json" in told


def test_compare_tells_text_json_and_a_page(made, tmp_path, capsys):
    files = [plan_file(made, "a"), plan_file(made, "b")]
    page = tmp_path / "sub" / "c.html"
    assert run(["compare", *files, "--html", str(page), "--over", "5"]) == 0
    told = capsys.readouterr().out
    assert "BESS1" in told
    assert "total, CNY" in told
    assert page.read_text(encoding="utf-8").count("<svg") >= 1
    assert run(["compare", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 96


def test_a_plan_is_approved_by_day_or_by_file(state, capsys):
    assert run(["approve", DAY, "--state", str(state.root), "--by", "Li", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["approved"]["by"], first["in_journal"]) == ("Li", False)
    assert run(["approve", str(state.day_plan(date.fromisoformat(DAY)) / "plan.json"), "--by", "Wang"]) == 0
    assert "approved by Li" in capsys.readouterr().out, "the first approval stands"
    assert run(["approve", "2026-03-18", "--state", str(state.root)]) == 3


def test_pins_of_a_run_are_added_listed_and_removed(state, capsys):
    where = ["--state", str(state.root)]
    assert run(["pin", "list", *where]) == 0
    assert "nothing is held" in capsys.readouterr().out
    assert run(["pin", "add", "BESS1@22:00-23:00=-5", "--date", DAY, *where]) == 0
    (line,) = capsys.readouterr().out.split()
    assert line == "BESS1@2026-03-17T22:00-23:00=-5"
    assert run(["pin", "add", "BESS1@22:30=off", "--date", DAY, *where]) == 3
    assert run(["pin", "remove", "x", *where]) == 3
    assert run(["pin", "remove", line, *where]) == 0


@pytest.fixture
def clock():
    return SimulatedClock(AT)


@pytest.fixture
def web(state, small10, made, clock):
    told = []

    class Control:
        async def request(self, message, timeout_s):
            told.append(message)
            return Reply(id=message.id, accepted=True, reason="")

    feed = Feed(lambda: None, "TIE")
    feed.attach(Control())
    feed.plan = read_plan(plan_file(made, "a"))
    park = replace(small10, approval=replace(small10.approval, mode="manual"))
    parts = Parts(state=state, park=park, feed=feed, clock=clock, token="token", simulated=True)
    return TestClient(build_app(parts), base_url="http://127.0.0.1:8000", headers=AUTH)


def test_a_plan_is_selected_then_approved_once(web):
    (shown,) = web.get("/api/plans").json()
    assert (shown["in_force"], shown["approval"]) == (False, "manual")
    selected = web.post("/api/plans/select", json={"id": "s1", "day": DAY}).json()
    order = {"id": "a1", "day": DAY, "select": selected["select"], "by": "Li"}
    first = web.post("/api/plans/approve", json=order)
    assert first.status_code == 200
    assert first.json()["approved"]["by"] == "Li"
    assert web.post("/api/plans/approve", json=order).json() == first.json(), "a repeat gets the first answer"
    assert web.get("/api/plans").json()[0]["in_force"]
    again = web.post("/api/plans/approve", json={**order, "id": "a2"})
    assert again.status_code == 409, "a selection serves once"


def test_a_plan_that_changed_after_its_selection_is_not_approved(web, state):
    key = web.post("/api/plans/select", json={"id": "s1", "day": DAY}).json()["select"]
    file = state.day_plan(date.fromisoformat(DAY)) / "plan.json"
    file.write_bytes(plan_to_json(replace(read_plan(file), notes=("made again",))))
    order = {"id": "a1", "day": DAY, "select": key, "by": "Li"}
    assert web.post("/api/plans/approve", json=order).status_code == 422


def test_days_and_keys_that_are_none_are_refused(web):
    assert web.post("/api/plans/select", json={"id": "s", "day": "2026-02-30"}).status_code == 422
    assert web.post("/api/plans/select", json={"id": "s", "day": "2026-03-19"}).status_code == 404
    order = {"id": "a", "day": DAY, "select": "0" * 16, "by": "Li"}
    assert web.post("/api/plans/approve", json=order).status_code == 409
    assert web.post("/api/plans/approve", json={**order, "select": "../x"}).status_code == 422


def test_pins_are_held_and_let_go_over_the_api(web):
    pin = "BESS1@2026-03-17T22:00-23:00=-5"
    added = web.post("/api/pins", json={"id": "p1", "pins": [pin]})
    assert [p["id"] for p in added.json()] == [pin]
    refused = web.post("/api/pins", json={"id": "p2", "pins": ["XYZ@2026-03-17T22:00=1"]})
    assert refused.status_code == 422
    assert "XYZ" not in refused.text, "an answer never repeats what was sent"
    assert [p["id"] for p in web.get("/api/pins").json()] == [pin]
    assert web.post("/api/pins/remove", json={"id": "p3", "pins": [pin]}).json() == []


def test_the_plan_in_force_is_explained_in_both_languages(web):
    english = web.get("/api/plan/explain").json()["text"]
    chinese = web.get("/api/plan/explain?lang=zh").json()["text"]
    assert len(english) == len(chinese)
    assert any("充电" in line for line in chinese)
    assert web.get("/api/plan/explain?lang=fr").status_code == 422


def test_the_step_of_now_says_by_device_why_it_runs(web, clock):
    assert web.get("/api/plan/why").status_code == 404, "the plan begins at midnight"
    clock.advance(24 * 3600)
    english, chinese = (web.get(f"/api/plan/why?lang={lang}").json() for lang in ("en", "zh"))
    whole = web.get("/api/plan/explain").json()["text"]
    assert english["devices"].keys() == chinese["devices"].keys()
    assert len(english["binding"]) == len(chinese["binding"]) > 0
    for lines in english["devices"].values():
        assert all(any(line.split(" ", 1)[1] in told for told in whole) for line in lines)


async def test_control_is_told_that_a_plan_waits_for_its_approval(state, tmp_path, monkeypatch):
    park = tmp_path / "manual"
    copy_park("small10", park)
    with (park / "park.toml").open("a") as file:
        file.write('\n[approval]\nmode = "manual"\n')
    told = []

    async def report(id_, well, words):
        told.append((id_, well, words))

    calendar = jobs.Calendar(
        state=state,
        park=str(park),
        zone="Asia/Shanghai",
        schedule=Schedule(origin_true_s=0.0, segments=((AT, 1.0),)),
        clock=SimulatedClock(AT),
        report=report,
    )
    monkeypatch.setattr(jobs, "plan_command", lambda calendar, day: (sys.executable, "-c", ""))
    await jobs.plan_tomorrow(calendar, AT)
    assert run(["approve", DAY, "--state", str(state.root)]) == 0
    await jobs.plan_tomorrow(calendar, AT)
    assert [(id_, well) for id_, well, _ in told] == [("day_ahead", False), ("day_ahead", True)]
    assert "vpp approve 2026-03-17" in told[0][2]
