"""The reactive plan beside the active one: where it starts, what it may use, how a plan shows it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from controllers.planning.slots import Situation
from network.powerflow import Oracle
from network.reactive import Spans, kept, q_spans, reactive_plan
from network.reactive_ease import VarPlan
from network.reactive_moves import budget_of
from network.security import tie_q_max_mvar, violations
from vpp.park.model import Park
from vpp.types import Array, Plan, Relaxation

NETWORK_RULES = ("voltage", "loading", "power_flow")
TOLERATED_MVAR = 0.05
"""Reactive power at the tie beyond the contract's power factor that counts as none (assumption)."""


def spans_of(oracle: Oracle, now: Situation, p_mw: Array, modes: Mapping[str, Array]) -> Spans:
    """Return what each element may give at the planned powers (steps, elements)."""
    dead = {name for name in now.park.resources if not now.is_available(name)}
    return q_spans(now.park, oracle.elements, p_mw, modes, dead)


def start_of(oracle: Oracle, now: Situation) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return where actuators stand, and which of them answer and may be moved."""
    known = now.state.positions
    start = [known.get(name, rest) for name, rest in zip(oracle.actuators, oracle.at_rest, strict=True)]
    return np.array(start), np.array([name in known for name in oracle.actuators], dtype=np.bool_)


def previous_of(oracle: Oracle, now: Situation) -> tuple[Array, Array] | None:
    """Return (q_mvar, positions) of the previous plan in this window, or None without one.

    Steps that it does not reach keep its last positions; their Q starts at 0.
    """
    if now.previous is None:
        return None
    span, start = now.window.span, start_of(oracle, now)[0]
    steps = span.stop - span.start
    q, at = np.zeros((steps, len(oracle.elements))), np.tile(start, (steps, 1))
    for k, name in enumerate(oracle.elements):
        known = now.previous_series(name, "q_mvar")
        if known is not None:
            q[:, k] = np.nan_to_num(known[span])
    for k, name in enumerate(oracle.actuators):
        known = now.previous_series(name, "position")
        if known is not None and np.isfinite(known[span]).any():
            held = known[span].copy()
            for step in np.flatnonzero(~np.isfinite(held)):
                held[step] = held[step - 1] if step else start[k]
            at[:, k] = held
    return q, at


def planned(
    oracle: Oracle,
    now: Situation,
    p_mw: Array,
    modes: Mapping[str, Array],
    near: tuple[Array, Array] | None = None,
) -> VarPlan:
    """Return the reactive plan for powers (steps, elements).

    `near` is (q_mvar, positions) of a plan for similar powers: where nothing is broken with it, it
    stays as it is; without it the previous plan's positions are where the search begins.
    """
    spans = spans_of(oracle, now, p_mw, modes)
    if near is not None:
        same = kept(oracle, p_mw, spans, near)
        if not is_broken(oracle, same):
            return same
    start, movable = start_of(oracle, now)
    days = now.window.days[:, now.window.span].argmax(axis=0)
    return reactive_plan(
        oracle,
        p_mw,
        spans,
        start=start,
        movable=movable,
        hours=now.window.dt_h[now.window.span],
        near=near if near is not None else previous_of(oracle, now),
        budget=budget_of(oracle, days, now.state.moved),
    )


def is_broken(oracle: Oracle, plan: VarPlan) -> bool:
    """Return whether a network limit or the tie's power factor is broken."""
    if (excess_mvar(oracle.park, plan) > TOLERATED_MVAR).any():
        return True
    return any(v.rule in NETWORK_RULES for v in violations(oracle.park, plan.states))


def excess_mvar(park: Park, plan: VarPlan) -> Array:
    """Return (steps,) by how much the tie's Mvar exceed the contract's power factor; nan where unsolved."""
    states = plan.states
    return np.abs(states.q_tie_mvar) - tie_q_max_mvar(park, states.p_tie_mw)


def operation_of(oracle: Oracle, plan: Plan) -> tuple[Array, Array, Array]:
    """Return (p_mw, q_mvar, positions) of a plan, a row per step."""
    p, q = (
        np.column_stack([plan.series[name][key] for name in oracle.elements]) for key in ("p_mw", "q_mvar")
    )
    at = [plan.series[name]["position"] for name in oracle.actuators]
    return p, q, np.column_stack(at) if at else np.empty((plan.steps, 0))


def positions_of(park: Park, plan: VarPlan) -> dict[str, dict[str, Array]]:
    """Return the series of actuators: `position` in steps, taps, or Mvar injected by a statcom."""
    return {name: {"position": plan.positions[:, k].copy()} for k, name in enumerate(park.actuators)}


def relaxations_of(park: Park, plan: VarPlan) -> tuple[Relaxation, ...]:
    """Declare the steps whose power factor at the tie no source could keep."""
    return tuple(
        Relaxation(
            limit="power_factor",
            step=step,
            amount=float(mvar),
            unit="Mvar",
            reason="no reactive source is left that would keep the tie's power factor",
        )
        for step, mvar in enumerate(excess_mvar(park, plan))
        if mvar > TOLERATED_MVAR
    )
