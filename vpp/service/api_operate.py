"""Operators' orders and sheds in two calls, as a switch is operated: select shows, operate does exactly that.

Select answers with what would change and a key that holds for a minute. Operate refuses when anything that
counts has changed since, and, beyond the park's soft limit, unless another person's token gives it.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from vpp.clock import Clock
from vpp.errors import DeviceFailure
from vpp.park.model import Park
from vpp.service.api_auth import Scope, needs, subject_of
from vpp.service.api_bodies import OperateBody, OrderBody, ShedBody, parse
from vpp.service.api_commands import ANSWER_S, Ledger, answer, dispatch_order, expires_at
from vpp.service.api_feed import Feed
from vpp.service.api_problem import Problem
from vpp.service.echo import Echo, Order, echo, standing
from vpp.service.selections import HOLDS_S, Selections
from vpp.types import DispatchOrder, ShedOrder, Snapshot

CHANGED = "control, orders or breakers changed since it was selected: select again"


def operate_routes(park: Park, feed: Feed, clock: Clock) -> APIRouter:
    """Return the routes on which people order and shed."""
    router, ledger = APIRouter(prefix="/api"), Ledger()
    selections: Selections[tuple[Order, Echo]] = Selections(clock)

    def select(request: Request, order: Order) -> Response:
        shown = echo(park, _snapshot(feed), order)
        key = selections.select((order, shown), by=str(subject_of(request)), second=shown.second)
        if key is None:
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many selections are open; wait a minute")
        return _json({"id": order.id, "select": key, "holds_s": HOLDS_S, **_shown(shown)})

    async def operate(request: Request, kind: type[Order]) -> Response:
        data = await request.body()
        body = parse(OperateBody, data)

        async def act() -> Response:
            one = selections.operate(body.select, by=str(subject_of(request)))
            if isinstance(one, str) or not isinstance(one.what[0], kind):
                raise Problem(HTTPStatus.CONFLICT, one if isinstance(one, str) else "not what was selected")
            order, shown = one.what
            if standing(_snapshot(feed)) != shown.standing:
                raise Problem(HTTPStatus.CONFLICT, CHANGED)
            order = replace(order, id=body.id, expires_at=expires_at(clock))
            if isinstance(order, ShedOrder):
                order = replace(order, blocks=shown.blocks)
            return answer(await feed.request(order, ANSWER_S))

        return await ledger.once(body.id, data, act)

    @router.get("/selections", dependencies=[needs(Scope.READ)])
    def selected(request: Request) -> Response:
        """Return what waits to be operated; `mine` where the caller selected it himself."""
        me = subject_of(request)
        return _json(
            [
                {
                    "select": key,
                    "by": one.by,
                    "mine": one.by == me,
                    "kind": _kind(one.what[0]),
                    **_shown(one.what[1]),
                }
                for key, one in selections.standing().items()
            ]
        )

    @router.post("/orders/select", dependencies=[needs(Scope.LIMIT_WRITE)])
    async def select_order(request: Request) -> Response:
        """Show what an order on the tie would change, and give the key for it."""
        return select(request, dispatch_order(parse(OrderBody, await request.body()), expires_at(clock)))

    @router.post("/orders/operate", dependencies=[needs(Scope.LIMIT_WRITE)])
    async def operate_order(request: Request) -> Response:
        """Give the selected order."""
        return await operate(request, DispatchOrder)

    @router.post("/shed/select", dependencies=[needs(Scope.SHED_EXECUTE)])
    async def select_shed(request: Request) -> Response:
        """Show what a shed would open, and give the key for it."""
        body = parse(ShedBody, await request.body())
        return select(request, ShedOrder(id=body.id, mw=body.mw, drill=False, expires_at=expires_at(clock)))

    @router.post("/shed/operate", dependencies=[needs(Scope.SHED_EXECUTE)])
    async def operate_shed(request: Request) -> Response:
        """Cut exactly what was selected; answers with the metered proof."""
        return await operate(request, ShedOrder)

    return router


def _kind(order: Order) -> str:
    return "shed" if isinstance(order, ShedOrder) else "orders"


def _shown(shown: Echo) -> dict[str, Any]:
    return {
        "lines": shown.lines,
        "before_mw": shown.before_mw,
        "after_mw": shown.after_mw,
        "blocks": shown.blocks,
        "second": shown.second,
    }


def _snapshot(feed: Feed) -> Snapshot:
    if feed.snapshot is None or feed.lost is not None:
        raise DeviceFailure(feed.lost or "control has sent nothing yet")
    return feed.snapshot


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
