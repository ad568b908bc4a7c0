import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from vpp.clock import SimulatedClock
from vpp.errors import DeviceFailure, TimedOut
from vpp.journal import Journal
from vpp.service.api import Parts, build_app
from vpp.service.api_auth import CONSOLE_HEADER, COOKIE, Guarded, Scope
from vpp.service.api_feed import Feed
from vpp.service.api_guard import BODY_MAX_BYTES
from vpp.service.api_stream import events
from vpp.service.token import read_or_make_token, session_of
from vpp.state_dir import StateDir
from vpp.types import DispatchOrder, Mode, ModeOrder, ReloadOrder, Reply, RestoreOrder

TOKEN = "a-token-of-this-test"
"""As in the conftest."""
AUTH = {"Authorization": f"Bearer {TOKEN}"}
AT = datetime(2026, 3, 17, 7, 23, tzinfo=UTC)
ORDER = {
    "id": "o1",
    "import_max_mw": 90.0,
    "start": "2026-03-17T16:00:00+08:00",
    "end": "2026-03-17T17:00:00+08:00",
}


def scopes_of(route):
    return [d.dependency.scope for d in route.dependencies if isinstance(d.dependency, Guarded)]


def test_every_route_declares_exactly_one_scope(app):
    routes = list(app.routes)
    assert len(routes) >= 12
    assert all(len(scopes_of(route)) == 1 for route in routes)
    public = {route.path for route in routes if scopes_of(route) == [Scope.PUBLIC]}
    assert public == {"/", "/healthz"}


def test_without_a_token_nothing_but_liveness_answers(app, web):
    for route in app.routes:
        if scopes_of(route) != [Scope.PUBLIC]:
            answer = web.request(next(iter(route.methods)), route.path)
            assert answer.status_code == 401, route.path
            assert answer.headers["content-type"] == "application/problem+json"
    assert web.get("/healthz").json() == {"service": "ok", "control": "ok"}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x"]
)
def test_a_wrong_token_is_refused(web, header):
    assert web.get("/api/status", headers={"Authorization": header}).status_code == 401


def test_no_description_of_the_api_without_a_token(web):
    assert [web.get(p).status_code for p in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 404]
    assert web.get("/api/openapi.json").status_code == 401
    assert "/api/shed" in web.get("/api/openapi.json", headers=AUTH).json()["paths"]


def test_status_and_snapshot_come_as_json_without_nan(web, feed):
    feed.take(replace(feed.snapshot, tie_mean_mw=float("nan")))
    status = web.get("/api/status", headers=AUTH)
    assert status.json()["view"]["tie"]["mean_mw"] is None
    assert web.get("/api/snapshot", headers=AUTH).json()["snapshot"]["cycle"] == 42
    assert web.get("/api/plan", headers=AUTH).status_code == 404


def test_capability_is_told_by_park_bus_and_element(web, feed, small10):
    found = web.get("/api/capability", headers=AUTH).json()["capability"]
    assert [reach["within_s"] for reach in found["park"]["up"]] == [1.0, 60.0, 900.0, 3600.0]
    assert {"BESS35", "FDR10"} <= found["buses"].keys()
    assert found["elements"]["BESS1"]["up"]["reach"][0].keys() >= {"mw", "hold_s", "limit", "setpoint_mw"}
    feed.take(replace(feed.snapshot, cycle=43, modes=dict.fromkeys(small10.resources, Mode.MANUAL)))
    found = web.get("/api/capability", headers=AUTH).json()["capability"]
    assert {reach["limit"] for reach in found["elements"]["BESS1"]["up"]["reach"]} == {"manual"}


