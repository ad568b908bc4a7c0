"""The declared curve of the tie: a re-plan pays for leaving the band around what was declared."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Bounds
from controllers.planning.limits import Limit, Tie
from controllers.planning.slots import Frame, Situation
from vpp.park.model import Park
from vpp.types import Array


def declared_mw(situation: Situation) -> Array:
    """Return (n,) what the plan in force declared, import positive, MW; nan where it says nothing."""
    kept = situation.previous_series("tie", "declared_mw")
    return np.full(situation.window.axis.n, np.nan) if kept is None else kept


def deviation(park: Park, frame: Frame, tie: Tie) -> Limit:
    """Price the energy outside declared x (1 +- `declared_deviation_band`).

    A MWh outside costs `deviation_price_factor` x the step's price (contract of the tie). Steps that
    were not declared yet are free: the plan that covers them first declares them. Where an order limits
    the tie, what was declared beyond the order counts as declared at it: obeying is no deviation.
    """
    n, contract = frame.axis.n, park.contracts.tie
    outside = cp.Variable(n, name="deviation_outside")
    low, high, price = (cp.Parameter(n, name=f"deviation_{x}") for x in ("low", "high", "price"))
    free_mw = 10 * (contract.import_max_mw + contract.export_max_mw) + 1.0

    def update(situation: Situation) -> Bounds:
        declared = declared_mw(situation)
        known = ~np.isnan(declared) & situation.window.active
        ordered = np.clip(declared, -situation.export_max_mw, situation.import_max_mw)
        at = np.where(known, ordered, 0.0)
        band = np.where(known, contract.declared_deviation_band * np.abs(at), free_mw)
        low.value, high.value = at - band, at + band
        cny = contract.deviation_price_factor * np.maximum(0.0, situation.price_cny_per_mwh)
        price.value = cny * known * situation.window.dt_h
        return {"outside": (np.zeros(n), np.full(n, np.inf))}

    net = tie.import_mw - tie.export_mw
    return Limit(
        name="tie_deviation",
        unit="MW",
        reason="",
        variables={"outside": outside},
        slack=None,
        constraints=(net <= high + outside, net >= low - outside),
        costs={"deviation": price @ outside},
        update=update,
    )
