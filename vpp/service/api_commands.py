"""POST: dispatch orders, sheds and restorations, each carried out once per id.

A program orders and sheds here in one step, within a second of its grid signal; a person selects first
(`api_operate`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from vpp.clock import Clock
from vpp.errors import DeviceFailure
from vpp.link import Message
from vpp.service.api_auth import Scope, is_program, needs
from vpp.service.api_bodies import ModeBody, OrderBody, ReloadBody, RestoreBody, ShedBody, parse
from vpp.service.api_feed import Feed
from vpp.service.api_problem import Problem
from vpp.types import (
    DispatchOrder,
    Mode,
    ModeOrder,
    ReloadOrder,
    Reply,
    RestoreOrder,
    ShedOrder,
    ShedReport,
)

ANSWER_S = 10.0
"""True seconds that control may take for an answer; a shed proves itself within a few."""
EXPIRY_S = 15.0
"""True seconds after which control must not take a command any more."""
ANSWERS = 1000
"""Answers kept for repeats."""


@dataclass(frozen=True, slots=True)
class _Known:
    body: bytes
    answer: asyncio.Task[Response]


class Ledger:
    """Answers by command id: a repeat gets the first answer, another body under it a 409."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def once(self, id_: str, body: bytes, act: Callable[[], Awaitable[Response]]) -> Response:
        """Return the answer of `act`, run once per id; a command that control never got is forgotten."""
        known = self._known.get(id_)
        if known is None:
            known = self._known[id_] = _Known(body, asyncio.ensure_future(act()))
            while len(self._known) > ANSWERS:
                self._known.popitem(last=False)
        elif known.body != body:
            raise Problem(HTTPStatus.CONFLICT, "this id was used for another command; choose a new one")
        try:
            return await asyncio.shield(known.answer)
        except DeviceFailure:
            if self._known.get(id_) is known:
                del self._known[id_]
            raise


def command_routes(feed: Feed, clock: Clock) -> APIRouter:
    """Return the routes that act; every one goes to control and nowhere else."""
    router, ledger = APIRouter(prefix="/api"), Ledger()

    def expiry() -> datetime:
        return expires_at(clock)

    async def send(message: Message) -> Response:
        return answer(await feed.request(message, ANSWER_S))

    @router.post("/orders", dependencies=[needs(Scope.LIMIT_WRITE)])
    async def order(request: Request) -> Response:
        """Limit the tie for a window of plant time."""
        _one_step(request)
        data = await request.body()
        body = parse(OrderBody, data)
        message = dispatch_order(body, expiry())
        return await ledger.once(body.id, data, lambda: send(message))

    @router.post("/shed", dependencies=[needs(Scope.SHED_EXECUTE)])
    async def shed(request: Request) -> Response:
        """Cut interruptible load now; answers with the metered proof."""
        data = await request.body()
        body = parse(ShedBody, data)
        if not body.drill:
            _one_step(request)
        message = ShedOrder(id=body.id, mw=body.mw, drill=body.drill, expires_at=expiry())
        return await ledger.once(body.id, data, lambda: send(message))

    @router.post("/restore", dependencies=[needs(Scope.SHED_EXECUTE)])
    async def restore(request: Request) -> Response:
        """Permit the closing of breakers that a shed opened."""
        data = await request.body()
        body = parse(RestoreBody, data)
        message = RestoreOrder(id=body.id, loads=tuple(body.loads), expires_at=expiry())
        return await ledger.once(body.id, data, lambda: send(message))

    @router.post("/reload", dependencies=[needs(Scope.DEVICE_WRITE)])
    async def reload(request: Request) -> Response:
        """Let control read its park folder again: devices added, removed or moved."""
        data = await request.body()
        body = parse(ReloadBody, data)
        message = ReloadOrder(id=body.id, expires_at=expiry())
        return await ledger.once(body.id, data, lambda: send(message))

    @router.post("/mode", dependencies=[needs(Scope.DEVICE_WRITE)])
    async def mode(request: Request) -> Response:
        """Put a device to manual or advisory, until `until` or for a shift, or to auto."""
        data = await request.body()
        body = parse(ModeBody, data)
        until = None if body.until is None else body.until.astimezone(UTC)
        message = ModeOrder(
            id=body.id, device=body.device, mode=Mode(body.mode), expires_at=expiry(), until=until
        )
        return await ledger.once(body.id, data, lambda: send(message))

    return router


def expires_at(clock: Clock) -> datetime:
    """Return the plant time after which control takes a command of now no more."""
    return clock.plant_now() + timedelta(seconds=EXPIRY_S * clock.rate())


def dispatch_order(body: OrderBody, expires: datetime) -> DispatchOrder:
    """Return the order that a body asks for."""
    start, end = body.window()
    return DispatchOrder(
        id=body.id,
        import_max_mw=body.import_max_mw,
        export_max_mw=body.export_max_mw,
        start=start,
        end=end,
        expires_at=expires,
    )


def _one_step(request: Request) -> None:
    """Let a program pass; a person has to select first."""
    if not is_program(request):
        path = request.url.path
        raise Problem(HTTPStatus.CONFLICT, f"a person selects first: {path}/select, then {path}/operate")


def answer(message: Message) -> Response:
    """Return control's answer: 200 for a taken command, 409 with the reason for a refused one."""
    match message:
        case Reply(accepted=accepted):
            status = HTTPStatus.OK if accepted else HTTPStatus.CONFLICT
        case ShedReport():
            status = HTTPStatus.OK
        case _:
            raise DeviceFailure(f"control answered with a {type(message).__name__}")
    return Response(msgspec.json.encode(message), status_code=status, media_type="application/json")
