"""`vpp plan`: one day ahead, with its certificate and its report."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, ParkArgument, parsed
from vpp.service.exits import of_plan
from vpp.service.terminal import say, to_json
from vpp.service.times import parse_date

if TYPE_CHECKING:
    from vpp.park import Park
    from vpp.types import Plan


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("plan")(plan)


def plan(
    park: ParkArgument,
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="First day, plant zone.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=7, help="Days, each from the end of the one before.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Default: .yuanwang/PARK/plans.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a day ahead.

    Writes JSON, CSV and an HTML report; exit 5 when a limit had to give.
    """
    first = parsed(parse_date, day)
    from vpp.park import load_park
    from vpp.service.runs import ROOT

    loaded = load_park(park)
    folder = out or ROOT / loaded.name / "plans"
    results = []
    for made, files in written_days(loaded, first, days, folder):
        results.append((made, files))
        if not as_json:
            say("\n".join(plan_lines(made, files)))
    if as_json:
        say(to_json([summary(made, files) for made, files in results]))
    raise typer.Exit(max(of_plan(made.label) for made, _ in results))


def written_days(park: "Park", first: date, days: int, folder: Path) -> "Iterator[tuple[Plan, list[Path]]]":
    """Plan days and write the files of each to `folder/DAY`; NoPlan where none could be released."""
    from vpp.reports import write_plan
    from vpp.service.day_plans import plan_days
    from vpp.service.runs import writing

    for k, made in enumerate(plan_days(park, first, days)):
        with writing(folder):
            files = list(write_plan(park, made, folder / (first + timedelta(days=k)).isoformat()))
        yield made, files


def summary(made: "Plan", files: list[Path]) -> dict[str, object]:
    """Return what a program wants to know of a plan."""
    return {
        "id": made.id,
        "label": made.label,
        "status": made.status,
        "gap": made.gap,
        "cost_cny": made.cost_cny,
        "cost_breakdown_cny": dict(made.cost_breakdown_cny),
        "solve_s": made.solve_s,
        "certificate": made.certificate,
        "relaxations": made.relaxations,
        "notes": made.notes,
        "files": [str(path) for path in files],
    }


def plan_lines(made: "Plan", files: list[Path]) -> list[str]:
    """Return what a person wants to know of a plan, in at most 80 columns where paths allow."""
    certificate = made.certificate
    lines = [
        f"{made.id}: {made.label.value}, {made.cost_cny:,.0f} CNY",
        f"  {made.status}, {made.solve_s:.1f} s",
    ]
    if certificate is not None:
        lines.append(
            f"  check {'good' if certificate.ok else 'REFUSED'}: {len(certificate.checked_rules)} rules, "
            f"{certificate.min_vm_pu:.3f} to {certificate.max_vm_pu:.3f} pu, "
            f"loading at most {certificate.max_loading_percent:.0f} %"
        )
    lines += [
        f"  gave way: {r.limit} at step {r.step} by {r.amount:.3g} {r.unit}: {r.reason}"
        for r in made.relaxations[:20]
    ]
    lines += [f"  ... and {len(made.relaxations) - 20} more"] if len(made.relaxations) > 20 else []
    lines += [f"  note: {note}" for note in made.notes]
    return lines + [f"  {path}" for path in files]
