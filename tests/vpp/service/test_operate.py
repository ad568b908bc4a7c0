"""Select before operate (faults U1, U2): on the API, on the page and on the command line."""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vpp.clock import Schedule, monotonic_s
from vpp.link import LinkServer
from vpp.park.model import Operate
from vpp.service import cli
from vpp.service.api_auth import CONSOLE_HEADER
from vpp.service.echo import echo, standing
from vpp.service.people import add_person
from vpp.service.selections import HOLDS_S
from vpp.state_dir import RunSettings, StateDir
from vpp.types import DispatchOrder, Reading, Reply, ShedOrder

RUN = {"Authorization": "Bearer a-token-of-this-test"}
PAGE = {CONSOLE_HEADER: "1", "Origin": "http://127.0.0.1:8000"}
AT = datetime(2026, 3, 17, 7, 23, tzinfo=UTC)
WINDOW = {"start": "2026-03-17T16:00:00+08:00", "end": "2026-03-17T17:00:00+08:00"}


@pytest.fixture
def metered(small10, feed):
    """Loads that draw and may be cut, as control's snapshot shows them."""
    loads = {name: load for name, load in small10.loads.items() if load.blocks}
    calls = {
        name: {"calls_left": 2.0, "rest_min": 0.0, "open_blocks": 0.0, "running_min": 0.0} for name in loads
    }
    readings = dict(feed.snapshot.readings)
    for name, load in loads.items():
        readings[name] = replace(readings[name], values={"p_mw": -0.8 * load.p_peak_mw})
    tie = readings["TIE"]
    readings["TIE"] = Reading(
        values={**tie.values, "p_mw": 120.0}, quality=tie.quality, read_at=AT, age_s=0.0
    )
    feed.take(replace(feed.snapshot, readings=readings, calls=calls, open_blocks={}))
    return feed.snapshot


@pytest.fixture
def person(tmp_path):
    """The bearer of a further person."""

    def make(name):
        return {"Authorization": f"Bearer {add_person(StateDir(tmp_path), name)}"}

    return make


@pytest.fixture
def armed_mw(small10, metered):
    order = ShedOrder(id="x", mw=1.0, drill=False, expires_at=AT)
    return echo(small10, metered, order).before_mw


def test_a_shed_is_shown_then_done_exactly_so(web, control, person, armed_mw):
    me = person("Li")
    shown = web.post("/api/shed/select", json={"id": "s", "mw": 0.2 * armed_mw}, headers=me).json()
    assert shown["second"] == ""
    assert shown["before_mw"] - shown["after_mw"] >= 0.2 * armed_mw
    assert any("breakers open" in line for line in shown["lines"])
    assert control.taken == [], "nothing is done by a selection"
    body = {"id": "o", "select": shown["select"]}
    assert web.post("/api/shed/operate", json=body, headers=me).status_code == 200
    (order,) = control.taken
    assert (order.id, order.mw, order.blocks) == ("o", pytest.approx(0.2 * armed_mw), shown["blocks"])
    assert web.post("/api/shed/operate", json=body, headers=me).status_code == 200, "a repeat gets the answer"
    again = web.post("/api/shed/operate", json={**body, "id": "o2"}, headers=me)
    assert again.status_code == 409, "a selection serves once"
    assert len(control.taken) == 1


@pytest.mark.parametrize("path", ["/api/shed", "/api/orders"])
def test_a_person_selects_first_and_a_program_needs_one_step(web, control, person, path):
    body = {"id": "o1", "mw": 5.0} if path == "/api/shed" else {"id": "o1", "import_max_mw": 140.0, **WINDOW}
    web.get("/?token=a-token-of-this-test")
    for headers in (PAGE, person("Li")):
        refused = web.post(path, json=body, headers=headers)
        assert refused.status_code == 409
        assert f"{path}/select" in refused.json()["detail"]
    assert control.taken == []
    assert web.post(path, json=body, headers=RUN).status_code == 200
    assert len(control.taken) == 1


def test_a_drill_needs_no_selection(web, control, person):
    assert web.post("/api/shed", json={"id": "d", "mw": 5.0, "drill": True}, headers=person("Li")).is_success
    assert control.taken[0].drill


def test_beyond_the_soft_limit_another_person_confirms(web, control, person, armed_mw):
    me, other = person("Li"), person("Wang")
    shown = web.post("/api/shed/select", json={"id": "s", "mw": 0.6 * armed_mw}, headers=me).json()
    assert "of what is armed" in shown["second"]
    body = {"select": shown["select"]}
    alone = web.post("/api/shed/operate", json={"id": "a", **body}, headers=me)
    assert alone.status_code == 409
    assert "another person" in alone.json()["detail"]
    mine, his = (web.get("/api/selections", headers=who).json() for who in (me, other))
    assert [(one["mine"], one["by"], one["kind"]) for one in mine + his] == [
        (True, "Li", "shed"),
        (False, "Li", "shed"),
    ]
    assert control.taken == []
    assert web.post("/api/shed/operate", json={"id": "b", **body}, headers=other).status_code == 200
    assert len(control.taken) == 1


