"""`vpp compare`: two plan files side by side."""

from pathlib import Path
from typing import Annotated

import typer

from vpp.service.cli_explain import OfParkOption, park_of
from vpp.service.cli_options import JsonOption
from vpp.service.terminal import say


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("compare")(compare)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="A plan file.")],
    b: Annotated[Path, typer.Argument(metavar="B.json", help="Another one of the same park.")],
    *,
    over: Annotated[
        float, typer.Option("--over", min=0.0, metavar="MW", help="List steps that differ by more.")
    ] = 1.0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots as well.")
    ] = None,
    park: OfParkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what plan B does otherwise than plan A.

    Costs, energies, peaks, curtailment by cause, what gave way, and the steps that differ.
    """
    from vpp.errors import Fault, InvalidInput, gathering
    from vpp.reports import compare as compared
    from vpp.reports import read_plan
    from vpp.reports.compare_text import comparison_to_html, comparison_to_text
    from vpp.reports.plan_compare import comparison_to_json
    from vpp.service.runs import writing

    faults: list[Fault] = []
    plans = []
    for file in (a, b):
        with gathering(faults):
            plans.append(read_plan(file))
    if faults:
        raise InvalidInput(tuple(faults))
    first, second = plans
    of_park = park_of(first, park)
    comparison = compared(first, second, over)
    if html is not None:
        with writing(html):
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(comparison_to_html(of_park, comparison, first, second), encoding="utf-8")
    if as_json:
        say(comparison_to_json(comparison).decode())
    else:
        say(f"A is {a}\nB is {b}\n" + comparison_to_text(of_park, comparison))
