"""`vpp shed`, `restore`, `order`, `status`: straight to control's socket, with or without the service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption, parsed
from vpp.service.exits import ExitCode, of_reply, of_shed
from vpp.service.terminal import say, to_json
from vpp.service.times import parse_span

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")]
SecondOption = Annotated[
    Path | None,
    typer.Option(
        "--second", exists=True, dir_okay=False, metavar="FILE", help="Token of the person who confirms."
    ),
]
MegawattOption = Annotated[float, typer.Option("--mw", min=0.001, max=1e5, help="Megawatts to cut.")]


if TYPE_CHECKING:
    from vpp.types import Reply


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (shed, restore, order, status):
        app.command()(command)


def shed(
    mw: MegawattOption,
    *,
    drill: Annotated[bool, typer.Option("--drill", help="Test outputs only: nothing opens.")] = False,
    yes: YesOption = False,
    second: SecondOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut interruptible load now, proven by meter.

    Shows first what opens, and asks; beyond the park's soft limit another person confirms.
    Exit 5 where the metered cut falls short of the order.
    """
    from vpp.service import orders
    from vpp.service.runs import find_running

    folder = find_running(state)
    order = orders.shed_order(folder, mw, drill=drill)
    if not drill:
        from vpp.service.agree import agreed

        order = agreed(folder, order, yes=yes, second=second)
    report = orders.shed(folder, order)
    say(to_json(report) if as_json else "\n".join(orders.shed_lines(report)))
    raise typer.Exit(of_shed(report))


def restore(
    load: Annotated[
        list[str] | None, typer.Option("--load", metavar="ID", help="Only these; default: all.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close in stages what a shed opened."""
    from vpp.service import orders
    from vpp.service.runs import find_running

    _finish(orders.restore(find_running(state), tuple(load or ())), as_json=as_json)


def order(
    *,
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="Plant time it holds, e.g. 30m.")],
    import_max: Annotated[float | None, typer.Option("--import-max", min=0.0, max=1e5, help="MW.")] = None,
    export_max: Annotated[float | None, typer.Option("--export-max", min=0.0, max=1e5, help="MW.")] = None,
    yes: YesOption = False,
    second: SecondOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Narrow the tie's limits from now on, after it was shown and agreed to."""
    if import_max is None and export_max is None:
        raise typer.BadParameter("give --import-max or --export-max")
    length = parsed(parse_span, span)
    from vpp.service import orders
    from vpp.service.agree import agreed
    from vpp.service.runs import find_running

    folder = find_running(state)
    asked = orders.tie_order(folder, import_max_mw=import_max, export_max_mw=export_max, span=length)
    _finish(orders.narrow_tie(folder, agreed(folder, asked, yes=yes, second=second)), as_json=as_json)


def _finish(reply: "Reply", *, as_json: bool) -> None:
    """Say control's answer and end with its exit code."""
    word = "accepted" if reply.accepted else f"refused: {reply.reason}"
    say(to_json(reply) if as_json else f"{reply.id}: {word}")
    raise typer.Exit(of_reply(reply))


def status(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show control's newest snapshot."""
    from vpp.park import load_park
    from vpp.service import orders
    from vpp.service.runs import find_running
    from vpp.service.table import plain_lines

    folder = find_running(state)
    snapshot = orders.status(folder)
    if as_json:
        say(to_json(snapshot))
    else:
        say("\n".join(plain_lines(load_park(folder.read_settings().park), snapshot)))
    raise typer.Exit(ExitCode.OK)
