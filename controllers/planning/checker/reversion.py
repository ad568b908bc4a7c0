"""Rule `reversion`: limits hold with any one device, any one gateway, or everybody at its reversion value."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from controllers.planning.checker.network import LOADING_PERCENT, TIE_MW, VOLTAGE_PU
from controllers.planning.checker.seen import POWER_MW, Seen
from network.ac_states import AcStates
from network.powerflow import Oracle
from network.security import limit_rows, limit_values
from vpp.devices import Bess, Caes, Electrolyzer, H2Store, q_limits
from vpp.park.endpoints import endpoints
from vpp.types import Array, Violation

Flags = npt.NDArray[np.bool_]


def reversion(view: Seen, oracle: Oracle, own: AcStates) -> list[Violation]:
    """Return what breaks limits further than the plan itself does; `own` are the plan's AC states.

    A plan without reversion values is an old one, or none that control follows: nothing to check. What a
    plan's note says is left with everybody reverted passes: trims lapse then, whatever devices do.
    """
    names = list(view.park.resources)
    if not names or not all("reversion_mw" in view.plan.series[name] for name in names):
        return []
    found = [v for name in names for v in _in_range(view, name)]
    at = np.column_stack([_terminal_mw(view, name) for name in names])
    planned = np.column_stack([view.plan.series[name]["p_mw"] for name in names])
    moved = np.abs(at - planned) > POWER_MW
    q_planned = np.column_stack([view.plan.series[name]["q_mvar"] for name in names])
    q_at = np.column_stack([_cut_mvar(view, name, at[:, k], moved[:, k]) for k, name in enumerate(names)])
    # behind a plan's end of trust nothing is sent: trims that lapse there are the next plan's
    trusted = np.arange(view.n) < max(
        (view.plan.valid_until - view.plan.start) / timedelta(minutes=view.plan.step_min), 1.0
    )
    for who, gone in _cases(view, moved):
        steps = np.flatnonzero((gone & moved).any(axis=1) | ((who == "everybody") & trusted))
        p_mw = _injections(view, oracle, np.where(gone, at, planned), lapse=who == "everybody")
        q_mvar = _reactive(view, oracle, np.where(gone, q_at, q_planned))
        broken = steps[_broken(view, oracle, own, (p_mw, q_mvar), steps)]
        if who == "everybody":
            broken = np.array([k for k in broken if not _told(view, int(k))], dtype=np.int64)
        if broken.size:
            step = int(broken[0])
            found.append(
                Violation(
                    rule="reversion",
                    resource=who,
                    step=step,
                    found=float(broken.size),
                    allowed=0.0,
                    text=f"step {step}: with {who} reverted a limit of tie, branches or voltages is broken",
                )
            )
    return found


def _told(view: Seen, step: int) -> bool:
    return any(note.startswith(f"reversion: step {step}:") for note in view.plan.notes)


def _in_range(view: Seen, name: str) -> list[Violation]:
    row, value = view.park.resources[name], view.plan.series[name]["reversion_mw"]
    planned = view.plan.series[name]["p_mw"]
    low, high = min(row.p_min_mw, 0.0), max(row.p_max_mw, 0.0)
    excess = np.where(np.abs(value - planned) < POWER_MW, 0.0, np.maximum(low - value, value - high))
    return view.where("reversion", name, excess, POWER_MW, name + " reverts {:.3f} MW beyond its rating")


def _terminal_mw(view: Seen, name: str) -> Array:
    """Return the power at the terminals after a reversion: a device told to rest draws its own use."""
    series, device = view.plan.series[name], view.park.devices[name]
    value, planned = series["reversion_mw"], series["p_mw"]
    use: Array | float = 0.0
    match device:
        case H2Store():
            return planned
        case Bess():
            use = device.aux_mw
        case Caes():
            use = device.params.standby_aux_mw
        case Electrolyzer():
            # cold stacks stay cold
            use = np.minimum(device.standby_mw, np.maximum(-planned, 0.0))
    if "available_mw" in series:
        return np.minimum(value, series["available_mw"])
    return np.where((value == 0.0) & (np.abs(planned) > POWER_MW), -use, value)


def _cases(view: Seen, moved: Flags) -> Iterator[tuple[str, Flags]]:
    """Yield (who, flags of shape (steps, resources)) of every reversion that is judged."""
    names, ends = list(view.park.resources), endpoints(view.park)
    everybody = np.ones_like(moved)
    yield "everybody", everybody
    for k, name in enumerate(names):
        alone = np.zeros_like(moved)
        alone[:, k] = True
        yield name, alone
    for place in {(ends[n].host, ends[n].port) for n in names if ends[n].port}:
        columns = [k for k, n in enumerate(names) if (ends[n].host, ends[n].port) == place]
        if len(columns) > 1:
            behind = np.zeros_like(moved)
            behind[:, columns] = True
            yield f"the gateway {place[0]}:{place[1]}", behind


def _injections(view: Seen, oracle: Oracle, devices_mw: Array, *, lapse: bool) -> Array:
    """Return (steps, elements) with these powers of the devices; trims are over where they `lapse`."""
    series = view.plan.series
    loads = [
        series[name]["p_mw"] - (series[name]["modulated_mw"] if lapse else 0.0)
        for name in oracle.elements
        if name in view.park.loads
    ]
    return np.column_stack([devices_mw, *loads])


def _cut_mvar(view: Seen, name: str, at_mw: Array, moved: Flags) -> Array:
    """Return the planned Q of a device, where it has moved cut to what it can give at that power."""
    q_mvar, device = view.plan.series[name]["q_mvar"].copy(), view.park.devices[name]
    for step in np.flatnonzero(moved):
        low, high = q_limits(device, float(at_mw[step]), 0.0)
        if low <= high:
            q_mvar[step] = min(max(q_mvar[step], low), high)
    return q_mvar


def _reactive(view: Seen, oracle: Oracle, devices_mvar: Array) -> Array:
    """Return (steps, elements) with these Q of the devices, loads as planned."""
    loads = [view.plan.series[name]["q_mvar"] for name in oracle.elements if name in view.park.loads]
    return np.column_stack([devices_mvar, *loads])


def _broken(
    view: Seen, oracle: Oracle, own: AcStates, injected: tuple[Array, Array], steps: npt.NDArray[np.int64]
) -> Flags:
    """Return for each of `steps` whether these P and Q break a limit that the plan itself keeps."""
    plan, park = view.plan, view.park
    if not steps.size:
        return np.zeros(0, dtype=bool)
    at = np.column_stack(
        [np.empty((view.n, 0)), *(plan.series[name]["position"] for name in oracle.actuators)]
    )
    p_mw, q_mvar = injected
    states = oracle.solve(p_mw[steps], q_mvar[steps], at[steps], steps=steps)
    rows = limit_rows(park, oracle.buses, oracle.branches)
    passes = np.where([name.startswith("branch:") for name in rows.names], LOADING_PERCENT, VOLTAGE_PU)
    tie, contract = plan.series["tie"], park.contracts.tie
    most_in = np.minimum(tie["import_max_mw"], contract.import_max_mw)[steps]
    most_out = np.minimum(tie["export_max_mw"], contract.export_max_mw)[steps]
    # a plan that gives up an order's limit is judged by the contract's
    if view.declared("tie_import").any():
        most_in = np.full_like(most_in, contract.import_max_mw)
    if view.declared("tie_export").any():
        most_out = np.full_like(most_out, contract.export_max_mw)
    with np.errstate(invalid="ignore"):
        upper = np.fmax(rows.upper, limit_values(own)[steps]) + passes
        over: Flags = np.logical_or.reduce(
            (
                np.any(limit_values(states) > upper, axis=1),
                states.p_tie_mw > np.fmax(most_in, own.p_tie_mw[steps]) + TIE_MW,
                -states.p_tie_mw > np.fmax(most_out, -own.p_tie_mw[steps]) + TIE_MW,
                ~states.converged & own.converged[steps],
            )
        )
    return over
