"""`vpp park import` and `vpp park export`: somebody else's grid in, the park's grid out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, ParkArgument
from vpp.service.terminal import say, to_json

if TYPE_CHECKING:
    from network.import_park import Imported

PandapowerOption = Annotated[
    Path | None, typer.Option("--pandapower", metavar="FILE", help="JSON file of a pandapower net.")
]
SimbenchOption = Annotated[
    str | None,
    typer.Option(
        "--simbench", metavar="CODE", help="SimBench grid with its year of profiles (extra simbench)."
    ),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="PARK", help="New or empty folder.")]
PlaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--place", metavar="KIND@BUS=MW[/MWH]", help="wind, pv, bess, caes or electrolyzer; repeatable."
    ),
]


def register(park: typer.Typer) -> None:
    """Add the commands of this file to `vpp park`."""
    park.command("import")(bring)
    park.command("export")(export)


def bring(
    out: OutOption,
    pandapower: PandapowerOption = None,
    simbench: SimbenchOption = None,
    place: PlaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a park folder of a grid that was drawn elsewhere.

    Says in words what could not be carried over, and by how much the park's own power flow differs.
    """
    if (pandapower is None) == (simbench is None):
        raise typer.BadParameter("give either --pandapower FILE or --simbench CODE")
    from network.import_park import import_pandapower, import_simbench

    places = tuple(place or ())
    if pandapower is not None:
        made = import_pandapower(pandapower, out, places)
    else:
        made = import_simbench(str(simbench), out, places)
    say(to_json(made) if as_json else "\n".join(lines(made)))


def lines(made: "Imported") -> list[str]:
    """Return what a person wants to know of an import."""
    placed = f", placed {', '.join(made.placed)}" if made.placed else ""
    return [
        f"{made.folder}: {made.buses} buses, {made.resources} resources, {made.loads} loads{placed}",
        *(f"  note: {note}" for note in made.notes),
        f"  voltages of source and park differ by at most {made.deviation_pu:.1e} pu",
    ]


def export(
    park: ParkArgument,
    file: Annotated[Path, typer.Option("--pandapower", metavar="FILE", help="JSON file to write.")],
) -> None:
    """Write the park's grid as a pandapower net, at the state it was delivered in."""
    from network.export_park import export_pandapower
    from vpp.park import load_park

    loaded = load_park(park)
    export_pandapower(loaded, file)
    state = "the state it was delivered in" if loaded.operating_point else "every resource and load at 0 MW"
    say(f"{file}: {loaded.name}, {state}")
