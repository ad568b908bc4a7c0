"""The independent checker: recomputes a plan from its own numbers; no cvxpy, no solver.

It vetoes broken physics and undeclared relaxations, never a declared one. Nothing is released
without its certificate.
"""

from collections.abc import Callable, Mapping

import numpy as np

from controllers.planning.checker import feeders
from controllers.planning.checker.bill import bill
from controllers.planning.checker.caes import caes_plant
from controllers.planning.checker.contingency import contingencies
from controllers.planning.checker.hydrogen import electrolyser, hydrogen
from controllers.planning.checker.network import network, reserve
from controllers.planning.checker.pins import pins
from controllers.planning.checker.reversion import reversion
from controllers.planning.checker.seen import Seen, seen
from controllers.planning.checker.slow import ammonia_loop, chp_unit
from controllers.planning.checker.storage import battery
from network.ac_states import AcStates
from network.powerflow import Oracle
from vpp.devices import Ammonia, Bess, Caes, Chp, Electrolyzer, H2Store, Pv, Wind
from vpp.park.model import Park
from vpp.types import Array, Certificate, Forecast, Plan, Violation

RULES = (
    "length",
    "finite",
    "power_limit",
    "exclusivity",
    "storage_energy",
    "soc_window",
    "idle_step",
    "minimum_time",
    "starts",
    "ramp",
    "shed_ledger",
    "energy_balance",
    "power_flow",
    "voltage",
    "loading",
    "tie_limit",
    "reserve",
    "reactive_limit",
    "position",
    "switching",
    "power_factor",
    "pin",
    "contingency",
    "reversion",
    "cost",
    "demand_peak",
    "declared_curve",
)

DEVICE_RULES: Mapping[type, Callable[[Seen, str], list[Violation]]] = {
    Wind: feeders.renewable,
    Pv: feeders.renewable,
    Bess: battery,
    Caes: caes_plant,
    Electrolyzer: electrolyser,
    H2Store: hydrogen,
    Ammonia: ammonia_loop,
    Chp: chp_unit,
}


def check(park: Park, plan: Plan, forecast: Forecast, oracle: Oracle | None = None) -> Certificate:
    """Return the certificate of a plan; `ok` only without violations.

    A plan with missing series, wrong lengths or numbers that are not finite is refused before any
    physics. `oracle` is the park's, where the caller has one.
    """
    view, formal = seen(park, plan, forecast)
    if formal or view is None:
        return _certificate(tuple(formal), None, float("nan"))
    found: list[Violation] = []
    for name, device in park.devices.items():
        found += DEVICE_RULES[type(device)](view, name)
    for name in park.loads:
        found += feeders.load(view, name)
    oracle = oracle or Oracle(park)
    states, in_network, error = network(view, oracle)
    found += in_network
    found += reserve(view)
    found += pins(view)
    found += contingencies(view, oracle)
    found += reversion(view, oracle, states)
    found += bill(view)
    return _certificate(tuple(found), states, error)


def _certificate(found: tuple[Violation, ...], states: AcStates | None, error: float) -> Certificate:
    nan = float("nan")
    return Certificate(
        ok=not found,
        violations=found,
        checked_rules=RULES,
        max_vm_pu=_extreme(np.max, states.vm_pu) if states is not None else nan,
        min_vm_pu=_extreme(np.min, states.vm_pu) if states is not None else nan,
        max_loading_percent=_extreme(np.max, states.loading_percent) if states is not None else nan,
        max_balance_error_mw=error,
        cut_rounds=0,
    )


def _extreme(pick: Callable[[Array], float], values: Array) -> float:
    """Return the largest or smallest known value; nan where no step has a solution."""
    known = values[np.isfinite(values)]
    return float(pick(known)) if known.size else float("nan")
