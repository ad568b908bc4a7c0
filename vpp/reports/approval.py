"""Who put a day-ahead plan into force, and when: a file beside the plan that names its exact content."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec

from vpp.errors import Fault, InvalidInput
from vpp.park.model import Park
from vpp.reports.plan_file import plan_from_json
from vpp.types import Plan

PLAN, APPROVAL = "plan.json", "approval.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """One approval."""

    plan_id: str
    sha256: str
    """Of plan.json: a plan that is made again needs a new approval."""
    by: str
    at: datetime
    """Plant time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """A day-ahead plan in its folder."""

    day: date
    plan: Plan
    sha256: str
    approved: Approved | None
    """None: not approved, or approved as another content."""


def day_plan(folder: Path) -> DayPlan | None:
    """Return the plan in `folder` (named by its day) with its approval; None where there is none.

    InvalidInput where a file cannot be read.
    """
    try:
        data = (folder / PLAN).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _fault(folder / PLAN, error.strerror or "unreadable") from error
    sha256 = hashlib.sha256(data).hexdigest()
    approved = _approval(folder)
    return DayPlan(
        day=date.fromisoformat(folder.name),
        plan=plan_from_json(data, file=str(folder / PLAN)),
        sha256=sha256,
        approved=approved if approved is not None and approved.sha256 == sha256 else None,
    )


def day_plans(plans: Path) -> tuple[DayPlan, ...]:
    """Return the day-ahead plans below a folder of plans, oldest day first."""
    folders = sorted(path for path in plans.glob("????-??-??") if path.is_dir())
    return tuple(found for folder in folders if (found := day_plan(folder)) is not None)


def in_force(park: Park, folder: Path) -> DayPlan | None:
    """Return the day's plan if a run may follow it: of this park, certified, approved where that is asked.

    InvalidInput where a file cannot be read.
    """
    found = day_plan(folder)
    if found is None or found.plan.park != park.name:
        return None
    certificate = found.plan.certificate
    elements = {*park.resources, *park.loads}
    sound = certificate is not None and certificate.ok and elements <= found.plan.series.keys()
    fits = found.plan.step_min == park.horizon.step_min
    asked = park.approval.mode == "automatic" or found.approved is not None
    return found if sound and fits and asked else None


def approve(folder: Path, *, by: str, at: datetime, sha256: str | None = None) -> Approved:
    """Write the approval of the plan in `folder`; a repeat keeps the first one.

    `sha256` is the content that was looked at. InvalidInput where there is no plan, where it changed
    since, or where its certificate is missing or bad.
    """
    found = day_plan(folder)
    if found is None:
        raise _fault(folder, "no plan.json")
    if sha256 is not None and sha256 != found.sha256:
        raise _fault(folder / PLAN, "the plan changed since it was selected")
    if found.plan.certificate is None or not found.plan.certificate.ok:
        raise _fault(folder / PLAN, "the plan has no good certificate")
    if found.approved is not None:
        return found.approved
    approved = Approved(plan_id=found.plan.id, sha256=found.sha256, by=by, at=at)
    beside = folder / (APPROVAL + ".part")
    beside.write_bytes(msgspec.json.encode(approved))
    beside.replace(folder / APPROVAL)
    return approved


def _approval(folder: Path) -> Approved | None:
    try:
        return msgspec.json.decode((folder / APPROVAL).read_bytes(), type=Approved)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _fault(folder / APPROVAL, str(error)) from error


def _fault(path: Path, wrong: str) -> InvalidInput:
    return InvalidInput((Fault(file=str(path), wrong=wrong, expected="a certified day-ahead plan"),))
