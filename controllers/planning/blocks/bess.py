"""Battery: one energy balance, no binary where charging and discharging at once does not pay."""

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds, Values
from controllers.planning.slots import Frame, Situation
from vpp.devices import Bess, bess
from vpp.park.model import Park
from vpp.types import Array

BURNT_MW = 5e-4
"""Charging and discharging at once beyond this is no noise of the solver; the checker takes 0.001 MW."""


def needs_binary(park: Park, device: Bess) -> bool:
    """Return whether burning surplus in the battery's losses could pay.

    Charging and discharging at once costs the degradation of eta / (1 - eta) MWh for each MWh lost
    and saves at most the curtailment price (derived in the note on the day-ahead MILP).
    """
    eta = device.params.eta_ch * device.params.eta_dis
    if eta >= 1:
        return False
    price = device.params.degradation_cny_per_mwh_discharged * eta / (1 - eta)
    return price <= park.contracts.curtailment.price_cny_per_mwh


def block(park: Park, device: Bess, frame: Frame) -> Block:
    """Return the block of a battery: e' = e (1 - loss dt) + dt (eta charge - discharge / eta).

    `charge_mw` and `discharge_mw` are at the converter's terminals without the own use, which is
    drawn at all times: p_mw = discharge - charge - aux. Energy is on the DC side, at the slot's end.
    """
    n, name, params = frame.axis.n, device.resource.id, device.params
    p, charge, discharge, e = (cp.Variable(n, name=f"{name}_{x}") for x in ("p", "ch", "dis", "e"))
    e_start = cp.Parameter(name=f"{name}_e0")
    aux, room = cp.Parameter(n, name=f"{name}_aux"), cp.Parameter(n, name=f"{name}_room")
    loss_per_h = 1 - bess.retention(device, 3600.0)
    kept = 1 - loss_per_h * frame.dt_h
    stored = params.eta_ch * charge - discharge / params.eta_dis
    rows = [
        p == discharge - charge - aux,
        e[0] == e_start,
        e[1:] == cp.multiply(kept[1:], e[:-1]) + cp.multiply(frame.dt_h[1:], stored[1:]),
    ]
    variables = {"charge": charge, "discharge": discharge, "e": e}
    integers: tuple[str, ...] = ()
    if needs_binary(park, device):
        charging = cp.Variable(n, name=f"{name}_charging")
        variables["charging"], integers = charging, ("charging",)
        rows += [
            charge <= device.charge_max_mw * charging,
            discharge <= device.discharge_max_mw * (1 - charging),
        ]

    def update(situation: Situation) -> Bounds:
        on = situation.window.active * float(situation.is_available(name))
        e_start.value = situation.state.resources[name]["e_mwh"]
        aux.value = device.aux_mw * on
        room.value = device.discharge_max_mw * on
        bounds = _bounds(device, situation, np.asarray(on, dtype=np.float64))
        return {**bounds, "charging": (np.zeros(n), np.ones(n))} if integers else bounds

    def series(values: Values, situation: Situation) -> dict[str, Array]:
        return {
            "charge_mw": values["charge"],
            "discharge_mw": values["discharge"],
            "e_mwh": values["e"],
        }

    return Block(
        id=name,
        p_mw=p,
        variables=variables,
        constraints=tuple(rows),
        costs={
            "degradation": params.degradation_cny_per_mwh_discharged * (frame.dt_h @ discharge),
        },
        update=update,
        series=series,
        integers=integers,
        rounded=lambda values: {} if integers else _one_way(device, values),
        reserve_up_mw=room - p,
        e_mwh=e,
    )


def _one_way(device: Bess, values: Values) -> Bounds:
    """Stop the smaller of charging and discharging at once: where a limit gives way, burning would pay."""
    charge, discharge = values["charge"], values["discharge"]
    both = np.minimum(charge, discharge) > BURNT_MW
    free = np.zeros_like(charge)
    return {
        "charge": (free, np.where(both & (charge < discharge), 0.0, device.charge_max_mw)),
        "discharge": (free, np.where(both & (charge >= discharge), 0.0, device.discharge_max_mw)),
    }


def _bounds(device: Bess, situation: Situation, on: Array) -> Bounds:
    """Return ratings and the energy window; a window left before the plan is widened, decay included."""
    n, params, size = len(on), device.params, device.e_full_mwh
    e0 = situation.state.resources[device.resource.id]["e_mwh"]
    passed_h = np.cumsum(situation.window.dt_h)
    low = min(params.soc_min * size, e0) * bess.retention(device, 3600.0) ** passed_h - 1e-6
    # a bounded p cannot pass its rating even where the own use is drawn on top
    return {
        "p_mw": (np.full(n, device.resource.p_min_mw), np.full(n, device.resource.p_max_mw)),
        "charge": (np.zeros(n), device.charge_max_mw * on),
        "discharge": (np.zeros(n), device.discharge_max_mw * on),
        "e": (low, np.full(n, max(params.soc_max * size, e0) + 1e-6)),
    }
