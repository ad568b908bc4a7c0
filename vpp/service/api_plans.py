"""Day-ahead plans, pins and explanations: what planners put into force, and why a plan is as it is.

A plan is approved in two calls, as a switch is operated: select shows what would come into force and
gives a key that holds for a minute; approve with that key acts, unless the plan changed meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vpp.clock import Clock
from vpp.errors import InvalidInput
from vpp.park.model import Park
from vpp.park.pin_store import stored_pins
from vpp.reports import explain
from vpp.reports.approval import DayPlan, approve, day_plan, day_plans, in_force
from vpp.reports.plan_explain import reasons, text
from vpp.service.api_auth import Scope, needs, subject_of
from vpp.service.api_bodies import ApproveBody, PinsBody, SelectBody, parse
from vpp.service.api_commands import Ledger
from vpp.service.api_feed import Feed
from vpp.service.api_problem import Problem
from vpp.service.approvals import add_pins, record, remove_pins
from vpp.service.selections import HOLDS_S, Selections
from vpp.state_dir import StateDir


def plan_routes(state: StateDir, park: Park, feed: Feed, clock: Clock) -> APIRouter:
    """Return the routes for plans, pins and explanations."""
    router, ledger = APIRouter(prefix="/api"), Ledger()
    _add_reasons(router, park, feed, clock)
    _add_pins(router, state, ledger)
    _add_approval(router, state, park, clock, ledger)
    return router


def _add_reasons(router: APIRouter, park: Park, feed: Feed, clock: Clock) -> None:
    explained: dict[str, Any] = {}

    @router.get("/plan/explain", dependencies=[needs(Scope.READ)])
    def why(lang: Annotated[str, Query(pattern="^(en|zh)$")] = "en") -> Response:
        """Return the reasons of the plan in force, in words."""
        if feed.plan is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no plan is in force")
        lines = text(explain(park, feed.plan), "zh" if lang == "zh" else "en")
        return _json({"plan": feed.plan.id, "text": lines})

    @router.get("/plan/why", dependencies=[needs(Scope.READ)])
    def why_now(lang: Annotated[str, Query(pattern="^(en|zh)$")] = "en") -> Response:
        """Return what binds in the step of the plan that is followed now, and by device why it runs."""
        plan = feed.plan
        step = (clock.plant_now() - plan.start) // timedelta(minutes=plan.step_min) if plan else -1
        if plan is None or not 0 <= step < plan.steps:
            raise Problem(HTTPStatus.NOT_FOUND, "no plan is in force")
        if explained.get("plan") != plan.id:
            explained.update(plan=plan.id, reasons=explain(park, plan))
        binding, devices = reasons(explained["reasons"], step, "zh" if lang == "zh" else "en")
        return _json({"plan": plan.id, "step": step, "binding": binding, "devices": devices})


def _add_approval(router: APIRouter, state: StateDir, park: Park, clock: Clock, ledger: Ledger) -> None:
    selections: Selections[tuple[str, str]] = Selections(clock)

    @router.get("/plans", dependencies=[needs(Scope.READ)])
    def plans() -> Response:
        """Return the day-ahead plans of this run, and which are in force."""
        return _json([_shown(park, state, found) for found in _judged(lambda: day_plans(state.plans))])

    @router.post("/plans/select", dependencies=[needs(Scope.PLAN_APPROVE)])
    async def select(request: Request) -> Response:
        """Show what an approval would put into force, and give the key for it."""
        body = parse(SelectBody, await request.body())
        found = await asyncio.to_thread(_day, state, body.day)
        key = selections.select((body.day, found.sha256), by=str(subject_of(request)))
        if key is None:
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many selections are open; wait a minute")
        return _json({"id": body.id, "select": key, "holds_s": HOLDS_S, **_shown(park, state, found)})

    @router.post("/plans/approve", dependencies=[needs(Scope.PLAN_APPROVE)])
    async def operate(request: Request) -> Response:
        """Approve the selected plan; 409 where the selection ended or the plan changed since."""
        data = await request.body()
        body = parse(ApproveBody, data)

        async def act() -> Response:
            was = selections.operate(body.select, by=str(subject_of(request)))
            if isinstance(was, str) or was.what[0] != body.day:
                raise Problem(HTTPStatus.CONFLICT, "the selection is not open: select the plan again")
            return await asyncio.to_thread(_approve, *was.what, body.by)

        return await ledger.once(body.id, data, act)

    def _approve(day: str, sha256: str, by: str) -> Response:
        folder = state.day_plan(date.fromisoformat(day))
        done = _judged(lambda: approve(folder, by=by, at=clock.plant_now(), sha256=sha256))
        written = record(state, "day_ahead", f"{done.plan_id} approved by {done.by}")
        return _json({"approved": done, "in_journal": written})


def _add_pins(router: APIRouter, state: StateDir, ledger: Ledger) -> None:
    @router.get("/pins", dependencies=[needs(Scope.READ)])
    def pins() -> Response:
        """Return what rolling plans hold fixed."""
        return _json(_judged(lambda: stored_pins(state.pins)))

    @router.post("/pins", dependencies=[needs(Scope.PIN_WRITE)])
    async def add(request: Request) -> Response:
        """Hold elements fixed; the planner plans anew at once; answers with all pins."""
        return await _change(request, lambda texts: add_pins(state, texts))

    @router.post("/pins/remove", dependencies=[needs(Scope.PIN_WRITE)])
    async def remove(request: Request) -> Response:
        """Let go what was held; answers with the pins left."""
        return await _change(request, lambda texts: remove_pins(state, texts))

    async def _change(request: Request, act: Callable[[list[str]], Any]) -> Response:
        data = await request.body()
        body = parse(PinsBody, data)

        async def once() -> Response:
            return _json(await asyncio.to_thread(_judged, lambda: act(body.pins)))

        answer: Callable[[], Awaitable[Response]] = once
        return await ledger.once(body.id, data, answer)


def _day(state: StateDir, text: str) -> DayPlan:
    try:
        folder = state.day_plan(date.fromisoformat(text))
    except ValueError:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the body does not fit", ["day: no such day"]
        ) from None
    found: DayPlan | None = _judged(lambda: day_plan(folder))
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no day-ahead plan of this day")
    return found


def _shown(park: Park, state: StateDir, found: DayPlan) -> dict[str, Any]:
    return {
        "day": found.day,
        "plan": found.plan.id,
        "label": found.plan.label,
        "cost_cny": found.plan.cost_cny,
        "relaxations": len(found.plan.relaxations),
        "approval": park.approval.mode,
        "approved": found.approved,
        "in_force": in_force(park, state.day_plan(found.day)) is not None,
    }


def _judged(act: Callable[[], Any]) -> Any:
    """Return what `act` does; what it finds wrong becomes a 422 that says what is expected."""
    try:
        return act()
    except InvalidInput as error:
        faults = [f"expected {fault.expected}" for fault in error.faults]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "this cannot be done", faults) from None


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
