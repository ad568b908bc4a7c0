"""Thinking: one compiled problem, AC-secure plans, an independent checker."""

from controllers.planning.checker import check
from controllers.planning.planner import Planner, plan_day
from controllers.planning.release import Released
from controllers.planning.state import due, initial_state, measured_mw, state_from_snapshot

__all__ = [
    "Planner",
    "Released",
    "check",
    "due",
    "initial_state",
    "measured_mw",
    "plan_day",
    "state_from_snapshot",
]
