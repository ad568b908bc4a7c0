"""Why a plan is as it is: what each store does and for what, what binds in each step, what gave way.

Everything is read from the plan itself: its series, its shadow prices, its costs. Nothing is solved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

from vpp.devices import Bess, Caes, H2Store
from vpp.park.model import Park
from vpp.reports.explain_words import Language, Said, sentence
from vpp.reports.plan_file import step_starts
from vpp.reports.plan_numbers import clock, content_percent, step_hours
from vpp.reports.plan_spells import Spell, spells, why_not_price
from vpp.types import Pin, Plan

BINDING_CNY = 0.5
"""A limit whose shadow price is below this does not matter (assumption)."""
EDGE_PERCENT = 0.2
"""A store this near to its fullest or emptiest content of the plan's window is full or empty."""
CURTAILED_MWH = 0.005
"""Curtailed energy below this is not worth a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReasons:
    """What holds in one step."""

    step: int
    start: str
    """Local time, HH:MM."""
    end: str
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellReasons:
    """Why a device does for some steps what it does."""

    resource: str
    start: str
    """Local time of its first step, HH:MM."""
    end: str
    """Local time at which its last step ends."""
    first: int
    last: int
    """Steps, both included."""
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A plan in reasons; `text` puts them into words."""

    plan_id: str
    summary: tuple[Said, ...]
    spells: tuple[SpellReasons, ...]
    steps: tuple[StepReasons, ...]
    curtailed: tuple[Said, ...]
    gave: tuple[Said, ...]


def explain(park: Park, plan: Plan) -> Explanation:
    """Return the reasons of a plan of `park`; one without shadow prices is explained by tariff alone."""
    return Explanation(
        plan_id=plan.id,
        summary=tuple(_summary(park, plan)),
        spells=tuple(_spell(park, plan, spell) for spell in spells(park, plan)),
        steps=tuple(_step(park, plan, step) for step in range(plan.steps)),
        curtailed=tuple(_curtailed(plan)) or (Said(code="none_curtailed", values={}),),
        gave=tuple(gave(plan)) or (Said(code="none_gave", values={}),),
    )


def text(explanation: Explanation, language: Language = "en", step: int | None = None) -> list[str]:
    """Return the explanation in lines: the whole plan, or one step with the devices that run in it."""
    if step is not None:
        one = explanation.steps[step]
        running = [s for s in explanation.spells if s.first <= step <= s.last]
        lines = [f"{one.start}-{one.end}  {sentence(said, language)}" for said in one.said]
        return lines + [line for spell in running for line in _spell_lines(spell, language)]
    lines = [f"{explanation.plan_id}: {sentence(explanation.summary[0], language)}"]
    lines += [sentence(said, language) for said in explanation.summary[1:]]
    lines += [line for spell in explanation.spells for line in _spell_lines(spell, language)]
    lines += list(_binding_lines(explanation, language))
    return lines + [sentence(said, language) for said in (*explanation.curtailed, *explanation.gave)]


def reasons(
    explanation: Explanation, step: int, language: Language
) -> tuple[list[str], dict[str, list[str]]]:
    """Return what holds in a step, in words, and by resource why it does then what it does."""
    running = [spell for spell in explanation.spells if spell.first <= step <= spell.last]
    return (
        [sentence(said, language) for said in explanation.steps[step].said],
        {s.resource: [f"{s.start}–{s.end} {sentence(said, language)}" for said in s.said] for s in running},
    )


def _spell_lines(spell: SpellReasons, language: Language) -> Iterator[str]:
    for said in spell.said:
        yield f"{spell.start}-{spell.end}  {sentence(said, language)}"


def _binding_lines(explanation: Explanation, language: Language) -> Iterator[str]:
    """Yield each limit that binds once per unbroken run of steps, with its greatest value."""
    runs: dict[tuple[str, str], list[list[tuple[StepReasons, Said]]]] = {}
    for step in explanation.steps:
        for said in step.said:
            if said.code.startswith("binds_"):
                groups = runs.setdefault((said.code, str(said.values.get("name", ""))), [])
                if groups and groups[-1][-1][0].step == step.step - 1:
                    groups[-1].append((step, said))
                else:
                    groups.append([(step, said)])
    for groups in runs.values():
        for group in groups:
            best = max((said for _, said in group), key=lambda said: float(said.values["value"]))
            first, last = group[0][0], group[-1][0]
            yield f"{first.start}-{last.end}  {sentence(best, language)}"


def _summary(park: Park, plan: Plan) -> Iterator[Said]:
    start = plan.start.astimezone(ZoneInfo(park.site.zone)).strftime("%Y-%m-%d %H:%M")
    values = {
        "label": plan.label.value,
        "steps": float(plan.steps),
        "start": start,
        "cost": plan.cost_cny,
        "import_mwh": float(plan.series["tie"]["import_mw"] @ step_hours(plan)),
    }
    yield Said(code="plan", values=values)
    if plan.change is not None:
        moved = {"moved_mw": plan.change.moved_mw, "starts": float(plan.change.starts)}
        yield Said(code="changed", values={"previous": plan.change.previous, **moved})
    if not plan.shadow_prices:
        yield Said(code="no_prices", values={})


