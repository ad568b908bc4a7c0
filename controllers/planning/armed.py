"""What stands armed in each step: how far each element can go right after an outage and some minutes on.

At once means within a second or two: batteries, electrolysers (a rectifier's pulses are blocked within
0.1 s; assumption), and loads whose breakers answer in seconds. A branch is not hurt by standing above its
short-time rating for that long.
"""

from collections.abc import Mapping

import numpy as np

from network.contingency_actions import Reach
from vpp.devices import Bess, Caes, Electrolyzer, Pv, Wind
from vpp.park.model import Park
from vpp.types import Array, NoticeClass

HOLD_H = 0.5
"""Hours that a battery must be able to keep what it was asked for: the longest short-time rating of
the shipped parks, after which the next plan has taken over (assumption)."""
Series = Mapping[str, Mapping[str, Array]]


def reach_at_once(park: Park, series: Series, elements: tuple[str, ...]) -> Reach:
    """Return how far batteries, electrolysers and loads of the notice class `seconds` can go."""
    later, still = reach_later(park, series, elements), _planned(series, elements)
    fast = np.array([_is_fast(park, name) for name in elements])
    return Reach(low=np.where(fast, later.low, still), high=np.where(fast, later.high, still))


def reach_later(park: Park, series: Series, elements: tuple[str, ...]) -> Reach:
    """Return how far armed actions can go within the minutes of a short-time rating.

    `series` are those of a plan. Batteries go anywhere that their energy holds for half an hour; a
    CAES plant that runs is taken off; electrolysers go down to standby, wind and sun to nothing;
    loads open what may be interrupted, whatever their ledger says (an outage is an emergency). All
    others stay: they are too slow, or nobody may ask them.
    """
    edges = [_edges(park, name, series[name]) for name in elements]
    low, high = (np.column_stack([edge[k] for edge in edges]) for k in (0, 1))
    p = _planned(series, elements)
    return Reach(low=np.minimum(low, p), high=np.maximum(high, p))


def _planned(series: Series, elements: tuple[str, ...]) -> Array:
    return np.column_stack([series[name]["p_mw"] for name in elements])


def _is_fast(park: Park, name: str) -> bool:
    load = park.loads.get(name)
    if load is not None:
        return load.notice_class is NoticeClass.SECONDS
    return isinstance(park.devices[name], Bess | Electrolyzer)


def _edges(park: Park, name: str, s: Mapping[str, Array]) -> tuple[Array, Array]:
    p = s["p_mw"]
    load = park.loads.get(name)
    if load is not None:
        if load.notice_class is NoticeClass.NEVER:
            return p, p
        share = max(load.interruptible_share, load.continuous_modulation_share)
        return p, -s["load_mw"] * (1 - share)
    match park.devices[name]:
        case Wind() | Pv():
            return np.zeros_like(p), p
        case Bess() as battery:
            return _battery(battery, s)
        case Caes() as plant:
            rest = np.full_like(p, -plant.params.standby_aux_mw)
            return np.minimum(p, rest), np.maximum(p, rest)
        case Electrolyzer() as plant:
            return p, np.full_like(p, -plant.standby_mw)
    return p, p


def _battery(battery: Bess, s: Mapping[str, Array]) -> tuple[Array, Array]:
    params, size = battery.params, battery.e_full_mwh
    before = np.append(s["e_mwh"][:1], s["e_mwh"][:-1])
    kept, full = np.minimum(before, s["e_mwh"]), np.maximum(before, s["e_mwh"])
    out = np.maximum(0.0, kept - params.soc_min * size) * params.eta_dis / HOLD_H
    into = np.maximum(0.0, params.soc_max * size - full) / params.eta_ch / HOLD_H
    return (
        -np.minimum(into, battery.charge_max_mw) - battery.aux_mw,
        np.minimum(out, battery.discharge_max_mw) - battery.aux_mw,
    )