def test_the_page_and_a_program_of_one_token_are_one_person(web, control, armed_mw):
    web.get("/?token=a-token-of-this-test")
    shown = web.post("/api/shed/select", json={"id": "s", "mw": 0.6 * armed_mw}, headers=PAGE).json()
    body = {"id": "a", "select": shown["select"]}
    assert web.post("/api/shed/operate", json=body, headers=RUN).status_code == 409
    assert control.taken == []


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 2},
        {"open_blocks": {"LD_ZN": 1}},
        {
            "orders": (
                DispatchOrder(
                    id="x",
                    import_max_mw=90.0,
                    export_max_mw=None,
                    start=AT,
                    end=AT + timedelta(hours=1),
                    expires_at=AT,
                ),
            )
        },
    ],
)
def test_what_changed_in_between_refuses(web, control, feed, metered, change):
    shown = web.post("/api/shed/select", json={"id": "s", "mw": 5.0}, headers=RUN).json()
    feed.take(replace(metered, cycle=43, **change))
    answer = web.post("/api/shed/operate", json={"id": "o", "select": shown["select"]}, headers=RUN)
    assert answer.status_code == 409
    assert "changed" in answer.json()["detail"]
    assert control.taken == []


def test_a_selection_ends_by_itself(web, control, metered, page_clock):
    shown = web.post("/api/shed/select", json={"id": "s", "mw": 5.0}, headers=RUN).json()
    page_clock.advance(HOLDS_S + 1)
    answer = web.post("/api/shed/operate", json={"id": "o", "select": shown["select"]}, headers=RUN)
    assert answer.status_code == 409
    assert web.get("/api/selections", headers=RUN).json() == []
    assert control.taken == []


def test_an_order_shows_the_limits_before_and_after_and_what_has_to_move(web, control, metered):
    body = {"id": "o", "import_max_mw": 90.0, **WINDOW}
    shown = web.post("/api/orders/select", json=body, headers=RUN).json()
    assert "import limit 150.0 -> 90.0 MW, the contract allows 150.0" in shown["lines"]
    assert "import is 120.0 MW now: 30.0 MW have to move" in shown["lines"]
    assert shown["second"] == ""
    wrong = web.post("/api/shed/operate", json={"id": "w", "select": shown["select"]}, headers=RUN)
    assert wrong.status_code == 409, "an order is not operated as a shed"
    shown = web.post("/api/orders/select", json=body, headers=RUN).json()
    done = web.post("/api/orders/operate", json={"id": "d", "select": shown["select"]}, headers=RUN)
    assert done.status_code == 200
    assert control.taken[0].import_max_mw == 90.0
    assert control.taken[0].expires_at > AT


def test_a_decimal_that_slipped_needs_a_second_person(small10, metered):
    order = DispatchOrder(
        id="x", import_max_mw=9.0, export_max_mw=None, start=AT, end=AT + timedelta(hours=1), expires_at=AT
    )
    assert "94% of the tie's contract" in echo(small10, metered, order).second
    free = replace(small10, operate=Operate(second_person_share=1.0))
    assert echo(free, metered, order).second == ""


@pytest.fixture
def ask(tmp_path, small10, metered, capsys):
    """Run a command beside a control that answers; what control took, its exit code and its words."""
    state = StateDir(tmp_path)
    state.prepare()
    schedule = Schedule(origin_true_s=monotonic_s(), segments=((AT, 1.0),))
    state.write_settings(
        RunSettings(
            park=small10.folder, schedule=schedule, seed=1, port_base=None, simulated=True, scenario=None
        )
    )

    async def talk(arguments):
        taken = []

        async def take(message):
            taken.append(message)
            return Reply(id=message.id, accepted=True, reason="")

        server = LinkServer(state.socket, take)
        await server.start()
        server.publish(metered)
        try:
            code = await asyncio.to_thread(cli.run, [*arguments, "--state", str(tmp_path)])
        finally:
            await server.stop()
        return taken, code, capsys.readouterr()

    return lambda *arguments: asyncio.run(talk(arguments))


def test_the_command_line_shows_and_asks_or_needs_a_yes(ask, monkeypatch):
    order = ("order", "--import-max", "90", "--for", "30m")
    taken, code, said = ask(*order)
    assert (taken, code) == ([], 2), "nobody is there to say yes"
    assert "import limit 150.0 -> 90.0 MW" in said.err
    taken, code, said = ask(*order, "--yes", "--json")
    assert code == 0
    assert [m.import_max_mw for m in taken] == [90.0]
    assert json.loads(said.out)["accepted"]
    monkeypatch.setattr(
        sys,
        "stdin",
        type("Terminal", (), {"isatty": lambda self: True, "readline": lambda self, *a: "n\n"})(),
    )
    assert ask(*order)[0] == []


def test_the_command_line_takes_a_second_person_by_his_token(ask, tmp_path, armed_mw):
    shed = ("shed", "--mw", f"{0.6 * armed_mw:.3f}", "--yes", "--json")
    taken, code, said = ask(*shed)
    assert (taken, code) == ([], 3)
    assert "another person" in said.out
    token = tmp_path / "wang"
    token.write_text("not his")
    assert ask(*shed, "--second", str(token))[:2] == ([], 3)
    token.write_text(add_person(StateDir(tmp_path), "Wang"))
    taken, _, said = ask(*shed, "--second", str(token))
    assert "confirmed by Wang" in said.err
    (order,) = taken
    assert sum(mask.bit_count() for mask in order.blocks.values()) > 0


def test_a_token_of_a_person_is_shown_once_and_kept_as_a_hash(tmp_path):
    state = StateDir(tmp_path)
    first, second = add_person(state, "Li"), add_person(state, "Li")
    assert first != second
    assert first not in state.people.read_text()
    assert state.people.stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_none_gets_no_token(ask):
    assert ask("person", "../x")[1] == 3
    assert ask("person", "run")[1] == 3


def test_standing_is_blind_to_what_moves_by_itself(metered):
    assert standing(replace(metered, cycle=99, tie_mean_mw=1.0)) == standing(metered)
