"""What a device brings to the planning problem."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp

from controllers.planning.slots import Situation
from vpp.types import Array

Bounds = Mapping[str, tuple[Array, Array]]
"""Variable name -> (lower, upper) of shape (n,); given to the solver as native bounds."""
Values = Mapping[str, Array]
"""Variable name -> solution of shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Variables, rows and costs of one device or load; bounds never enter cvxpy.

    Bounds that change with time would make a product with a parameter leave the DPP rules, and as
    rows they cost the solver ten times the time of native bounds.
    """

    id: str
    p_mw: cp.Variable
    """Injection at the terminals, (n,), MW."""
    variables: Mapping[str, cp.Variable]
    """All variables but `p_mw`, each (n,)."""
    constraints: tuple[Any, ...]
    costs: Mapping[str, Any]
    """Item of `Plan.cost_breakdown_cny` -> scalar expression, CNY."""
    update: Callable[[Situation], Bounds]
    """Sets the parameters for a situation and returns the native bounds."""
    series: Callable[[Values, Situation], dict[str, Array]]
    """Device's own series of the plan, each (n,), from a solution."""
    integers: tuple[str, ...] = ()
    ledger: tuple[Any, ...] = ()
    """Those of `constraints` that only say when calls may be: a load that is never called keeps them."""
    nearest: Callable[[Values, Bounds, Situation], tuple[Bounds, ...]] | None = None
    """(solution of a relaxation, bounds) -> feasible choices near it, as bounds that fix the integers."""
    reserve_up_mw: Any = None
    """Power that could be raised within a minute, expression (n,), or None."""
    h2_kg_per_h: Any = None
    """Hydrogen made, expression (n,), or None."""
    h2_used_kg_per_h: Any = None
    """Hydrogen taken from the park's store, expression (n,), or None."""
    e_mwh: cp.Variable | None = None
    """Energy in store at the end of each slot."""
    relinearise: Callable[[Values, Situation], None] | None = None
    """Moves linear parts to a solution, before the next round."""
    committed: Callable[[Situation], Bounds] | None = None
    """Bounds that fix the integers at the previous plan's values; None where it holds none."""
    rounded: Callable[[Values], Bounds] = field(default=lambda values: {})
    """Bounds that settle what was relaxed, from a solution."""
