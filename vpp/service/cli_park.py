"""`vpp park ...`: make or copy a park, and look at a folder before anything runs on it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vpp.service import cli_import
from vpp.service.cli_options import JsonOption, ParkArgument
from vpp.service.terminal import complain, is_live, say, to_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    park = typer.Typer(help="Make, copy or check a park folder.", no_args_is_help=True, rich_markup_mode=None)
    park.command("check")(check)
    park.command("copy")(copy)
    cli_import.register(park)
    app.add_typer(park, name="park")


def check(park: ParkArgument, as_json: JsonOption = False) -> None:
    """Validate a park folder; every fault at once, exit 3 where there is one.

    A good park is then tried with every outage of its classes; those that no dispatch cures are
    listed with their least overload, which is no fault.
    """
    from vpp.park import load_park
    from vpp.service.outage_words import outages_told

    loaded = load_park(park)
    if not as_json and is_live(sys.stderr):
        complain(f"{loaded.name}: the tables are good; trying its outages ...")
    outages = outages_told(loaded)
    summary = {
        "park": loaded.name,
        "folder": loaded.folder,
        "buses": len(loaded.grid.buses),
        "lines": len(loaded.grid.lines),
        "trafos": len(loaded.grid.trafos),
        "resources": list(loaded.resources),
        "loads": list(loaded.loads),
        "meters": list(loaded.meters),
        "warnings": loaded.warnings,
    }
    if as_json:
        say(to_json({**summary, "outages": outages.rows, "faults": [], "exit_code": 0}))
        return
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    counts = ", ".join(f"{summary[key]} {key}" for key in ("buses", "lines", "trafos"))
    tables = {"resources": loaded.resources, "loads": loaded.loads, "meters": loaded.meters}
    for line in outages.lines:
        say(line)
    say(f"{loaded.name}: good; {counts}, {', '.join(f'{len(rows)} {name}' for name, rows in tables.items())}")


def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a shipped park.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
) -> None:
    """Copy a shipped park into a folder of your own, to be changed there."""
    from vpp.park import copy_park

    say(f"{copy_park(name, folder)}: a copy of {name}; its settings are in {folder / 'park.toml'}")
