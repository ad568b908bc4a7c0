"""`vpp explain`: a plan in words, the whole day or one step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption
from vpp.service.terminal import say, to_json

if TYPE_CHECKING:
    from vpp.park import Park
    from vpp.types import Plan

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN.json", help="A plan file.")]
OfParkOption = Annotated[
    str | None,
    typer.Option("--park", metavar="PARK", help="Folder or name of its park; default: the plan's word."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("explain")(explain)


def explain(
    plan: PlanArgument,
    step: Annotated[
        str | None, typer.Option("--step", metavar="HH:MM", help="Only the step at this local time.")
    ] = None,
    park: OfParkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a plan is as it is.

    Stores with what they pay and earn, limits that bind and what they cost, curtailment by cause.
    """
    from vpp.reports import explain as reasons_of
    from vpp.reports import read_plan
    from vpp.reports.explain_words import sentence
    from vpp.reports.plan_explain import text

    made = read_plan(plan)
    of_park = park_of(made, park)
    chosen = None if step is None else step_at(of_park, made, step)
    reasons = reasons_of(of_park, made)
    if not as_json:
        say("\n".join(text(reasons, "en", chosen)))
        return
    steps = [one for one in reasons.steps if chosen in (None, one.step)]
    spells = [s for s in reasons.spells if chosen is None or s.first <= chosen <= s.last]
    body = {
        "plan": reasons.plan_id,
        "summary": [sentence(said, "en") for said in reasons.summary],
        "spells": [
            {
                "resource": s.resource,
                "start": s.start,
                "end": s.end,
                "reasons": [{"code": r.code, **r.values, "text": sentence(r, "en")} for r in s.said],
            }
            for s in spells
        ],
        "steps": [
            {"start": s.start, "reasons": [{"code": r.code, **r.values} for r in s.said]} for s in steps
        ],
        "curtailed": [{"code": r.code, **r.values} for r in reasons.curtailed],
        "gave": [{"code": r.code, **r.values} for r in reasons.gave],
    }
    say(to_json(body))


def park_of(made: "Plan", option: str | None) -> "Park":
    """Return the park of a plan; InvalidInput where its elements are not those of the plan."""
    from vpp.errors import Fault, InvalidInput
    from vpp.park import load_park

    loaded = load_park(option or made.park)
    missing = [name for name in (*loaded.resources, *loaded.loads) if name not in made.series]
    known = {*loaded.resources, *loaded.loads, *loaded.actuators, "tie", "network"}
    foreign = set(made.series) - known
    if missing or foreign:
        wrong = f"its elements are not those of {made.id}: {', '.join([*missing, *sorted(foreign)][:5])}"
        raise InvalidInput((Fault(file="--park", wrong=wrong, expected=f"the park {made.park}"),))
    return loaded


def step_at(park: "Park", made: "Plan", text: str) -> int:
    """Return the step of a plan that holds a local time HH:MM; exit 2 where there is none."""
    from datetime import time

    from vpp.reports.plan_numbers import clock

    try:
        asked = time.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a time such as 17:30") from None
    starts = [time.fromisoformat(clock(park, made, k)) for k in range(made.steps)]
    minutes = [(t.hour - asked.hour) * 60 + t.minute - asked.minute for t in starts]
    found = next((k for k, m in enumerate(minutes) if -made.step_min < m <= 0), None)
    if found is None:
        raise typer.BadParameter(f"the plan has no step at {text}")
    return found
