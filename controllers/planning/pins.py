"""Pins as bounds of the compiled problem; what cannot be held gives way where it must, and only there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import numpy as np

from controllers.planning.blocks.block import Block
from controllers.planning.checker.pins import breaches, steps_of
from controllers.planning.lazy_rows import Row
from controllers.planning.problem import Model
from controllers.planning.slots import Situation
from controllers.planning.solve import SolveStatus, WarmSolver
from controllers.planning.stakes import slack_prices
from vpp.park.model import Park
from vpp.types import Array, Hold, Pin, Plan, PlanLabel, Relaxation

HELD = 1e-5
"""A pin whose slack is below this is held."""
ROOM_MW = 1e-3
"""A pinned power may move so far: written pins are rounded, and curves are settled after the search."""

Bounds = tuple[Array, Array]
Given = Mapping[tuple[int, int], float]
"""(column, slot) at which a pin gives way -> the value it may go to; nan: any."""
NOTHING: Given = MappingProxyType({})


def held(model: Model, situation: Situation, bounds: Bounds, given: Given = NOTHING) -> Bounds:
    """Return the bounds narrowed to the pins; those that give way only as far as they must.

    Low may exceed high.
    """
    lower, upper = bounds[0].copy(), bounds[1].copy()
    for column, slot, low, high in _spans(model, situation):
        reached = given.get((column, slot), low)
        if not np.isnan(reached):
            lower[column] = max(lower[column], min(low, reached))
            upper[column] = min(upper[column], max(high, reached))
    return lower, upper


def given_up(
    model: Model, solver: WarmSolver, situation: Situation, bounds: Bounds, *, seconds: float
) -> Given:
    """Return where pins must give way: a search in which each is a priced wish, not a bound."""
    spans, axis = list(_spans(model, situation)), model.frame.axis
    price = slack_prices(model.park, axis).pin * axis.step_h
    rows = [
        Row(columns=(column,), coefficients=(sign,), upper=edge, price=price)
        for column, _, low, high in spans
        for sign, edge in ((1.0, high), (-1.0, -low))
        if np.isfinite(edge)
    ]
    solver.load(*bounds)
    solver.add_rows(rows)
    found = solver.run(integers=model.integers, seconds=seconds)
    if found.status not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
        return {(column, slot): np.nan for column, slot, _, _ in spans}
    return {
        (column, slot): float(found.x[column])
        for column, slot, low, high in spans
        if not low - HELD <= found.x[column] <= high + HELD
    }


def can_be_held(solver: WarmSolver, bounds: Bounds, *, seconds: float) -> bool:
    """Return whether the linear problem has a solution inside the bounds."""
    if (bounds[0] > bounds[1] + 1e-9).any():
        return False
    solver.load(*bounds)
    return solver.run(integers=np.empty(0, dtype=np.int64), seconds=seconds).status is SolveStatus.OPTIMAL


def in_the_way(model: Model, situation: Situation, plan: Plan) -> Given:
    """Return the pins that are in force where a plan gives up a network limit: they give way there."""
    steps = {r.step for r in plan.relaxations if r.limit.partition(":")[0] in ("branch", "voltage")}
    slots = {situation.window.first + step for step in steps}
    return {(column, slot): np.nan for column, slot, _, _ in _spans(model, situation) if slot in slots}


def declared(park: Park, plan: Plan, pins: tuple[Pin, ...]) -> Plan:
    """Return the plan with the pins that touch it; each step in which one is not held is declared."""
    end = plan.start + timedelta(minutes=plan.step_min * plan.steps)
    plan = replace(plan, pins=tuple(pin for pin in pins if pin.start < end and pin.end > plan.start))
    plan = replace(plan, curtailment_cause=_causes(plan))
    gave = tuple(
        Relaxation(limit=f"pin:{pin.id}", step=step, amount=amount, unit=unit, reason=reason)
        for pin, step, amount, unit, reason in breaches(park, plan)
    )
    if not gave:
        return plan
    label = plan.label if plan.label in (PlanLabel.SHIFTED, PlanLabel.RULE) else PlanLabel.RELAXED
    return replace(plan, relaxations=plan.relaxations + gave, label=label)


def _causes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the causes of curtailment; what a pin holds down is curtailed by it."""
    causes = {name: list(words) for name, words in plan.curtailment_cause.items()}
    for pin in plan.pins:
        for step in steps_of(pin, plan) if pin.element in causes else ():
            if causes[pin.element][step]:
                causes[pin.element][step] = f"pin:{pin.id}"
    return {name: tuple(words) for name, words in causes.items()}


def _spans(model: Model, situation: Situation) -> Iterator[tuple[int, int, float, float]]:
    """Yield (column, slot, low, high) of every bound that the pins ask for."""
    window = situation.window
    for pin in situation.pins:
        block = model.blocks[pin.element]
        for slot in range(window.first, window.end):
            start = window.slot_start(slot)
            if start < pin.end and start + timedelta(minutes=window.axis.step_min) > pin.start:
                for name, low, high in _asked(block, pin, situation, slot):
                    variable = block.p_mw if name == "p_mw" else block.variables[name]
                    yield model.compiled.columns(variable).start + slot, slot, low, high


def _asked(block: Block, pin: Pin, situation: Situation, slot: int) -> Iterator[tuple[str, float, float]]:
    """Yield (variable, low, high) of one slot."""
    machines = [name for name in block.variables if name.startswith("on_")]
    match pin.hold:
        case Hold.POWER:
            yield "p_mw", pin.p_mw - ROOM_MW, pin.p_mw + ROOM_MW
        case Hold.WITHIN:
            yield "p_mw", -pin.p_mw, pin.p_mw
        case Hold.LEAST:
            yield "p_mw", pin.p_mw - ROOM_MW, np.inf
        case Hold.MOST:
            yield "p_mw", -np.inf, pin.p_mw + ROOM_MW
        case Hold.SERVE:
            yield "p_mw", -np.inf, -situation.load_mw[pin.element][slot]
        case Hold.OFF:
            stands = [n for n in (*machines, "on", "charge", "discharge") if n in block.variables]
            for name in stands or ["p_mw"]:
                yield name, -np.inf, 0.0
        case Hold.CHARGE | Hold.DISCHARGE:
            charging = pin.hold is Hold.CHARGE
            if machines:
                yield ("on_1" if charging else "on_0"), 1.0, np.inf
            yield ("discharge" if charging else "charge"), -np.inf, 0.0
