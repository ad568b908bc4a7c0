"""What every request meets before the router: host name, size and time of its body, headers."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpp.service.api_problem import response

BODY_MAX_BYTES = 16 * 1024
"""Largest body taken; the longest order is below 1 kB."""
BODY_DEADLINE_S = 5.0
"""True seconds in which a body must have come."""
CONTENT_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class _TooLarge(Exception):
    """The body is larger than `BODY_MAX_BYTES`."""


class Guard:
    """ASGI layer around the application; refuses before any route is looked up."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; other protocols are closed, life-cycle messages pass."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, _with_headers(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _host(scope) not in self._hosts:
            detail = "this server answers to its loopback address only (protection from DNS rebinding)"
            await response(HTTPStatus.MISDIRECTED_REQUEST, detail)(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                body = await _read_body(scope, receive)
        except _TooLarge:
            detail = f"a body may have {BODY_MAX_BYTES} bytes"
            await response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)
        except TimeoutError:
            detail = f"the body did not come within {BODY_DEADLINE_S:g} s"
            await response(HTTPStatus.REQUEST_TIMEOUT, detail)(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _host(scope: Scope) -> str:
    """Return the name of the Host header without its port."""
    host = _header(scope, b"host")
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    if scope["method"] in ("GET", "HEAD"):
        return b""
    length = _header(scope, b"content-length")
    if length.isdigit() and int(length[:12]) > BODY_MAX_BYTES:
        raise _TooLarge
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_MAX_BYTES:
            raise _TooLarge
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands out the body once, then whatever the server says."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            extra = [(name, value) for name, value in _HEADERS if name not in own]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
