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
    from vpp.types import Pin, Plan

PinOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pin", metavar="PIN|FILE", help="Hold fixed, e.g. BESS1@10:00-12:00=-20; may be repeated."
    ),
]


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
    *,
    pin: PinOption = None,
    base: Annotated[
        Path | None, typer.Option("--from", metavar="PLAN.json", help="Plan that a pin `=plan` takes from.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a day ahead.

    Writes JSON, CSV and an HTML report; exit 5 when a limit or a pin had to give.
    """
    first = parsed(parse_date, day)
    from vpp.park import load_park
    from vpp.service.runs import ROOT

    loaded = load_park(park)
    folder = out or ROOT / loaded.name / "plans"
    pins = pins_of(loaded, pin or [], first, days, base)
    results = []
    for made, files in written_days(loaded, first, days, folder, pins=pins):
        results.append((made, files))
        if not as_json:
            say("\n".join(plan_lines(made, files)))
    if as_json:
        say(to_json([summary(made, files) for made, files in results]))
    raise typer.Exit(max(of_plan(made.label) for made, _ in results))


def pins_of(park: "Park", given: list[str], first: date, days: int, base: Path | None) -> "tuple[Pin, ...]":
    """Return the pins of the options: each a pin, or a file with one a line; InvalidInput with all faults."""
    from vpp.errors import Fault, InvalidInput, gathering
    from vpp.park.pins import local_midnight, read_pins, window_faults
    from vpp.reports import read_plan

    faults: list[Fault] = []
    texts: list[str] = []
    pins: tuple[Pin, ...] = ()
    made = None
    for text in given:
        with gathering(faults):
            texts += _lines(text)
    if base is not None:
        with gathering(faults):
            made = read_plan(base)
        if made is None:
            texts = [text for text in texts if not text.endswith("=plan")]
    with gathering(faults):
        pins = read_pins(park, texts, first, base=made)
    start, end = (local_midnight(park, first + timedelta(days=k)) for k in (0, days))
    faults += window_faults(pins, start, end)
    if faults:
        raise InvalidInput(tuple(faults))
    return pins


def _lines(text: str) -> list[str]:
    """Return the pins of one option; a text without `@` or that names a file is read as one."""
    from vpp.errors import Fault, InvalidInput

    if "@" in text and not Path(text).is_file():
        return [text]
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        fault = Fault(file="--pin", wrong=f'"{text}": {why}', expected="a pin, or a file with one a line")
        raise InvalidInput((fault,)) from error
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]


def written_days(
    park: "Park", first: date, days: int, folder: Path, pins: "tuple[Pin, ...]" = ()
) -> "Iterator[tuple[Plan, list[Path]]]":
    """Plan days and write the files of each to `folder/DAY`; NoPlan where none could be released."""
    from vpp.reports import write_plan
    from vpp.service.day_plans import plan_days
    from vpp.service.runs import writing

    for k, made in enumerate(plan_days(park, first, days, pins)):
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
    from vpp.reports.explain_words import sentence
    from vpp.reports.plan_explain import gave

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
    told = [sentence(said, "en") for said in gave(made)]
    lines += [f"  {line}" for line in told[:20]]
    lines += [f"  ... and {len(told) - 20} more"] if len(told) > 20 else []
    lines += [f"  note: {note}" for note in made.notes]
    return lines + [f"  {path}" for path in files]
