"""`vpp report`: a day of a run on paper, from its journal alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption, parsed
from vpp.service.terminal import say
from vpp.service.times import parse_date

if TYPE_CHECKING:
    from vpp.park import Park
    from vpp.state_dir import StateDir


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("report")(report)


def report(
    park: Annotated[
        str | None, typer.Argument(metavar="[PARK]", help="Name of a park run here; default: the only one.")
    ] = None,
    state: StateOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Plant day; default: the last one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Default: STATE/report/DATE.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Report a day of a run: plan against meter, cost, limits, forecasts.

    Reads the journal alone and writes text, JSON and HTML with plots; exit 3 where the day was not run.
    """
    if park is not None and state is not None:
        raise typer.BadParameter("give PARK or --state, not both")
    asked = None if day is None else parsed(parse_date, day)
    from vpp.reports import write_day_report
    from vpp.reports.day_report import last_day
    from vpp.service.runs import ROOT, find_recorded, writing

    folder = find_recorded(ROOT / park if park is not None else state)
    loaded = _park(folder)
    chosen = asked or last_day(loaded, folder.journal)
    target = out or folder.root / "report" / chosen.isoformat()
    with writing(target):
        paths = write_day_report(loaded, folder.journal, chosen, target)
    if as_json:
        say(paths.json.read_text(encoding="utf-8"))
        return
    say("\n".join([paths.text.read_text(encoding="utf-8").rstrip(), "", *map(str, paths)]))


def _park(folder: "StateDir") -> "Park":
    from vpp.errors import Fault, InvalidInput
    from vpp.park import load_park

    try:
        return load_park(folder.read_settings().park)
    except (FileNotFoundError, ValueError) as missing:
        fault = Fault(file=str(folder.settings), wrong=str(missing), expected="the settings of a run")
        raise InvalidInput((fault,)) from missing
