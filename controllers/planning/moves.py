"""The price of leaving the previous plan: among nearly equal plans the one that is followed already wins.

Without it successive plans swap the power of battery and CAES plant within hours of one price (an
oscillation between plans), and devices change for nothing.
"""

from collections.abc import Mapping

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds
from controllers.planning.limits import Limit
from controllers.planning.slots import Frame, Situation
from vpp.types import Array

MOVE_CNY_PER_MWH = 3.0
"""Energy planned otherwise than before (assumption): small against the tariff's spreads of 170-230 and
a battery's degradation of 110, so that a change of forecast, state or order still moves the plan."""


def all_moves(frame: Frame, blocks: Mapping[str, Block]) -> tuple[Limit, ...]:
    """Return the price of moving for each battery and CAES plant."""
    return tuple(moves(frame, name, block) for name, block in blocks.items() if block.e_mwh is not None)


def moves(frame: Frame, name: str, block: Block) -> Limit:
    """Price |p - p of the previous plan| of one store in the steps that both plans cover.

    moved >= p - previous, moved >= previous - p: at a price it is the distance. Without a previous
    plan the price is 0.
    """
    n = frame.axis.n
    moved = cp.Variable(n, name=f"{name}_moved")
    before, price = cp.Parameter(n, name=f"{name}_before"), cp.Parameter(n, name=f"{name}_move_price")

    def update(situation: Situation) -> Bounds:
        p_mw = _previous_mw(situation, name)
        known = ~np.isnan(p_mw)
        before.value = np.where(known, p_mw, 0.0)
        price.value = MOVE_CNY_PER_MWH * known * situation.window.dt_h
        return {"moved": (np.zeros(n), np.full(n, np.inf))}

    return Limit(
        name=f"moves:{name}",
        unit="MW",
        reason="",
        variables={"moved": moved},
        slack=None,
        constraints=(block.p_mw - before <= moved, before - block.p_mw <= moved),
        costs={},
        unbilled_cny=price @ moved,
        update=update,
    )


def _previous_mw(situation: Situation, name: str) -> Array:
    series = situation.previous_series(name, "p_mw")
    return np.full(situation.window.axis.n, np.nan) if series is None else series
