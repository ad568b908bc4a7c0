"""Wind farm: what is not fed in is curtailed, at a price."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.slots import Frame, Situation
from vpp.devices import Pv, Wind
from vpp.park.model import Park
from vpp.types import Array


def block(park: Park, device: Wind | Pv, frame: Frame) -> Block:
    """Return the block of a wind farm or PV plant: 0 <= p_mw <= available.

    Ramps of such plants (percent per second) never bind on steps of minutes. Curtailed energy costs
    the contract's `curtailment.price_cny_per_mwh`.
    """
    n, name = frame.axis.n, device.resource.id
    p = cp.Variable(n, name=f"{name}_p")
    curtailed = cp.Variable(n, name=f"{name}_curtailed")
    available = cp.Parameter(n, name=f"{name}_available")

    def update(situation: Situation) -> Bounds:
        most = np.minimum(situation.available_mw[name], device.resource.p_max_mw)
        most = most * situation.is_available(name)
        available.value = most
        return {"p_mw": (np.zeros(n), most), "curtailed": (np.zeros(n), np.full(n, np.inf))}

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        most = np.asarray(available.value)
        return {"available_mw": most, "curtailed_mw": np.maximum(0.0, most - values["p_mw"])}

    return Block(
        id=name,
        p_mw=p,
        variables={"curtailed": curtailed},
        constraints=(p + curtailed == available,),
        costs={"curtailment": park.contracts.curtailment.price_cny_per_mwh * (frame.dt_h @ curtailed)},
        update=update,
        series=series,
    )
