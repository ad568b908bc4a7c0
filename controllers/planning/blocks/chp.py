"""CHP unit: it runs in its band, ramps slowly, burns fuel."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks import ramped
from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.slots import Frame, Situation
from vpp.devices import Chp
from vpp.park.model import Park
from vpp.types import Array


def block(park: Park, device: Chp, frame: Frame) -> Block:
    """Return the block of a CHP unit: p_min <= p_mw <= p_max, convex, no commitment (it must run).

    It stands only where it does not answer, or a pin or outage holds it off.

    Fuel is paid per MWh of electricity, its carbon at the contract's price.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    p, room = cp.Variable(n, name=f"{name}_p"), cp.Parameter(n - 1, name=f"{name}_room")
    carbon = params.co2_t_per_mwh * park.contracts.carbon.price_cny_per_t

    def update(situation: Situation) -> Bounds:
        on = float(situation.is_available(name)) - ramped.held_off(situation, name, params.p_min_mw)
        on = np.maximum(0.0, on)
        room.value = ramped.room_mw(situation, device.ramp_mw_per_h, held=on)
        now_mw = situation.state.resources[name].get("p_mw", 0.0)
        band = (params.p_min_mw, device.resource.p_max_mw)
        low, high = ramped.reach(situation, now_mw, device.ramp_mw_per_h, band)
        # one that comes back takes its least power and rises from there
        back = params.p_min_mw + device.ramp_mw_per_h * situation.window.axis.step_h / 2
        top = np.where(ramped.began(on, situation.window.first), np.minimum(back, high), high)
        return {"p_mw": (low * on, top * on)}

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        return {}

    return Block(
        id=name,
        p_mw=p,
        variables={},
        constraints=tuple(ramped.rows(p, room)),
        costs={"fuel": params.fuel_cny_per_mwh * (frame.dt_h @ p), "carbon": carbon * (frame.dt_h @ p)},
        update=update,
        series=series,
    )
