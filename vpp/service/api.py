"""The web application: reading routes, the page, its stream; commands come from `api_commands`."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from vpp import journal
from vpp.clock import Clock
from vpp.errors import DeviceFailure, TimedOut
from vpp.park.model import Park
from vpp.reports import plan_to_json
from vpp.service import api_problem
from vpp.service.api_auth import COOKIE, Scope, needs, owner_of, subject_of
from vpp.service.api_capability import Believer, read_offer
from vpp.service.api_commands import command_routes
from vpp.service.api_feed import Feed
from vpp.service.api_guard import Guard
from vpp.service.api_operate import operate_routes
from vpp.service.api_plans import plan_routes
from vpp.service.api_problem import Problem
from vpp.service.api_stream import events
from vpp.service.console.page import load_assets, render_locked, render_page
from vpp.service.console.view import live_view
from vpp.service.console.words import choose_language
from vpp.service.token import session_of
from vpp.state_dir import StateDir

HOSTS = ("127.0.0.1", "localhost", "[::1]")
JOURNAL_MAX = 1000
"""Records that one request may ask for."""
JOURNAL_WINDOW = 20_000
"""Newest records that are searched for them: more than five hours of cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application stands on."""

    state: StateDir
    park: Park
    feed: Feed
    clock: Clock
    token: str
    simulated: bool


def build_app(parts: Parts) -> FastAPI:
    """Return the application; it starts no task and opens no socket by itself."""
    app = FastAPI(title="Yuanwang", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.token, app.state.folder = parts.token, parts.state
    app.add_middleware(Guard, hosts=HOSTS)
    app.add_exception_handler(Problem, api_problem.of_problem)
    app.add_exception_handler(DeviceFailure, api_problem.of_absence)
    app.add_exception_handler(TimedOut, api_problem.of_absence)
    app.add_exception_handler(RequestValidationError, api_problem.of_validation)
    app.add_exception_handler(HTTPException, api_problem.of_http)
    _add_reading(app, parts)
    _add_capability(app, parts)
    _add_page(app, parts)
    plans = plan_routes(parts.state, parts.park, parts.feed, parts.clock)
    operated = operate_routes(parts.park, parts.feed, parts.clock)
    for route in (*command_routes(parts.feed, parts.clock).routes, *operated.routes, *plans.routes):
        app.router.routes.append(route)
    return app


def _add_reading(app: FastAPI, parts: Parts) -> None:
    feed = parts.feed

    @app.get("/healthz", dependencies=[needs(Scope.PUBLIC)])
    async def healthz() -> Response:
        """Say whether service lives, and apart from that whether it hears control."""
        return JSONResponse({"service": "ok", "control": "ok" if feed.lost is None else "lost"})

    @app.get("/api/status", dependencies=[needs(Scope.READ)])
    async def status() -> Response:
        """Return the live page's numbers; 503 before the first snapshot."""
        return _json({"lost": feed.lost, "view": live_view(parts.park, _snapshot(feed), feed.plan, ())})

    @app.get("/api/snapshot", dependencies=[needs(Scope.READ)])
    async def snapshot() -> Response:
        """Return control's newest process image; `lost` in words where it is old."""
        return _json({"lost": feed.lost, "snapshot": _snapshot(feed)})

    @app.get("/api/plan", dependencies=[needs(Scope.READ)])
    async def plan() -> Response:
        """Return the plan in force as a plan file."""
        if feed.plan is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no plan is in force")
        return Response(plan_to_json(feed.plan), media_type="application/json")

    @app.get("/api/journal", dependencies=[needs(Scope.READ)])
    def journal_tail(n: Annotated[int, Query(ge=1, le=JOURNAL_MAX)] = 100) -> Response:
        """Return the last events of the journal, oldest first; cycles are left out."""
        recent = journal.tail(parts.state.journal, JOURNAL_WINDOW)
        return _json([_record(r) for r in recent if r.kind not in ("snapshot", "layout")][-n:])

    @app.get("/api/sheds", dependencies=[needs(Scope.READ)])
    def sheds(n: Annotated[int, Query(ge=1, le=JOURNAL_MAX)] = 100) -> Response:
        """Return the last shed reports of the journal, oldest first."""
        found = [r for r in journal.read(parts.state.journal) if r.kind == "shed"]
        return _json([_record(r) for r in found[-n:]])

    @app.get("/api/openapi.json", dependencies=[needs(Scope.READ)])
    async def openapi() -> Response:
        """Return the description of this API."""
        return JSONResponse(app.openapi())


def _add_capability(app: FastAPI, parts: Parts) -> None:
    believer = Believer(parts.park, lambda: read_offer(parts.state.current_plan))
    parts.feed.watchers.append(believer.take)
    if parts.feed.snapshot is not None:
        believer.take(parts.feed.snapshot)

    @app.get("/api/capability", dependencies=[needs(Scope.READ)])
    def capability() -> Response:
        """Return what park, buses, devices and loads can still do; null where there is no end or price."""
        _snapshot(parts.feed)
        return _json({"lost": parts.feed.lost, "capability": believer.capability()})


def _add_page(app: FastAPI, parts: Parts) -> None:
    assets = load_assets()

    @app.get("/", dependencies=[needs(Scope.PUBLIC)])
    async def page(request: Request) -> Response:
        """Show the live page to a session; take a token once and make it a session."""
        query = request.query_params
        token = query.get("token", "")
        if owner_of(request, token) is not None:
            asked = choose_language(query.get("lang"), None, "")
            there = RedirectResponse(f"/?lang={asked}" if "lang" in query else "/", HTTPStatus.SEE_OTHER)
            return _with_cookie(there, COOKIE, session_of(token))
        cookie, accept = request.cookies.get("lang"), request.headers.get("accept-language", "")
        language = choose_language(query.get("lang"), cookie, accept)
        if subject_of(request) is None:
            return HTMLResponse(render_locked(language), HTTPStatus.UNAUTHORIZED)
        shown = HTMLResponse(render_page(parts.park, language, parts.simulated))
        return _with_cookie(shown, "lang", language) if "lang" in query else shown

    @app.get("/assets/{name}", dependencies=[needs(Scope.READ)])
    async def asset(name: str) -> Response:
        """Return a file of the page; names are looked up, never joined to a path."""
        if name not in assets:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such file")
        return Response(assets[name].content, media_type=assets[name].media_type)

    @app.get("/stream", dependencies=[needs(Scope.READ)])
    async def stream(request: Request) -> Response:
        """Stream states and alarms as server-sent events."""
        last_id = request.headers.get("last-event-id")
        frames = events(parts.park, parts.feed, parts.clock, last_id)
        return StreamingResponse(frames, media_type="text/event-stream")


def _with_cookie(response: Response, name: str, value: str) -> Response:
    response.set_cookie(name, value, httponly=True, samesite="strict", path="/")
    return response


def _snapshot(feed: Feed) -> Any:
    if feed.snapshot is None:
        raise DeviceFailure(feed.lost or "control has sent nothing yet")
    return feed.snapshot


def _json(value: Any) -> Response:
    """Return a value as JSON; numbers that are not finite become null."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def _record(record: journal.Record) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "at": record.at,
        "true_s": record.true_s,
        "rate": record.rate,
        "value": record.value,
    }
