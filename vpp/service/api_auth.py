"""Who may do what: every route declares one scope; what declares none is not served."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus

from fastapi import Depends, Request
from fastapi.params import Depends as DependsParam

from vpp.service.api_problem import Problem
from vpp.service.token import is_same, session_of

COOKIE = "yuanwang_session"
CONSOLE_HEADER = "x-yuanwang-console"
"""Set by the page's own script; a foreign page cannot send it without a CORS permission."""


class Scope(StrEnum):
    """Rights of a caller; today one token holds them all."""

    PUBLIC = "public"
    """No secret needed: liveness only."""
    READ = "park:read"
    LIMIT_WRITE = "limit:write"
    SHED_EXECUTE = "shed:execute"
    PIN_WRITE = "pin:write"
    PLAN_APPROVE = "plan:approve"
    DEVICE_WRITE = "device:write"
    """Who moves a device, and which devices there are."""


class Guarded:
    """The dependency of a route that needs `scope`; tests read the scope from it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: Request) -> None:
        """Let the request pass or raise a 401 in words."""
        if self.scope is Scope.PUBLIC or has_bearer(request) or has_session(request):
            return
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "send `Authorization: Bearer TOKEN`; the token is in the state folder"
        )


def needs(scope: Scope) -> DependsParam:
    """Return the dependency that declares and checks the scope of a route."""
    guarded: Callable[[Request], None] = Guarded(scope)
    dependency: DependsParam = Depends(guarded)
    return dependency


def has_bearer(request: Request) -> bool:
    """Return whether the request carries the token."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and is_same(given.strip(), request.app.state.token)


def has_session(request: Request) -> bool:
    """Return whether the request comes from the console page.

    The cookie is enough to read. To act, the request must also carry the page's header and come
    from the page's own origin, which no other site's form or script can do.
    """
    if not is_same(request.cookies.get(COOKIE, ""), session_of(request.app.state.token)):
        return False
    if request.method in ("GET", "HEAD"):
        return True
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin") == own and request.headers.get(CONSOLE_HEADER) == "1"
