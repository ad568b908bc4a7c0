"""Errors of the API in words: RFC 9457 problem documents that never echo what was sent."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from vpp.errors import DeviceFailure, TimedOut


class Problem(Exception):
    """A request that cannot be served, with its HTTP status and the reason in words."""

    def __init__(self, status: HTTPStatus, detail: str, faults: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, tuple(faults)


def response(status: HTTPStatus, detail: str, faults: Sequence[str] = ()) -> Response:
    """Return a problem document."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if faults:
        body["faults"] = list(faults)
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)


def of_problem(_: Request, error: Exception) -> Response:
    """Answer a `Problem`."""
    assert isinstance(error, Problem)
    return response(error.status, error.detail, error.faults)


def of_absence(_: Request, error: Exception) -> Response:
    """Answer that control is not there (503), or did not answer in time (504: outcome unknown)."""
    if isinstance(error, TimedOut):
        detail = f"{error}; it may have been carried out: look at the journal before you repeat it"
        return response(HTTPStatus.GATEWAY_TIMEOUT, detail)
    assert isinstance(error, DeviceFailure)
    return response(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def of_validation(_: Request, error: Exception) -> Response:
    """Answer wrong query parameters by place and rule, without their values."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return response(HTTPStatus.UNPROCESSABLE_ENTITY, "the request does not fit", faults)


def of_http(_: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    return response(HTTPStatus(error.status_code), HTTPStatus(error.status_code).description or "refused")
