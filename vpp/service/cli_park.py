"""`vpp park ...`: make or copy a park, and look at a folder before anything runs on it."""

from pathlib import Path
from typing import Annotated

import typer

from vpp.service import cli_import
from vpp.service.cli_options import JsonOption, ParkArgument
from vpp.service.terminal import say, to_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    park = typer.Typer(help="Make, copy or check a park folder.", no_args_is_help=True, rich_markup_mode=None)
    park.command("check")(check)
    park.command("copy")(copy)
    cli_import.register(park)
    app.add_typer(park, name="park")


def check(park: ParkArgument, as_json: JsonOption = False) -> None:
    """Validate a park folder; every fault at once, exit 3 where there is one."""
    from vpp.park import load_park

    loaded = load_park(park)
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
        say(to_json({**summary, "faults": [], "exit_code": 0}))
        return
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    counts = ", ".join(f"{summary[key]} {key}" for key in ("buses", "lines", "trafos"))
    tables = {"resources": loaded.resources, "loads": loaded.loads, "meters": loaded.meters}
    say(f"{loaded.name}: good; {counts}, {', '.join(f'{len(rows)} {name}' for name, rows in tables.items())}")


def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a shipped park.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
) -> None:
    """Copy a shipped park into a folder of your own, to be changed there."""
    from vpp.park import copy_park

    say(f"{copy_park(name, folder)}: a copy of {name}; its settings are in {folder / 'park.toml'}")
