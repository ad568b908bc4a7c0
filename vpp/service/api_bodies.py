"""What may be posted: strict JSON into strict models, refused by field and rule."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vpp.park.tables import NAME_PATTERN
from vpp.service.api_problem import Problem

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
"""Chosen by the caller; a second post with the same id gets the first one's answer."""
Megawatts = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Id


class OrderBody(_Body):
    """A dispatch order on the tie: limits in MW for a window of plant time."""

    import_max_mw: Megawatts | None = None
    export_max_mw: Megawatts | None = None
    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.import_max_mw is None and self.export_max_mw is None:
            raise ValueError("give import_max_mw, export_max_mw or both")
        if self.end <= self.start:
            raise ValueError("end must lie after start")
        return self

    def window(self) -> tuple[datetime, datetime]:
        """Return start and end, UTC."""
        return self.start.astimezone(UTC), self.end.astimezone(UTC)


class ShedBody(_Body):
    """Cut so many MW of interruptible load now; a drill opens nothing."""

    mw: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
    drill: bool = False


class ReloadBody(_Body):
    """Read the park folder again."""


class ModeBody(_Body):
    """Who moves a device."""

    device: Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
    mode: Literal["manual", "advisory", "auto"]
    until: AwareDatetime | None = None
    """Plant time at which it is back in auto."""


class RestoreBody(_Body):
    """Permission to close what a shed opened; no loads named: all."""

    loads: Annotated[
        list[Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]], Field(max_length=500)
    ] = []


PinText = Annotated[str, Field(pattern=r"^[A-Za-z0-9_*@:=.+-]{3,128}$")]


class PinsBody(_Body):
    """Pins as the command line writes them; times without a date are of the plant's today."""

    pins: Annotated[list[PinText], Field(min_length=1, max_length=100)]


class SelectBody(_Body):
    """Which day's plan is about to be approved."""

    day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


Key = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class OperateBody(_Body):
    """Do what was selected under this key."""

    select: Key


class ApproveBody(SelectBody):
    """Approve what was selected, and who does."""

    select: Key
    by: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,64}$")]


B = TypeVar("B", bound=_Body)


def parse(model: type[B], data: bytes) -> B:
    """Return the body as `model`; raise a 422 in words that names fields and never repeats values.

    Beyond the model, NaN and infinities, doubled keys and nesting beyond reason are refused.
    """
    try:
        json.loads(data, object_pairs_hook=_once, parse_constant=_refuse_constant)
        return model.model_validate_json(data)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors(include_input=False)
        ]
        raise _unfit(faults) from None
    except RecursionError:
        raise _unfit(["body: nested too deep"]) from None
    except ValueError:
        raise _unfit(["body: not JSON, or a key stands twice, or a number is not finite"]) from None


def _unfit(faults: Sequence[str]) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the body does not fit", faults)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
