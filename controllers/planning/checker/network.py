"""Rules of the whole park: balance, AC state, tie, reserve."""

import numpy as np

from controllers.planning.checker.reactive import actuators, power_factor, sources
from controllers.planning.checker.seen import ON_MW, Seen
from network.ac_states import AcStates
from network.powerflow import Oracle
from network.security import violations
from vpp.devices import Bess, Caes, Electrolyzer
from vpp.types import Array, Violation

BALANCE_MW = 0.02
"""Largest error of import - export + injections - losses, and of the tie against the AC tie."""
TIE_MW = 0.05
"""Excess of a tie limit that passes: the linear losses' remainder (assumption)."""
VOLTAGE_PU, LOADING_PERCENT = 1e-4, 0.1
"""Excess of a network limit that passes: below what meters resolve (assumption)."""
LIMITS = {"voltage": ("voltage", VOLTAGE_PU), "loading": ("branch", LOADING_PERCENT)}
"""Rule -> what its relaxation is called before the colon, and the excess that passes."""


def network(view: Seen, oracle: Oracle) -> tuple[AcStates, list[Violation], float]:
    """AC state of all steps from the plan's injections, balance, tie and network limits."""
    park, plan = view.park, view.plan
    p = np.column_stack([plan.series[name]["p_mw"] for name in oracle.elements])
    q = np.column_stack([plan.series[name]["q_mvar"] for name in oracle.elements])
    at = np.column_stack(
        [np.empty((view.n, 0)), *(plan.series[name]["position"] for name in oracle.actuators)]
    )
    states = oracle.solve(p, q, at)
    tie = plan.series["tie"]["import_mw"] - plan.series["tie"]["export_mw"]
    found = sources(view) + actuators(view) + power_factor(view, states)
    balance = np.abs(tie + p.sum(axis=1) - plan.series["network"]["losses_mw"])
    found += view.where(
        "energy_balance", "tie", balance, BALANCE_MW, "balance with losses is off by {:.3f} MW"
    )
    off = np.abs(tie - states.p_tie_mw)
    found += view.where(
        "energy_balance", "tie", off, BALANCE_MW, "tie differs from the AC power flow by {:.3f} MW"
    )
    declared = {(r.limit, r.step) for r in plan.relaxations}
    for v in violations(park, states):
        if v.rule in LIMITS:
            limit, passes = LIMITS[v.rule]
            if abs(v.found - v.allowed) > passes and (f"{limit}:{v.resource}", v.step) not in declared:
                found.append(v)
        elif v.rule == "power_flow":
            # a state that nobody knows is no limit that could be given up
            found.append(v)
    found += _tie(view, states.p_tie_mw, declared)
    return states, found, float(np.nanmax([balance, off], initial=0.0))


def _tie(view: Seen, tie_mw: Array, declared: set[tuple[str, int]]) -> list[Violation]:
    """Import and export against the contract narrowed by the orders that the plan knew."""
    contract, series = view.park.contracts.tie, view.plan.series["tie"]
    export = 0.0 if view.park.contracts.curtailment.export_forbidden else contract.export_max_mw
    found = []
    for limit, power, most in (
        ("tie_import", tie_mw, np.minimum(contract.import_max_mw, series["import_max_mw"])),
        (
            "tie_export",
            -tie_mw,
            np.minimum(export, series.get("export_max_mw", np.full(len(tie_mw), export))),
        ),
    ):
        allowed = most + np.array(
            [
                sum(r.amount for r in view.plan.relaxations if r.limit == limit and r.step == k)
                for k in range(view.n)
            ]
        )
        excess = power - allowed
        found += view.where(
            "tie_limit", "tie", excess, TIE_MW, limit.replace("_", " ") + " is over its limit by {:.2f} MW"
        )
    return found


def reserve(view: Seen) -> list[Violation]:
    """Upward reserve and island energy: missing amounts must be declared."""
    park, plan = view.park, view.plan
    found = []
    share = park.contracts.reserve.island_battery_soc
    for name, device in park.devices.items():
        if isinstance(device, Bess) and view.available(name):
            least = max(share, device.params.soc_reserve_for_island) * device.e_full_mwh
            lacking = least - plan.series[name]["e_mwh"] - view.declared(f"island_soc:{name}")
            found += view.where(
                "reserve", name, lacking, 0.001 * device.e_full_mwh, "island energy lacks {:.2f} MWh"
            )
    room = sum((_room_up_mw(view, name) for name in park.devices), np.zeros(view.n))
    lacking = park.contracts.reserve.up_mw - room - view.declared("reserve_up")
    return found + view.where("reserve", "park", lacking, 0.1, "upward reserve lacks {:.2f} MW")


def _room_up_mw(view: Seen, name: str) -> Array:
    """Return (n,) by how much a device could raise its injection within a minute."""
    device, s = view.park.devices[name], view.plan.series[name]
    if not view.available(name):
        return np.zeros(view.n)
    if isinstance(device, Bess):
        return np.asarray(device.discharge_max_mw - s["p_mw"])
    if isinstance(device, Caes):
        running = s["discharge_mw"] > ON_MW
        return np.asarray(
            np.where(running, device.params.turbine.p_rated_mw - s["discharge_mw"], 0.0) + s["charge_mw"]
        )
    if isinstance(device, Electrolyzer):
        # every stack that is on may go to standby at once
        return np.maximum(0.0, s["load_mw"] - s["heating_mw"] - device.stack_standby_mw * s["warm_stacks"])
    return np.zeros(view.n)
