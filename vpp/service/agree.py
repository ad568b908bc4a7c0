"""Before the command line orders or sheds: what would change is shown, and somebody agrees, or two do."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import typer

from vpp.errors import Fault, InvalidInput
from vpp.park import load_park
from vpp.service import orders
from vpp.service.echo import Echo, echo, standing
from vpp.service.people import people, person_of
from vpp.service.terminal import complain
from vpp.service.token import session_of
from vpp.state_dir import StateDir
from vpp.types import DispatchOrder, ShedOrder

T = TypeVar("T", DispatchOrder, ShedOrder)


def agreed(state: StateDir, order: T, *, yes: bool, second: Path | None) -> T:
    """Show what an order changes, ask, and return it as it was agreed to, with a fresh expiry.

    `yes` answers the question beforehand, `second` is the file with another person's token. InvalidInput
    where another person is needed, or where what counts has changed meanwhile.
    """
    shown = echo(load_park(state.read_settings().park), orders.status(state), order)
    complain("\n".join(shown.lines))
    _confirmed(state, shown, second)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("there is nobody to ask: add --yes")
        typer.confirm("do it?", abort=True, err=True)
    if standing(orders.status(state)) != shown.standing:
        raise _refused(
            "control, orders or breakers changed meanwhile", "the same as was shown: give it again"
        )
    order = replace(order, expires_at=orders.expiry(orders.clock_of(state)))
    return replace(order, blocks=shown.blocks) if isinstance(order, ShedOrder) else order


def _confirmed(state: StateDir, shown: Echo, second: Path | None) -> None:
    if not shown.second:
        return
    token = "" if second is None else second.read_text(encoding="utf-8").strip()
    name = person_of(people(state), session_of(token))
    if name is None:
        expected = "--second FILE with the token that `vpp person NAME` gave somebody else"
        raise _refused(f"another person has to confirm this: {shown.second}", expected)
    complain(f"confirmed by {name}")


def _refused(wrong: str, expected: str) -> InvalidInput:
    return InvalidInput((Fault(file="order", wrong=wrong, expected=expected),))