def test_capability_without_control_is_said_to_be_missing(small10, tmp_path):
    parts = Parts(
        state=StateDir(tmp_path),
        park=small10,
        feed=Feed(lambda: None, "TIE"),
        clock=SimulatedClock(AT),
        token=TOKEN,
        simulated=True,
    )
    web = TestClient(build_app(parts), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    assert web.get("/api/capability", headers=AUTH).status_code == 503


def test_the_journal_is_read_without_its_cycles(web, tmp_path):
    journal = Journal(StateDir(tmp_path).journal, SimulatedClock(AT))
    for n in range(5):
        journal.append("snapshot", [n, b"\x00"])
        journal.append("note", {"text": f"remark {n}"})
    journal.close()
    found = web.get("/api/journal?n=3", headers=AUTH).json()
    assert [r["value"]["text"] for r in found] == ["remark 2", "remark 3", "remark 4"]
    assert web.get("/api/journal?n=0", headers=AUTH).status_code == 422
    assert web.get("/api/journal?n=nan", headers=AUTH).status_code == 422
    assert web.get("/api/sheds", headers=AUTH).json() == []


def test_an_order_reaches_control_with_an_expiry(web, control):
    answer = web.post("/api/orders", json=ORDER, headers=AUTH)
    assert answer.json() == {"id": "o1", "accepted": True, "reason": ""}
    (order,) = control.taken
    assert isinstance(order, DispatchOrder)
    assert order.start == datetime(2026, 3, 17, 8, tzinfo=UTC)
    assert AT < order.expires_at <= AT + timedelta(seconds=60)


def test_a_repeated_order_gets_the_first_answer_and_is_sent_once(web, control):
    first, second = (web.post("/api/orders", json=ORDER, headers=AUTH) for _ in range(2))
    assert first.json() == second.json()
    assert len(control.taken) == 1


def test_an_id_may_not_be_used_for_another_command(web, control):
    web.post("/api/orders", json=ORDER, headers=AUTH)
    other = web.post("/api/orders", json={**ORDER, "import_max_mw": 10.0}, headers=AUTH)
    assert other.status_code == 409
    assert len(control.taken) == 1


def test_a_refused_order_is_a_409_with_its_reason(web, control):
    control.answer = lambda m: Reply(id=m.id, accepted=False, reason="the window has passed")
    answer = web.post("/api/orders", json=ORDER, headers=AUTH)
    assert (answer.status_code, answer.json()["reason"]) == (409, "the window has passed")


def test_without_control_a_command_fails_at_once_and_may_be_sent_again(web, feed, control):
    feed.lose("its process has ended")
    gone = web.post("/api/shed", json={"id": "s1", "mw": 20.0}, headers=AUTH)
    assert gone.status_code == 503
    assert "nothing was queued" in gone.json()["detail"]
    feed.attach(control)
    assert web.post("/api/shed", json={"id": "s1", "mw": 20.0}, headers=AUTH).status_code == 200
    assert control.taken[0].mw == 20.0


def test_a_late_answer_says_that_the_outcome_is_unknown_and_is_not_sent_twice(web, control):
    control.answer = lambda m: TimedOut("control gave no answer within 10 s")
    for _ in range(2):
        answer = web.post("/api/shed", json={"id": "s1", "mw": 20.0}, headers=AUTH)
        assert answer.status_code == 504
        assert "may have been carried out" in answer.json()["detail"]
    assert len(control.taken) == 1


def test_concurrent_repeats_shed_once(app, control):
    async def slow(message, timeout_s):
        control.taken.append(message)
        await asyncio.to_thread(len, control.taken)
        return Reply(id=message.id, accepted=True, reason="")

    control.request = slow
    with TestClient(app, base_url="http://127.0.0.1:8000") as web:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(8) as pool:
            body = {"id": "s1", "mw": 20.0}
            answers = list(pool.map(lambda _: web.post("/api/shed", json=body, headers=AUTH), range(16)))
    assert {a.status_code for a in answers} == {200}
    assert len(control.taken) == 1


BAD = [
    b'{"id": "s", "mw": NaN}',
    b'{"id": "s", "mw": Infinity}',
    b'{"id": "s", "mw": -1}',
    b'{"id": "s", "mw": 0}',
    b'{"id": "s", "mw": 1e308}',
    b'{"id": "s", "mw": 1e999}',
    b'{"id": "s", "mw": "20"}',
    b'{"id": "s", "mw": true}',
    b'{"id": "s", "mw": 20, "mw": 30}',
    b'{"id": "s", "mw": 20, "role": "admin"}',
    b'{"id": "s", "mw": 20, "drill": "yes"}',
    b'{"id": "../s", "mw": 20}',
    b'{"id": "s\\n", "mw": 20}',
    b'{"mw": 20}',
    b"",
    b"\xff\xfe",
    b"null",
    b"[" * 8000,
    b'{"id": "s", "mw": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", BAD)
def test_bad_bodies_are_refused_by_rule_without_an_echo(web, control, body):
    answer = web.post("/api/shed", content=body, headers=AUTH)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "admin" not in answer.text
    assert control.taken == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["/api/shed", "/api/orders", "/api/restore"]), st.binary(max_size=300))
def test_no_body_ends_in_a_server_error(web, control, path, body):
    assert web.post(path, content=body, headers=AUTH).status_code == 422


def test_a_reload_reaches_control_and_a_body_that_is_none_does_not(web, control):
    control.answer = lambda m: Reply(id=m.id, accepted=True, reason="added PV2")
    assert web.post("/api/reload", json={"id": "r1"}, headers=AUTH).json()["reason"] == "added PV2"
    assert [type(m) for m in control.taken] == [ReloadOrder]
    assert web.post("/api/reload", json={"id": "r2", "park": "x"}, headers=AUTH).status_code == 422
    assert len(control.taken) == 1


def test_a_mode_reaches_control_with_its_end_and_one_that_is_none_does_not(web, control):
    end = "2026-03-17T18:00:00+08:00"
    body = {"id": "m1", "device": "BESS1", "mode": "manual", "until": end}
    assert web.post("/api/mode", json=body, headers=AUTH).status_code == 200
    (order,) = control.taken
    assert isinstance(order, ModeOrder)
    assert (order.mode, order.until) == (Mode.MANUAL, datetime(2026, 3, 17, 10, tzinfo=UTC))
    for change in ({"mode": "off"}, {"device": "../x"}, {"until": "2026-03-17T18:00:00"}):
        assert web.post("/api/mode", json={**body, "id": "m2", **change}, headers=AUTH).status_code == 422
    assert len(control.taken) == 1


