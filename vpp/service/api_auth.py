"""Who may do what: every route declares one scope; what declares none is not served."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus

from fastapi import Depends, Request
from fastapi.params import Depends as DependsParam

from vpp.service.api_problem import Problem
from vpp.service.people import RUN, people, person_of
from vpp.service.token import is_same, session_of

COOKIE = "yuanwang_session"
CONSOLE_HEADER = "x-yuanwang-console"
"""Set by the page's own script; a foreign page cannot send it without a CORS permission."""


class Scope(StrEnum):
    """Rights of a caller; today every token holds them all."""

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
        if self.scope is Scope.PUBLIC or subject_of(request) is not None:
            return
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "send `Authorization: Bearer TOKEN`; the token is in the state folder"
        )


def needs(scope: Scope) -> DependsParam:
    """Return the dependency that declares and checks the scope of a route."""
    guarded: Callable[[Request], None] = Guarded(scope)
    dependency: DependsParam = Depends(guarded)
    return dependency


def subject_of(request: Request) -> str | None:
    """Return whose secret the request carries: `run`, or the name of a person; None: nobody's.

    As a bearer, or as the cookie of the console page. The cookie is enough to read. To act, the request
    must also carry the page's header and come from the page's own origin, which no other site's form or
    script can do.
    """
    given = _bearer(request)
    if given is not None:
        return owner_of(request, given)
    subject = _owner(request, request.cookies.get(COOKIE, ""))
    return subject if subject is not None and _may_come_from_the_page(request) else None


def is_program(request: Request) -> bool:
    """Return whether the run's own token came as a bearer: a program, which acts in one step."""
    given = _bearer(request)
    return given is not None and owner_of(request, given) == RUN


def owner_of(request: Request, token: str) -> str | None:
    """Return whose token this is; None where it is nobody's."""
    return _owner(request, session_of(token))


def _bearer(request: Request) -> str | None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else None


def _owner(request: Request, session: str) -> str | None:
    if is_same(session, session_of(request.app.state.token)):
        return RUN
    return person_of(people(request.app.state.folder), session)


def _may_come_from_the_page(request: Request) -> bool:
    if request.method in ("GET", "HEAD"):
        return True
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin") == own and request.headers.get(CONSOLE_HEADER) == "1"
