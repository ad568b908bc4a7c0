"""Electrolyser plant of equal stacks."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.types import Resource

NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectrolyzerParams:
    """`params/*.toml` of an electrolyser plant."""

    stacks: Annotated[int, Ge(1)]
    stack_mw: Positive
    stack_load_min: Annotated[float, Ge(0), Le(1)]
    stack_load_max: Annotated[float, Gt(0), Le(1.5)]
    standby_pct: NonNegative
    """Power of a stack on standby, percent of its rating."""
    cold_start_min: NonNegative
    hot_start_min: NonNegative
    ramp_pct_per_s: Positive
    start_cost_cny_per_mw_cold: NonNegative
    start_cost_cny_per_mw_hot: NonNegative
    kwh_per_kg_vs_load: tuple[tuple[float, float], ...]
    """Share of a stack's rated power -> AC energy per kg of hydrogen, rising load."""
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrolyzer:
    """Name plate of an electrolyser plant."""

    resource: Resource
    params: ElectrolyzerParams
