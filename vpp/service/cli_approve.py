"""`vpp approve` and `vpp pin`: what planners and dispatchers put into force for a run."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption, parsed
from vpp.service.terminal import say, to_json
from vpp.service.times import parse_date

if TYPE_CHECKING:
    from vpp.types import Pin

ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides; default: this system's user.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("approve")(approve)
    pin = typer.Typer(help="What rolling plans hold fixed.", no_args_is_help=True, rich_markup_mode=None)
    pin.command("add")(add)
    pin.command("list")(show)
    pin.command("remove")(remove)
    app.add_typer(pin, name="pin")


def approve(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Its plan.json in a run's plans/DAY, or the day.")
    ],
    state: StateOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a day-ahead plan: a run follows it when its day begins.

    Needed where the park's [approval] mode is manual. A plan that is made again needs a new approval.
    """
    from vpp.reports.approval import approve as put_in_force
    from vpp.service.approvals import plant_time, record, run_around
    from vpp.service.runs import find_recorded, writing

    if plan.endswith(".json"):
        folder = Path(plan).absolute().parent
        run = run_around(folder)
    else:
        run = find_recorded(state)
        folder = run.day_plan(parsed(parse_date, plan))
    with writing(folder):
        approved = put_in_force(folder, by=by or getpass.getuser(), at=plant_time(run))
    text = f"{approved.plan_id} approved by {approved.by} at {approved.at.isoformat(timespec='seconds')}"
    written = run is not None and record(run, "day_ahead", text)
    if as_json:
        say(to_json({"approved": approved, "in_journal": written}))
        return
    say(text)
    if not written:
        say("not in the journal: no run hears it now; it stands beside the plan")


def add(
    pins: Annotated[list[str], typer.Argument(metavar="PIN...", help="E.g. BESS1@10:00-12:00=-20.")],
    state: StateOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Day of the times; default: today.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold elements fixed: the planner plans anew at once."""
    from vpp.service.approvals import add_pins
    from vpp.service.runs import find_recorded

    run = find_recorded(state)
    _told(add_pins(run, pins, None if day is None else parsed(parse_date, day)), as_json=as_json)


def show(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the pins of a run."""
    from vpp.park.pin_store import stored_pins
    from vpp.service.runs import find_recorded

    _told(stored_pins(find_recorded(state).pins), as_json=as_json)


def remove(
    pins: Annotated[list[str], typer.Argument(metavar="PIN...", help="Ids as `vpp pin list` shows them.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go what was held: the planner plans anew at once."""
    from vpp.service.approvals import remove_pins
    from vpp.service.runs import find_recorded

    _told(remove_pins(find_recorded(state), pins), as_json=as_json)


def _told(pins: "tuple[Pin, ...]", *, as_json: bool) -> None:
    say(to_json(pins) if as_json else "\n".join(pin.id for pin in pins) or "nothing is held")
