"""Whose cost it is and when it falls: the items of a plan's cost by owner and by step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block
from controllers.planning.limits import Limit, Tie
from controllers.planning.solve import Compiled
from vpp.types import Array

TIE, PARK = "tie", "park"
"""Owners that are no resource or load."""
TIE_LIMITS = ("tie", "demand")
"""A limit whose name begins so is the tie's; one named `...:ID` is that element's; others the park's."""

OF_WINDOW = ("demand_charge", "terminal")
"""Items of the whole window although their variables have slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Costs of a solution, CNY."""

    by_owner: Mapping[str, Mapping[str, float]]
    """Owner -> item; all add up to the cost."""
    by_step: Mapping[str, Array]
    """Item -> (n,) by slot; the rest of an item belongs to no slot."""


class Bill:
    """Every affine cost as a row of one small compiled problem, so that its terms can be told apart."""

    def __init__(self, blocks: Mapping[str, Block], limits: Iterable[Limit], tie: Tie, n: int) -> None:
        owner = {v.id: name for name, b in blocks.items() for v in (b.p_mw, *b.variables.values())}
        limits = tuple(limits)
        owner |= {v.id: _owner(limit.name) for limit in limits for v in limit.variables.values()}
        owner |= {tie.import_mw.id: TIE, tie.export_mw.id: TIE}
        parts: list[Block | Limit] = [*blocks.values(), *limits]
        every = [(item, cost) for part in parts for item, cost in part.costs.items()]
        # a cost without variables is a constant and cannot be a row
        costs = [(item, cost) for item, cost in every if cost.variables() and cost.is_affine()]
        rows = cp.hstack([cost for _, cost in costs]) == np.zeros(len(costs))
        self._compiled = Compiled(cp.Problem(cp.Minimize(0), [rows]))
        self._variables = tuple({v.id: v for _, cost in costs for v in cost.variables()}.values())
        self._owners = tuple(dict.fromkeys([*owner.values(), PARK]))
        self._items = tuple(dict.fromkeys(item for item, _ in costs))
        self._item = np.array([self._items.index(item) for item, _ in costs])
        self._owner_of = np.zeros(self._compiled.size, dtype=np.int64)
        self._slot = np.full(self._compiled.size, n, dtype=np.int64)
        self._n = n
        for variable in self._variables:
            span = self._compiled.columns(variable)
            self._owner_of[span] = self._owners.index(owner.get(variable.id, PARK))
            self._slot[span] = np.arange(n) if variable.size == n else n

    def shares(self, where: Compiled, x: Array) -> Shares:
        """Return the shares of a solution `x` of the problem compiled in `where`, present parameters."""
        own = np.zeros(self._compiled.size)
        for variable in self._variables:
            own[self._compiled.columns(variable)] = x[where.columns(variable)]
        _, matrix, _ = self._compiled.apply()
        terms = matrix.tocoo()
        cny, item, owner = terms.data * own[terms.col], self._item[terms.row], self._owner_of[terms.col]
        owned = np.bincount(item * len(self._owners) + owner, cny, len(self._items) * len(self._owners))
        slots = np.bincount(
            item * (self._n + 1) + self._slot[terms.col], cny, len(self._items) * (self._n + 1)
        )
        by_owner: dict[str, dict[str, float]] = {}
        by_step: dict[str, Array] = {}
        for k, name in enumerate(self._items):
            for owner_name, value in zip(self._owners, owned.reshape(len(self._items), -1)[k], strict=True):
                if value:
                    by_owner.setdefault(owner_name, {})[name] = float(value)
            if name not in OF_WINDOW:
                by_step[name] = np.asarray(
                    slots.reshape(len(self._items), -1)[k, : self._n], dtype=np.float64
                )
        return Shares(by_owner=by_owner, by_step=by_step)


def _owner(limit: str) -> str:
    if limit.startswith(TIE_LIMITS):
        return TIE
    return limit.partition(":")[2] or PARK
