"""From a solution to a plan: series, causes of curtailment, relaxations, label."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from controllers.planning.bill import bill, gross_cny
from controllers.planning.blocks.load import overdue
from controllers.planning.contingency import classes
from controllers.planning.curable import is_held, rows_of
from controllers.planning.declared import declared_mw
from controllers.planning.limits import USED
from controllers.planning.prices import Around, shadow_prices
from controllers.planning.problem import Model
from controllers.planning.reactive import positions_of, relaxations_of
from controllers.planning.security import Secured
from controllers.planning.slots import Situation
from network.ac_states import AcStates
from network.bus_slopes import slopes_at
from network.contingency import Breach, outage_flows
from vpp.devices import Pv, Wind
from vpp.types import Array, Plan, PlanLabel, Relaxation, TieSensitivity, Violation

NOISE = 1e-7
"""Magnitudes below this are the solver's noise, MW or MWh."""
LEAST_DAY_MIN = 23 * 60
"""Minutes of the shortest day: where a zone puts its clocks forward."""
CURTAILED_MW = 0.01
"""Curtailment below this has no cause."""
GROSS_GAP = 1e-3
"""Gap, relative to the sum of absolute cost items, up to which a plan is called optimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A certified plan with the linear network model around it, one per step."""

    plan: Plan
    sensitivities: tuple[TieSensitivity, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that waits for its certificate."""

    plan: Plan
    rounds: int
    """Rounds of AC check until clean; 0 where none was needed."""


def plan_of(model: Model, situation: Situation, secured: Secured, gap_cny: float) -> Candidate:
    """Return the plan of a secured solution, without certificate.

    `gap_cny` is the proven distance from the best; nan for the best of commitments that were kept.
    """
    window = situation.window
    series = _series(model, situation, secured)
    outages = secured.outages
    relaxations = (
        *_relaxations(model, situation, secured),
        *(_outage_relaxation(b) for b in outages.curable(secured.held)),
        *overdue(situation),
    )
    charged = bill(situation, series, relaxations)
    costs = charged.items
    gross = gross_cny(costs)
    label, words = _judged(gap_cny, gross)
    plan = Plan(
        id="",
        park=model.park.name,
        made_at=situation.state.at,
        start=window.start,
        step_min=window.axis.step_min,
        steps=window.end - window.first,
        valid_until=situation.state.at + timedelta(seconds=model.park.horizon.plan_ttl_s),
        label=PlanLabel.RELAXED if relaxations else label,
        status=words,
        gap=gap_cny / gross if gross > 0 else math.nan,
        cost_cny=sum(costs.values()),
        cost_breakdown_cny=costs,
        series=series,
        initial=situation.state,
        curtailment_cause=_causes(model, situation, secured),
        vm_pu=by_name(secured.states.buses, secured.states.vm_pu),
        loading_percent=by_name(secured.states.branches, secured.states.loading_percent),
        relaxations=relaxations,
        certificate=None,
        solve_s=0.0,
        cost_by_owner_cny=charged.by_owner,
        cost_by_step_cny={item: _clean(cny) for item, cny in charged.by_step.items()},
        shadow_prices=_prices(model, situation, secured),
        contingencies=classes(outages, secured.held, series["tie"]["import_mw"]),
    )
    return Candidate(plan, secured.rounds)


def _judged(gap_cny: float, gross: float) -> tuple[PlanLabel, str]:
    """Return label and words of a proven gap, judged by the gross of the plan's own bill."""
    if math.isnan(gap_cny):
        return PlanLabel.OPTIMAL, "optimal for the commitments of the previous plan"
    if gap_cny <= GROSS_GAP * gross:
        return PlanLabel.OPTIMAL, "optimal within the gap"
    return PlanLabel.FEASIBLE, "best found at the deadline or after the nodes allowed"


def _prices(model: Model, situation: Situation, secured: Secured) -> dict[str, Array]:
    window, park, found = situation.window, model.park, secured.outages.review
    slope = {name: np.asarray(parameter.value) for name, parameter in model.loss_slope.items()}
    around = Around(
        dt_h=window.dt_h,
        span=window.span,
        loss_slope=slope,
        cuts=secured.cuts,
        first=window.first,
        bus_of={name: (park.resources.get(name) or park.loads[name]).bus for name in model.blocks},
        buses=_priced_buses(situation),
        slopes_at=partial(slopes_at, outage_flows(found.oracle), found.before),
        export_max_mw=situation.export_max_mw,
    )
    return shadow_prices(model.prices, secured.solution.duals, around)


def _priced_buses(situation: Situation) -> tuple[str, ...]:
    """Return the buses whose price is told although no element may speak there: all, but in a re-plan none.

    A re-plan has no time for it.
    """
    return () if situation.previous is not None else tuple(bus.name for bus in situation.park.grid.buses)


def by_name(names: tuple[str, ...], columns: Array) -> dict[str, Array]:
    """Return name -> column."""
    return {name: columns[:, k].copy() for k, name in enumerate(names)}


def plan_id(park: str, plan: Plan, zone: str, serial: int) -> str:
    """Return a readable id: park, local start with offset, kind (d: whole day, r: rolling), serial."""
    kind = "d" if plan.steps * plan.step_min >= LEAST_DAY_MIN else "r"
    return f"{park}-{plan.made_at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M%z}-{kind}{serial}"


def _series(model: Model, situation: Situation, secured: Secured) -> dict[str, dict[str, Array]]:
    span = situation.window.span
    series: dict[str, dict[str, Array]] = {}
    for k, (name, block) in enumerate(model.blocks.items()):
        own = block.series(secured.values[name], situation)
        series[name] = {
            "p_mw": _clean(secured.p_mw[:, k]),
            "q_mvar": _clean(secured.reactive.q_mvar[:, k]),
            **{key: _clean(values[span]) for key, values in own.items()},
        }
    series |= tie_series(situation, secured.states) | positions_of(model.park, secured.reactive)
    return series


def tie_series(situation: Situation, states: AcStates) -> dict[str, dict[str, Array]]:
    """Return the series of `tie` and `network` from the AC states of the plan's steps."""
    span = situation.window.span
    return {
        "tie": {
            "import_mw": _clean(np.maximum(0.0, states.p_tie_mw)),
            "export_mw": _clean(np.maximum(0.0, -states.p_tie_mw)),
            "price_cny_per_mwh": situation.price_cny_per_mwh[span].copy(),
            "import_max_mw": situation.import_max_mw[span].copy(),
            "export_max_mw": situation.export_max_mw[span].copy(),
            "declared_mw": _declared(situation, states),
            "q_mvar": _clean(states.q_tie_mvar),
        },
        "network": {"losses_mw": states.losses_mw.copy()},
    }


def _declared(situation: Situation, states: AcStates) -> Array:
    """Return what stands declared, import positive, MW: the plan in force, else this plan's own tie power."""
    known = declared_mw(situation)[situation.window.span]
    return _clean(np.where(np.isnan(known), states.p_tie_mw, known))


def _clean(values: Array) -> Array:
    out: Array = np.where(np.abs(values) < NOISE, 0.0, values)
    return out


def _causes(model: Model, situation: Situation, secured: Secured) -> dict[str, tuple[str, ...]]:
    """Return by wind and PV id why power is curtailed: the cut that binds there, else surplus."""
    span, first = situation.window.span, situation.window.first
    binding: dict[int, list[tuple[str, Mapping[str, float]]]] = {}
    for cut in secured.cuts:
        used = sum(c * secured.values[i]["p_mw"][first + cut.step] for i, c in cut.coeff.items())
        if used > cut.upper - 1e-3:
            binding.setdefault(cut.step, []).append((cut.name, cut.coeff))
    causes = {}
    for name, device in model.park.devices.items():
        if not isinstance(device, Wind | Pv):
            continue
        curtailed = secured.values[name]["curtailed"][span]
        words = []
        for step, mw in enumerate(curtailed):
            rows = [row for row, coeff in binding.get(step, []) if coeff.get(name, 0.0) > 1e-3]
            cause = _cause(rows[0]) if rows else "surplus"
            words.append(cause if mw > CURTAILED_MW else "")
        causes[name] = tuple(words)
    return causes


def _cause(row: str) -> str:
    kind, name = row.split(":", 1)
    return row if kind == "branch" else f"voltage:{name}"


def _relaxations(model: Model, situation: Situation, secured: Secured) -> tuple[Relaxation, ...]:
    span = situation.window.span
    found = []
    for limit in model.limits:
        if limit.slack is None:
            continue
        for step, amount in enumerate(secured.values[limit.name][limit.slack][span]):
            if amount > USED:
                found.append(
                    Relaxation(
                        limit=limit.name,
                        step=step,
                        amount=float(amount),
                        unit=limit.unit,
                        reason=limit.reason,
                    )
                )
    for v in secured.violations:
        kind = {"loading": "branch", "voltage": "voltage"}.get(v.rule, v.rule)
        found.append(
            Relaxation(
                limit=f"{kind}:{v.resource}",
                step=v.step or 0,
                amount=abs(v.found - v.allowed),
                unit="%" if v.rule == "loading" else "pu",
                reason=f"{_why(secured, v)}: {v.text}",
            )
        )
    return (*found, *relaxations_of(model.park, secured.reactive))


def _outage_relaxation(breach: Breach) -> Relaxation:
    at = breach.row.startswith("branch:")
    amount = abs(float(np.nan_to_num(breach.value - breach.limit)))
    return Relaxation(
        limit=breach.name,
        step=breach.step,
        amount=amount,
        unit="%" if at else "pu",
        reason=f"step {breach.step}: after the outage {'loading' if at else 'voltage'} is off its limit",
    )


def _why(secured: Secured, violation: Violation) -> str:
    """Return why a violation was left; "no dispatch cures it" only where that is proven."""
    if is_held(secured.held, violation):
        return "no dispatch cures it, held at what it is without one"
    if not set(rows_of(violation)) & {cut.name for cut in secured.cuts if cut.step == violation.step}:
        return "no row was found that would cure it"
    return f"not cured within {secured.rounds} rounds"
