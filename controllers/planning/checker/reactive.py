"""Rules of the reactive plan: what sources can give, where actuators stand, the tie's power factor."""

import numpy as np

from controllers.planning.checker.seen import Seen
from network.ac_states import AcStates
from network.model import q_mvar
from network.reactive_moves import MOST_MOVES
from network.security import tie_q_max_mvar
from vpp.devices import q_limits
from vpp.park.positions import position_range
from vpp.types import Violation

MVAR = 0.01
"""Reactive power beyond a limit that passes: rounding."""
TIE_MVAR = 0.1
"""Reactive power at the tie beyond the contract's power factor that passes (assumption)."""
WHOLE = 1e-6
"""A position farther from a whole number than this is none."""


def sources(view: Seen) -> list[Violation]:
    """Return the sources that are asked for more Q than they have at their planned power."""
    park, found = view.park, []
    for name in (*park.resources, *park.loads):
        series = view.plan.series[name]
        device, q = park.devices.get(name), series["q_mvar"]
        if device is None:
            low = high = q_mvar(park, name, series["p_mw"])
        elif not view.available(name):
            low = high = np.zeros(view.n)
        else:
            codes = series.get("mode_code", np.zeros(view.n)).tolist()
            spans = [q_limits(device, p, c) for p, c in zip(series["p_mw"].tolist(), codes, strict=True)]
            low, high = np.array(spans).reshape(-1, 2).T
        over = np.maximum(low - q, q - high)
        found += view.where("reactive_limit", name, over, MVAR, "{:.3f} Mvar beyond what it can give")
    return found


def actuators(view: Seen) -> list[Violation]:
    """Return banks and taps out of range, between two positions, or moved too often in a day."""
    found = []
    for name, row in view.park.actuators.items():
        at = view.plan.series[name]["position"]
        low, high = position_range(view.park, name)
        over = np.maximum(low - at, at - high)
        found += view.where("position", name, over, WHOLE, "{:.3f} beyond its range")
        if row.kind == "statcom":
            continue
        found += view.where("position", name, np.abs(at - np.round(at)), WHOLE, "{:.3f} off a whole position")
        start = view.plan.initial.positions.get(name, at[0])
        moves = np.abs(np.diff(at, prepend=start))
        days = view.days()
        for day in sorted(set(days)):
            count = float(moves[np.array(days) == day].sum())
            before = view.plan.initial.moved.get(name, 0.0) if day == 0 else 0.0
            excess = np.array([min(count, before + count - MOST_MOVES[row.kind])])
            found += view.where("switching", name, excess, 0.5, "{:.0f} moves more than a day allows")
        if name not in view.plan.initial.positions:
            found += view.where("position", name, moves, WHOLE, "moved by {:.0f} though it does not answer")
    return found


def power_factor(view: Seen, states: AcStates) -> list[Violation]:
    """Return where the tie's Mvar break the contract's power factor without saying so."""
    q = states.q_tie_mvar
    over = np.abs(q) - tie_q_max_mvar(view.park, states.p_tie_mw) - view.declared("power_factor")
    found = view.where("power_factor", "tie", over, TIE_MVAR, "{:.2f} Mvar beyond the power factor")
    off = np.abs(q - view.plan.series["tie"]["q_mvar"])
    return found + view.where("energy_balance", "tie", off, TIE_MVAR, "Mvar off the AC power flow by {:.2f}")