def _spell(park: Park, plan: Plan, spell: Spell) -> SpellReasons:
    said = [Said(code=spell.code, values=spell.values)]
    pin = next((pin for pin in plan.pins if _touches(plan, pin, spell)), None)
    if pin is not None:
        said.append(Said(code="pinned", values={"name": spell.resource, "pin": pin.id}))
    elif not spell.pays and spell.at_tie is not None:
        price, earned = spell.at_tie
        values: dict[str, str | float] = {"name": spell.resource, "price": price, "earned": earned}
        said.append(Said(code="against_tie", values=values))
    elif not spell.pays:
        why = why_not_price(plan, spell)
        said.append(Said(code="committed", values={"name": spell.resource, "why": why}))
    return SpellReasons(
        resource=spell.resource,
        start=clock(park, plan, spell.first),
        end=clock(park, plan, spell.last + 1),
        first=spell.first,
        last=spell.last,
        said=tuple(said),
    )


def _touches(plan: Plan, pin: Pin, spell: Spell) -> bool:
    starts = step_starts(plan)
    inside = starts[spell.first] < pin.end and starts[spell.last] >= pin.start
    return pin.element == spell.resource and inside


def _step(park: Park, plan: Plan, step: int) -> StepReasons:
    tie = plan.series["tie"]
    said = [
        Said(
            code="tie",
            values={"import_mw": float(tie["import_mw"][step]), "limit": float(tie["import_max_mw"][step])},
        )
    ]
    if "energy" in plan.shadow_prices:
        price, tariff = plan.shadow_prices["energy"][step], tie["price_cny_per_mwh"][step]
        said.append(Said(code="marginal", values={"price": float(price), "tariff": float(tariff)}))
    said += _binding(plan, step)
    said += _edges(park, plan, step)
    own = {"start": clock(park, plan, step), "end": clock(park, plan, step + 1)}
    return StepReasons(step=step, **own, said=tuple(said))


def _binding(plan: Plan, step: int) -> Iterator[Said]:
    for name, values in plan.shadow_prices.items():
        kind, _, of = name.partition(":")
        if kind in ("energy", "bus", "store") or values[step] < BINDING_CNY:
            continue
        yield Said(code=f"binds_{kind}", values={"name": of, "value": float(values[step])})


def _edges(park: Park, plan: Plan, step: int) -> Iterator[Said]:
    """Yield the stores that are full or empty at the end of the step and the devices at their rating."""
    for name, row in park.resources.items():
        content = content_percent(park, plan, name)
        p_mw = float(plan.series[name]["p_mw"][step])
        if content is not None:
            window = content_window(park, name)
            if content[step + 1] >= window[1] - EDGE_PERCENT:
                yield Said(code="full", values={"name": name, "content": float(content[step + 1])})
            elif content[step + 1] <= window[0] + EDGE_PERCENT:
                yield Said(code="empty", values={"name": name, "content": float(content[step + 1])})
            most = row.p_max_mw if p_mw > 0 else -row.p_min_mw
            if row.kind in ("bess", "caes") and most > 0 and abs(p_mw) > 0.995 * most:
                yield Said(code="rated", values={"name": name, "mw": abs(p_mw)})


def content_window(park: Park, name: str) -> tuple[float, float]:
    """Return least and greatest content of a store, percent of what `content_percent` counts."""
    match park.devices[name]:
        case Bess(params=p):
            return 100 * p.soc_min, 100 * p.soc_max
        case Caes() as plant:
            return 100 * plant.e_min_mwh / plant.e_air_mwh, 100 * plant.e_max_mwh / plant.e_air_mwh
        case H2Store() as store:
            return 100 * store.min_kg / store.params.usable_kg, 100.0
        case _:
            return 0.0, 100.0


def _curtailed(plan: Plan) -> Iterator[Said]:
    hours = step_hours(plan)
    for name, causes in plan.curtailment_cause.items():
        mwh: dict[str, float] = {}
        for cause, mw, h in zip(causes, plan.series[name]["curtailed_mw"], hours, strict=True):
            if cause:
                mwh[cause] = mwh.get(cause, 0.0) + float(mw * h)
        for cause, energy in sorted(mwh.items(), key=lambda pair: -pair[1]):
            kind, _, where = cause.partition(":")
            known = kind in ("surplus", "branch", "voltage", "ramp", "pin")
            if energy > CURTAILED_MWH:
                yield Said(
                    code=f"curtailed_{kind}" if known else "curtailed_other",
                    values={"name": name, "mwh": energy, "where": where if known else cause},
                )


def gave(plan: Plan) -> Iterator[Said]:
    """Yield what gave way, once per limit, with the largest amount of each."""
    ordered = sorted(plan.relaxations, key=lambda r: (r.limit, -r.amount))
    for limit, group in groupby(ordered, key=lambda r: r.limit):
        every = list(group)
        worst = every[0]
        values = {"limit": limit, "count": float(len(every)), "amount": worst.amount}
        yield Said(code="gave", values={**values, "unit": worst.unit, "reason": worst.reason})
