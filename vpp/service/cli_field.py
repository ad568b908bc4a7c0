"""`vpp reload`, `mode`, `links`: devices of a run, straight to control's socket."""

from typing import Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption
from vpp.service.exits import ExitCode, of_reply
from vpp.service.terminal import say, to_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (reload, mode, links):
        app.command()(command)


def reload(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Read the park folder again: devices added, removed or moved, whole or not at all."""
    from vpp.service import orders
    from vpp.service.runs import find_running

    reply = orders.reload(find_running(state))
    word = "accepted" if reply.accepted else "refused"
    say(to_json(reply) if as_json else f"{reply.id}: {word}: {reply.reason}")
    raise typer.Exit(of_reply(reply))


def mode(
    device: Annotated[str, typer.Argument(help="Id of a device.")],
    to: Annotated[str, typer.Argument(help="manual, advisory or auto.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who moves a device: the operator, nobody, or control."""
    from vpp.service import orders
    from vpp.service.runs import find_running
    from vpp.types import Mode

    if to not in list(Mode):
        raise typer.BadParameter(f"{to!r} is none of {', '.join(Mode)}")
    reply = orders.put(find_running(state), device, Mode(to))
    word = "accepted" if reply.accepted else f"refused: {reply.reason}"
    say(to_json(reply) if as_json else f"{reply.id}: {word}")
    raise typer.Exit(of_reply(reply))


def links(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show every connection to the field: its circuit, why, and counters."""
    from vpp.service import orders
    from vpp.service.link_text import link_words
    from vpp.service.runs import find_running

    found = orders.status(find_running(state)).links
    say(to_json(dict(found)) if as_json else "\n".join(f"{n}: {link_words(x)}" for n, x in found.items()))
    raise typer.Exit(ExitCode.OK)
