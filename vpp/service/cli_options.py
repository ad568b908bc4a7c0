"""Arguments and options that several commands share, and texts that must parse (exit 2 if not)."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

T = TypeVar("T")

ParkArgument = Annotated[str, typer.Argument(metavar="PARK", help="Park folder or name of a shipped park.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="State folder; default below .yuanwang."),
]
SpeedOption = Annotated[
    float,
    typer.Option("--speed", min=0.1, max=1000.0, help="Plant seconds per true second."),
]
StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="ISO", help="Plant time of the start; default: now."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulated plant.")]
PortOption = Annotated[
    int | None,
    typer.Option("--port-base", min=1024, max=65000, help="Endpoint k is 127.0.0.1:base+k."),
]
OwnOption = Annotated[
    list[str] | None,
    typer.Option("--own-process", metavar="ID", help="Serve this endpoint from a process of its own."),
]


def parsed(parse: Callable[[str], T], text: str) -> T:
    """Return the parsed text of an option; one that does not parse is a usage error, exit 2."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
