"""`vpp journal ...`: prove and read what control has written."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from vpp.service.cli_options import JsonOption, StateOption
from vpp.service.exits import ExitCode
from vpp.service.terminal import say, to_json


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    journal = typer.Typer(
        help="Verify, read or replay the journal.", no_args_is_help=True, rich_markup_mode=None
    )
    journal.command("verify")(verify)
    journal.command("show")(show)
    journal.command("replay")(replay)
    app.add_typer(journal, name="journal")


def verify(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Check the hash chain of every record; exit 3 and the first bad record where it is broken."""
    from vpp import journal
    from vpp.service.runs import find_recorded

    verdict = journal.verify(find_recorded(state).journal)
    if as_json:
        say(to_json(verdict))
    elif verdict.first is None:
        say(f"good: {verdict.records} records in {verdict.segments} segments follow one another")
    else:
        bad = verdict.first
        say(f"BROKEN: {bad.segment} at byte {bad.offset}, after {bad.record} sound records: {bad.text}")
    raise typer.Exit(ExitCode.OK if verdict.ok else ExitCode.INVALID_INPUT)


def show(
    count: Annotated[int, typer.Option("--last", "-n", min=1, max=10000, help="Records to show.")] = 20,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last records, oldest first."""
    from vpp import journal
    from vpp.service.runs import find_recorded

    records = journal.tail(find_recorded(state).journal, count)
    rows = [{"at": r.at, "kind": r.kind, "rate": r.rate, "value": _readable(r.value)} for r in records]
    if as_json:
        say(to_json(rows))
        return
    for row, record in zip(rows, records, strict=True):
        say(f"{record.at.isoformat(timespec='seconds')} {record.kind:16} {str(row['value'])[:400]}")


def replay(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Run control again on what it recorded; exit 6 and the first difference where it decides otherwise."""
    import asyncio

    from controllers.acting import replay as again
    from vpp.park import load_park
    from vpp.service.runs import find_recorded

    run = find_recorded(state)
    found = asyncio.run(again.replay(load_park(run.read_settings().park), run.journal))
    if as_json:
        say(to_json(found))
    elif found.difference:
        say(f"DIFFERENT: {found.difference}")
    else:
        counted = f"{found.cycles} cycles with {found.setpoints} commands"
        say(f"equal: {counted} come out as recorded; ended by {found.ended}")
    raise typer.Exit(ExitCode.DEVICE if found.difference else ExitCode.OK)


def _readable(value: Any) -> Any:
    """Return a record's value without its packed bytes, which mean nothing to a reader."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {key: _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list | tuple) else value