@pytest.mark.parametrize(
    "change", [{"end": ORDER["start"]}, {"start": "2026-03-17T16:00:00"}, {"import_max_mw": None}]
)
def test_an_order_that_makes_no_sense_is_refused(web, control, change):
    assert web.post("/api/orders", json={**ORDER, **change}, headers=AUTH).status_code == 422
    assert control.taken == []


def test_a_large_body_is_refused_before_it_is_parsed(web, control):
    big = b" " * (BODY_MAX_BYTES + 1)
    assert web.post("/api/shed", content=big, headers=AUTH).status_code == 413

    def pieces():
        for _ in range(20):
            yield b" " * 1024

    assert web.post("/api/shed", content=pieces(), headers=AUTH).status_code == 413
    assert control.taken == []


def test_another_host_name_is_refused(app):
    for base in ("http://park.example:8000", "http://127.0.0.1.example", "http://192.168.1.7"):
        answer = TestClient(app, base_url=base).get("/healthz")
        assert answer.status_code == 421, base
    assert TestClient(app, base_url="http://localhost:8000").get("/healthz").status_code == 200


def test_every_answer_carries_the_security_headers(web):
    for path in ("/healthz", "/api/status", "/nowhere", "/"):
        headers = web.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_the_token_opens_the_page_once_and_leaves_the_address(web):
    assert web.get("/").status_code == 401
    opened = web.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in opened.headers["set-cookie"]
    assert web.get("/").status_code == 200
    spoken = web.get(f"/?token={TOKEN}&lang=zh", follow_redirects=False)
    assert spoken.headers["location"] == "/?lang=zh"
    assert web.get("/?token=wrong", headers={"Cookie": ""}).status_code in (200, 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Origin": "http://127.0.0.1:8000"}, 401),
        ({CONSOLE_HEADER: "1"}, 401),
        ({CONSOLE_HEADER: "1", "Origin": "http://evil.example"}, 401),
        ({CONSOLE_HEADER: "1", "Origin": "http://127.0.0.1:8000"}, 200),
    ],
)
def test_a_cookie_alone_moves_nothing(web, control, headers, status):
    web.cookies.set(COOKIE, session_of(TOKEN))
    answer = web.post("/api/restore", json={"id": "s1"}, headers=headers)
    assert answer.status_code == status
    assert len(control.taken) == (status == 200)
    assert all(isinstance(m, RestoreOrder) for m in control.taken)


def test_a_token_is_made_once_for_its_owner_alone(tmp_path):
    state = StateDir(tmp_path)
    token = read_or_make_token(state)
    assert len(token) >= 32
    assert read_or_make_token(state) == token
    assert state.token.stat().st_mode & 0o777 == 0o600


def test_control_that_answers_nonsense_is_a_failure_in_words(web, control):
    control.answer = lambda m: m
    answer = web.post("/api/shed", json={"id": "s1", "mw": 20.0}, headers=AUTH)
    assert answer.status_code == 503
    control.answer = lambda m: DeviceFailure("the connection to control was lost")
    assert web.post("/api/shed", json={"id": "s2", "mw": 20.0}, headers=AUTH).status_code == 503


def parse(frame):
    return {k: v for k, _, v in (line.partition(": ") for line in frame.decode().strip().split("\n"))}


async def test_a_stream_begins_with_the_state_and_sends_alarms_at_once(small10, make_snapshot, feed):
    stream = events(small10, feed, SimulatedClock(AT), None)
    first = parse(await anext(stream))
    assert first["event"] == "state"
    assert json.loads(first["data"])["view"]["cycle"] == 42
    feed.take(make_snapshot(small10, alarms=1))
    alarm = parse(await anext(stream))
    assert (alarm["event"], json.loads(alarm["data"])["id"]) == ("alarm", "a0")
    assert len(json.loads(parse(await anext(stream))["data"])["view"]["alarms"]) == 1
    feed.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_page_that_comes_back_hears_the_alarms_it_missed(small10, make_snapshot, feed):
    clock = SimulatedClock(AT)
    last_id = parse(await anext(events(small10, feed, clock, None)))["id"]
    feed.take(make_snapshot(small10, alarms=2))
    feed.take(make_snapshot(small10, alarms=1))
    stream = events(small10, feed, clock, last_id)
    seen = [json.loads(parse(await anext(stream))["data"]) for _ in range(3)]
    assert [(e["id"], e["raised"]) for e in seen] == [("a0", True), ("a1", True), ("a1", False)]


@pytest.mark.parametrize("last_id", ["other-7", "", "-", "x" * 300, "a-b"])
async def test_a_strange_last_event_id_gets_every_known_event(small10, make_snapshot, feed, last_id):
    feed.take(make_snapshot(small10, alarms=1))
    stream = events(small10, feed, SimulatedClock(AT), last_id)
    assert parse(await anext(stream))["event"] == "alarm"


async def test_a_lost_link_is_told_on_the_stream(small10, feed):
    stream = events(small10, feed, SimulatedClock(AT), None)
    await anext(stream)
    feed.lose("control has been silent for 5 s")
    frame = parse(await anext(stream))
    assert json.loads(frame["data"])["lost"] == "control has been silent for 5 s"
