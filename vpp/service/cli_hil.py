"""`vpp hil serve` and `vpp hil test`: the simulated plant, and what must hold on scripted days."""

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
)
from vpp.service.exits import ExitCode
from vpp.service.terminal import say, to_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    hil = typer.Typer(help="Simulated plant.", no_args_is_help=True, rich_markup_mode=None)
    hil.command("serve")(serve)
    hil.command("test")(judge)
    app.add_typer(hil, name="hil")


def serve(
    park: ParkArgument,
    *,
    speed: SpeedOption = 1.0,
    start: StartOption = None,
    state: StateOption = None,
    seed: SeedOption = 1,
    port_base: PortOption = None,
    own_process: OwnOption = None,
) -> None:
    """Serve a park's simulated devices until Ctrl-C."""
    from vpp.service.launch import Wishes, become_plant

    become_plant(
        Wishes(
            park=park,
            hil=True,
            speed=speed,
            start=start,
            state=state,
            seed=seed,
            port_base=port_base,
            own_process=tuple(own_process or ()),
        )
    )


def judge(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO...", help="Scenario files; or parks, for all of theirs that expect something."
        ),
    ],
    *,
    park: Annotated[
        str | None,
        typer.Option("--park", metavar="PARK", help="Park of files that lie in no park's folder."),
    ] = None,
    modbus: Annotated[
        bool, typer.Option("--modbus", help="As live processes over Modbus/TCP, instead of in memory.")
    ] = False,
    speed: SpeedOption = 1.0,
    port_base: PortOption = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML.")
    ] = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Run scenarios and judge what they expect; exit 6 where something did not hold.

    In memory two runs with one seed are equal bit for bit.
    """
    from vpp.service import trial_text
    from vpp.service.trials import Way, cases, try_out

    way = Way(modbus=modbus, speed=speed, port_base=port_base, seed=seed)
    tried = []
    for case in cases(scenarios, park):
        tried.append(try_out(case, way))
        if not as_json:
            say("\n".join(trial_text.lines(tried[-1])))
    if junit is not None:
        trial_text.write_junit(junit, tried)
    if as_json:
        say(to_json([trial_text.as_rows(trial) for trial in tried]))
    else:
        say(trial_text.last_line(tried))
    raise typer.Exit(ExitCode.OK if all(trial.ok for trial in tried) else ExitCode.DEVICE)
