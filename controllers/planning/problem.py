"""One compiled problem of a park: blocks, limits, the balance with losses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from controllers.planning.bill import COST_ITEMS
from controllers.planning.blocks import Block, all_blocks
from controllers.planning.blocks.block import Bounds
from controllers.planning.compiled import Compiled, values_of
from controllers.planning.declared import deviation
from controllers.planning.lazy_rows import Row
from controllers.planning.limits import Limit, Tie, all_limits
from controllers.planning.moves import all_moves
from controllers.planning.prices import Prices, prices_of
from controllers.planning.slots import Axis, Frame, Situation, axis, frame
from controllers.planning.stakes import slack_prices
from network.contingency import AFTER
from network.security import Cut
from vpp.park.model import Park
from vpp.types import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Linear losses of each slot: constant + sum over elements of slope x p_mw."""

    constant_mw: Array
    """(n,)."""
    slope: Mapping[str, Array]
    """By element, (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The DPP problem of a park, canonicalised once, and where everything stands in it."""

    park: Park
    frame: Frame
    blocks: Mapping[str, Block]
    limits: tuple[Limit, ...]
    tie: Tie
    loss_constant: cp.Parameter
    loss_slope: Mapping[str, cp.Parameter]
    compiled: Compiled
    prices: Prices

    @property
    def parts(self) -> tuple[Block | Limit, ...]:
        """Blocks, then limits."""
        return (*self.blocks.values(), *self.limits)

    @property
    def integers(self) -> npt.NDArray[np.int64]:
        """Columns of all integer variables."""
        spans = [
            np.arange(self.compiled.size)[self.compiled.columns(block.variables[name])]
            for block in self.blocks.values()
            for name in block.integers
        ]
        return np.concatenate([*spans, np.empty(0, dtype=np.int64)])


def compose(
    park: Park, blocks: Mapping[str, Block], own: Frame, tie: Tie
) -> tuple[cp.Problem, tuple[Limit, ...], cp.Parameter, dict[str, cp.Parameter], Any]:
    """Return the problem of all blocks and limits, and its balance.

    import - export + sum p_mw = losses, the losses linear in the injections.
    """
    n = own.axis.n
    limits = (*all_limits(park, own, tie, blocks), deviation(park, own, tie), *all_moves(own, blocks))
    constant = cp.Parameter(n, name="loss_constant")
    slope = {name: cp.Parameter(n, name=f"loss_{name}") for name in blocks}
    losses = constant + sum(cp.multiply(slope[name], b.p_mw) for name, b in blocks.items())
    balance = tie.import_mw - tie.export_mw + sum(b.p_mw for b in blocks.values()) == losses
    rows: list[Any] = [balance]
    costs: list[Any] = [limit.unbilled_cny for limit in limits]
    parts: list[Block | Limit] = [*blocks.values(), *limits]
    for part in parts:
        rows += part.constraints
        costs += part.costs.values()
    return cp.Problem(cp.Minimize(sum(costs)), rows), limits, constant, slope, balance


def build(park: Park, steps: int, situation_of: Callable[[Axis], Situation]) -> Model:
    """Return the compiled model for windows of up to `steps` steps.

    `situation_of(axis)` gives any valid situation: the compiler wants every parameter to have a value.
    """
    own = frame(axis(park, steps))
    tie = Tie(
        import_mw=cp.Variable(own.axis.n, name="import"), export_mw=cp.Variable(own.axis.n, name="export")
    )
    blocks = all_blocks(park, own)
    problem, limits, constant, slope, balance = compose(park, blocks, own, tie)
    situation = situation_of(own.axis)
    own.set(situation.window)
    parts: list[Block | Limit] = [*blocks.values(), *limits]
    for part in parts:
        part.update(situation)
    constant.value = np.zeros(own.axis.n)
    for parameter in slope.values():
        parameter.value = np.zeros(own.axis.n)
    compiled = Compiled(problem)
    return Model(
        park=park,
        frame=own,
        blocks=blocks,
        limits=limits,
        tie=tie,
        loss_constant=constant,
        loss_slope=slope,
        compiled=compiled,
        prices=prices_of(compiled, balance, blocks, limits),
    )


def set_situation(model: Model, situation: Situation, losses: Losses) -> tuple[Array, Array]:
    """Set every parameter and return the native bounds (lower, upper) of all columns."""
    model.frame.set(situation.window)
    set_losses(model, losses)
    lower, upper = np.full(model.compiled.size, -np.inf), np.full(model.compiled.size, np.inf)
    for column in (model.tie.import_mw, model.tie.export_mw):
        lower[model.compiled.columns(column)] = 0.0
    for part in model.parts:
        narrow(model, part, part.update(situation), lower, upper)
    return lower, upper


def set_losses(model: Model, losses: Losses) -> None:
    """Set the linear losses."""
    model.loss_constant.value = losses.constant_mw
    for name, parameter in model.loss_slope.items():
        parameter.value = losses.slope[name]


def narrow(model: Model, part: Block | Limit, bounds: Bounds, lower: Array, upper: Array) -> None:
    """Intersect the bounds of all columns with those of one block or limit, in place."""
    for name, (low, high) in bounds.items():
        variable = part.p_mw if name == "p_mw" and isinstance(part, Block) else part.variables[name]
        span = model.compiled.columns(variable)
        lower[span] = np.maximum(lower[span], low)
        upper[span] = np.minimum(upper[span], high)


def solution_of(model: Model, x: Array) -> dict[str, dict[str, Array]]:
    """Return block or limit name -> variable name -> values (n,) of a solution."""
    found = {}
    for name, block in model.blocks.items():
        found[name] = values_of(model.compiled, x, {"p_mw": block.p_mw, **block.variables})
    for limit in model.limits:
        found[limit.name] = values_of(model.compiled, x, limit.variables)
    found["tie"] = values_of(
        model.compiled, x, {"import_mw": model.tie.import_mw, "export_mw": model.tie.export_mw}
    )
    return found


def costs_of(model: Model, x: Array) -> dict[str, float]:
    """Return the cost items of a solution, CNY, by evaluating the blocks' own expressions."""
    _assign(model, x)
    out = dict.fromkeys(COST_ITEMS, 0.0)
    for part in model.parts:
        for item, expression in part.costs.items():
            out[item] += float(expression.value)
    return out


def _assign(model: Model, x: Array) -> None:
    variables = [v for part in model.parts for v in part.variables.values()]
    variables += [b.p_mw for b in model.blocks.values()] + [model.tie.import_mw, model.tie.export_mw]
    for variable in variables:
        variable.save_value(x[model.compiled.columns(variable)])


def row_of(model: Model, situation: Situation, cut: Cut) -> Row:
    """Return an AC cut as a lazy row on the injections of its step; `upper` is in MW."""
    slot = situation.window.first + cut.step
    columns = tuple(model.compiled.columns(model.blocks[i].p_mw).start + slot for i in cut.coeff)
    prices = slack_prices(model.park, model.frame.axis)
    price = prices.outage if AFTER in cut.name else prices.network
    return Row(
        columns=columns,
        coefficients=tuple(cut.coeff.values()),
        upper=cut.upper,
        price=price * model.frame.axis.step_h,
        key=(slot, cut.name),
    )
