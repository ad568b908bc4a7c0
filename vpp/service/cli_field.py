"""`vpp reload`, `mode`, `links`, `person`: devices and people of a run."""

from typing import Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption, parsed
from vpp.service.exits import ExitCode, of_reply
from vpp.service.terminal import say, to_json
from vpp.service.times import parse_span


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (reload, mode, links, person):
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
    span: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="Plant time, e.g. 2h; default: a shift of 8h.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who moves a device: the operator, nobody, or control.

    Manual and advisory end by themselves; then control goes on from what the meter shows.
    """
    from vpp.service import orders
    from vpp.service.runs import find_running
    from vpp.types import Mode

    if to not in list(Mode):
        raise typer.BadParameter(f"{to!r} is none of {', '.join(Mode)}")
    length = None if span is None else parsed(parse_span, span)
    reply = orders.put(find_running(state), device, Mode(to), length)
    word = "accepted" if reply.accepted else f"refused: {reply.reason}"
    say(to_json(reply) if as_json else f"{reply.id}: {word}")
    raise typer.Exit(of_reply(reply))


def person(
    name: Annotated[str, typer.Argument(help="Who else may act: letters, digits, _, - or .")],
    state: StateOption = None,
) -> None:
    """Make a token for a further person and show it once; the run keeps a hash.

    What one person may not do alone, another confirms with it, on the page or by --second.
    """
    from vpp.service.people import add_person
    from vpp.service.runs import find_running

    say(add_person(find_running(state), name))
    raise typer.Exit(ExitCode.OK)


def links(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show every connection to the field: its circuit, why, and counters."""
    from vpp.service import orders
    from vpp.service.link_text import link_words
    from vpp.service.runs import find_running

    found = orders.status(find_running(state)).links
    say(to_json(dict(found)) if as_json else "\n".join(f"{n}: {link_words(x)}" for n, x in found.items()))
    raise typer.Exit(ExitCode.OK)
