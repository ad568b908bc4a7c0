"""`vpp run`: processes that live until their time is up."""

from pathlib import Path
from typing import Annotated

import typer

from vpp.service.cli_options import (
    JsonOption,
    OwnOption,
    ParkArgument,
    PortOption,
    SeedOption,
    SpeedOption,
    StartOption,
    StateOption,
    parsed,
)
from vpp.service.exits import ExitCode
from vpp.service.terminal import say, to_json
from vpp.service.times import parse_span


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("run")(run)
    app.command("demo", hidden=True)(demo)


def run(
    park: ParkArgument,
    *,
    hil: Annotated[bool, typer.Option("--hil", help="Simulate every device of the park.")] = False,
    speed: SpeedOption = 1.0,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="SPAN", help="Plant time to run, e.g. 6h; default: until Ctrl-C."),
    ] = None,
    start: StartOption = None,
    state: StateOption = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", metavar="FILE", help="Scripted day; sets rates and start.")
    ] = None,
    seed: SeedOption = 1,
    port_base: PortOption = None,
    web_port: Annotated[int, typer.Option("--web-port", min=1, max=65535, help="Port of the page.")] = 8000,
    own_process: OwnOption = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait behind a control on another machine, and take over.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a park, real or simulated.

    Runs until Ctrl-C (exit 0), or for a span; exit 130 when ended before the span was over. A
    simulated run ends with its report.
    """
    from vpp.service.launch import Wishes, launch, outcome, reported, request_for

    wishes = Wishes(
        park=park,
        hil=hil,
        speed=speed,
        length=None if length is None else parsed(parse_span, length),
        start=start,
        state=state,
        scenario=scenario,
        seed=seed,
        port_base=port_base,
        web_port=web_port,
        own_process=tuple(own_process or ()),
        standby=standby,
    )
    live = launch(request_for(wishes), quiet=as_json)
    if as_json:
        say(to_json(outcome(live)))
    elif hil:
        say("\n".join(reported(live.request)))
    raise typer.Exit(ExitCode.INTERRUPTED if live.interrupted and length is not None else ExitCode.OK)


def demo(
    *,
    park: Annotated[
        str, typer.Option("--park", metavar="PARK", help="Park folder or name of a shipped park.")
    ] = "chifeng96",
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="FILE", help="Another scripted day than the shipped one."),
    ] = None,
) -> None:
    """Plan a day of a park and run six plant hours of it."""
    from vpp.service.demo import demo as show

    raise typer.Exit(show(park, scenario))
