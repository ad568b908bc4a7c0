"""Shadow prices: what one unit more of each limit, load or store is worth to the plan.

Duals of the last linear problem, in which commitments are fixed: the derivative of its optimum by the
right-hand side of a row (sensitivity theorem of linear programming). Where a plan sits at a corner the
derivative from the left and from the right differ and the solver gives a value between them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block
from controllers.planning.compiled import Compiled
from controllers.planning.limits import Limit
from network.bus_slopes import BusSlopes
from network.security import Cut
from vpp.types import Array

LIMITS = ("tie_import", "tie_export", "reserve_up")
"""Limits whose first constraint has a row per slot, priced per hour."""
PEAK = "demand_charge"
NOISE = 1e-6
"""Prices below this are the solver's noise, CNY."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Where the rows stand whose duals are prices."""

    balance: slice
    """Park balance, one row per slot."""
    limits: Mapping[str, slice]
    """Limit -> rows, one per slot."""
    stores: Mapping[str, slice]
    """Resource -> rows of its store's balance, from slot 1 on."""
    core: int
    """Rows in front of the lazy ones."""


def prices_of(
    compiled: Compiled, balance: Any, blocks: Mapping[str, Block], limits: Iterable[Limit]
) -> Prices:
    """Return where the priced rows stand among the compiled ones."""
    found = {limit.name: compiled.rows(limit.constraints[0]) for limit in limits if _is_priced(limit)}
    stores = {name: row for name, block in blocks.items() if (row := _store_row(block)) is not None}
    return Prices(
        balance=compiled.rows(balance),
        limits=found,
        stores={name: compiled.rows(row) for name, row in stores.items()},
        core=compiled.height,
    )


def _is_priced(limit: Limit) -> bool:
    return bool(limit.constraints) and (limit.name in (*LIMITS, PEAK) or limit.name.startswith("island_soc:"))


def _store_row(block: Block) -> Any | None:
    """Return the balance of a store over its slots: the equality that ties its content to the slot before."""
    content = block.e_mwh if block.e_mwh is not None else block.variables.get("kg")
    if content is None:
        return None
    equal = (cp.constraints.Equality, cp.constraints.Zero)
    rows = [r for r in block.constraints if isinstance(r, equal) and r.size == content.size - 1]
    return next((row for row in rows if any(v.id == content.id for v in row.variables())), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What prices need to know of the plan; arrays (n,) by slot."""

    dt_h: Array
    span: slice
    loss_slope: Mapping[str, Array]
    """By element, MW of losses per MW injected."""
    cuts: tuple[Cut, ...]
    """In the order of the lazy rows."""
    first: int
    """Slot of the plan's first step."""
    bus_of: Mapping[str, str]
    """Element -> bus; the first element at a bus speaks for it, with its own reactive rule."""
    buses: tuple[str, ...]
    """All buses that get a price; those where no element speaks need `slopes_at`."""
    slopes_at: Callable[[Sequence[Cut], Sequence[str]], BusSlopes]
    """(cuts, buses) -> how losses and cuts move with a MW there, around the plan."""
    export_max_mw: Array


def shadow_prices(prices: Prices, duals: Array, around: Around) -> dict[str, Array]:
    """Return the prices by name, (steps,); see `Plan.shadow_prices`. Empty without duals."""
    if not len(duals):
        return {}
    hours, out = around.dt_h[around.span], {}
    # the right side of the balance is what losses take: a MW more of it is a MW more of demand
    energy = duals[prices.balance][around.span] / hours
    out["energy"] = energy
    for name, rows in prices.limits.items():
        value = np.maximum(0.0, -duals[rows][around.span])
        if name == PEAK:
            out["demand_peak"] = value
        else:
            out[name] = value / hours
    closed = around.export_max_mw[around.span] == 0
    # a tie that may not export at all is a corner: its dual may be the slack's price, a MW more is worth this
    worth = np.where(closed, np.maximum(0.0, -energy), np.inf)
    out["tie_export"] = np.minimum(out["tie_export"], worth)
    bound = _bound(prices, duals, around)
    network, congestion = _cut_prices(bound, around)
    out |= network
    known = {element for cut in around.cuts for element in cut.coeff}
    for element, bus in around.bus_of.items():
        # where rows bind, only an element that rows know can speak for its bus
        if f"bus:{bus}" in out or element not in around.loss_slope or (network and element not in known):
            continue
        lossy = energy * (1 - around.loss_slope[element][around.span])
        out[f"bus:{bus}"] = lossy - congestion.get(element, np.zeros(len(hours)))
    out |= _elsewhere(energy, bound, around, [bus for bus in around.buses if f"bus:{bus}" not in out])
    for name, rows in prices.stores.items():
        whole = np.concatenate([[0.0], duals[rows]])
        out[f"store:{name}"] = -whole[around.span]
    return {name: _clean(values) for name, values in out.items()}


def _bound(prices: Prices, duals: Array, around: Around) -> list[tuple[Cut, float]]:
    """Return the cuts that bind, each with the value of a MW more of it, CNY per MW and hour."""
    found = []
    for k, cut in enumerate(around.cuts):
        value = max(0.0, -float(duals[prices.core + k])) / float(around.dt_h[around.first + cut.step])
        if value > NOISE:
            found.append((cut, value))
    return found


def _cut_prices(
    bound: Iterable[tuple[Cut, float]], around: Around
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return (row -> value of a MW more of it, element -> what a MW injected costs in rows), per hour."""
    steps = around.span.stop - around.span.start
    rows: dict[str, Array] = {}
    elements: dict[str, Array] = {}
    for cut, value in bound:
        rows.setdefault(cut.name, np.zeros(steps))[cut.step] += value
        for element, coefficient in cut.coeff.items():
            elements.setdefault(element, np.zeros(steps))[cut.step] += value * coefficient
    return rows, elements


def _elsewhere(
    energy: Array, bound: Sequence[tuple[Cut, float]], around: Around, buses: Sequence[str]
) -> dict[str, Array]:
    """Return the prices of buses where no element speaks: demand there draws no Mvar.

    The tie's price with the losses and the rows that a MW there moves, by tangents of the AC power flow
    at the plan's own operating points; the rest of the plan answers as the linear problem lets it.
    """
    if not buses:
        return {}
    slopes = around.slopes_at([cut for cut, _ in bound], buses)
    price = energy[:, None] * (1 - slopes.losses)
    for (cut, value), coefficients in zip(bound, slopes.cuts, strict=True):
        price[cut.step] -= value * coefficients
    return {f"bus:{bus}": price[:, k] for k, bus in enumerate(buses)}


def _clean(values: Array) -> Array:
    out: Array = np.where(np.abs(values) < NOISE, 0.0, values)
    return out
