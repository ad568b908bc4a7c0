"""Where each device goes when it hears nothing any more, chosen so that limits hold whoever goes there.

For every step the plan is solved again by AC power flow with any one device at its reversion value, any one
gateway's devices, and all of them while trims lapse. A device goes to rest where that keeps tie, branches
and voltages; else it holds its planned power. With everybody holding, the state is the plan's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil

import numpy as np
import numpy.typing as npt

from controllers.planning.reactive import operation_of
from network.ac_states import AcStates
from network.powerflow import Oracle
from network.security import MARGIN_PERCENT, MARGIN_VM_PU, limit_rows, limit_values
from vpp.devices import Ammonia, Bess, Caes, Chp, Device, Electrolyzer, H2Store, ammonia, q_limits
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.types import Array, Plan

MARGIN_TIE_MW = 0.05
"""A tie limit counts as held that far inside it; half of what its meter's class leaves open (assumption)."""
SLACK = 1e-6
"""Where the plan itself is at a limit, or over a declared one, a reversion must not be worse than it."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversions:
    """Reversion values of some steps of a plan, columns by resource."""

    steps: npt.NDArray[np.int64]
    value_mw: Array
    """(steps, resources), what is sent to the devices."""
    holds: Flags
    """(steps, resources), True where a device holds its planned power."""
    left: tuple[str, ...]
    """What no choice keeps, in words: trims that lapse all at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The plan's operation in the steps that are looked at."""

    oracle: Oracle
    steps: npt.NDArray[np.int64]
    p_mw: Array
    q_mvar: Array
    positions: Array
    rest_mw: Array
    """(steps, resources), terminal power at rest."""
    rest_q_mvar: Array
    lapsed_mw: Array
    """(steps, elements), injections once trims have lapsed, devices as planned."""
    import_max_mw: Array
    export_max_mw: Array


def carried(park: Park, oracle: Oracle, plan: Plan, *, every_step: bool) -> Plan:
    """Return the plan with `reversion_mw` in the series of each resource, and a note of what is left.

    Steps behind the plan's own end of trust are never sent: there devices hold, unless `every_step`.
    """
    if not park.resources:
        return plan
    found = reversions(park, oracle, plan, looked_at(plan, every_step=every_step))
    series = dict(plan.series)
    for k, name in enumerate(park.resources):
        value = series[name]["p_mw"].copy()
        value[found.steps] = found.value_mw[:, k]
        series[name] = {**series[name], "reversion_mw": value}
    return replace(plan, series=series, notes=(*plan.notes, *found.left))


def looked_at(plan: Plan, *, every_step: bool) -> npt.NDArray[np.int64]:
    """Return the steps whose reversion values control may come to send."""
    trusted = ceil((plan.valid_until - plan.start) / timedelta(minutes=plan.step_min))
    return np.arange(plan.steps if every_step else min(max(trusted, 1), plan.steps))


def at_rest(device: Device, planned_mw: float) -> tuple[float, float]:
    """Return (value to send, terminal power) of a device at rest, MW.

    An ammonia loop goes on at least load, since a stop would cost it half a day; a CHP unit and a hydrogen
    store, whose power is its flows', where they stand.
    """
    match device:
        case Ammonia():
            low = device.load_min_mw if ammonia.runs(device, -planned_mw) else device.idle_mw
            return -low, -low
        case Chp():
            return planned_mw, planned_mw
        case H2Store():
            return 0.0, planned_mw
        case Bess():
            return 0.0, -device.aux_mw
        case Caes():
            return 0.0, -device.params.standby_aux_mw
        case Electrolyzer():
            return 0.0, max(-device.standby_mw, min(planned_mw, 0.0))
    return 0.0, 0.0


def gateways(park: Park) -> tuple[tuple[int, ...], ...]:
    """Return the resources (columns) that share a host and port: they fall silent together."""
    behind: dict[tuple[str, int], list[int]] = {}
    ends = endpoints(park)
    for k, name in enumerate(park.resources):
        if ends[name].port:
            behind.setdefault((ends[name].host, ends[name].port), []).append(k)
    return tuple(tuple(columns) for columns in behind.values() if len(columns) > 1)


def reversions(park: Park, oracle: Oracle, plan: Plan, steps: npt.NDArray[np.int64]) -> Reversions:
    """Return reversion values for some steps of a plan."""
    case = _case(park, oracle, plan, steps)
    devices = list(park.devices.values())
    planned = case.p_mw[:, : len(devices)]
    value = np.array([[at_rest(d, p)[0] for d, p in zip(devices, row, strict=True)] for row in planned])
    bound = _Limits(park, oracle, case)
    # any one device
    holds = np.zeros(planned.shape, dtype=bool)
    one = np.eye(len(devices), dtype=bool)
    holds |= bound.broken([np.broadcast_to(row, planned.shape) for row in one], lapse=False).T
    # all, and any one gateway: whose power is held, from nobody's to everybody's
    weather = np.array([d.resource.kind in ("wind", "pv") for d in devices])
    wishes = [
        np.zeros_like(holds),
        np.broadcast_to(weather, holds.shape),
        weather | (planned > 0),
        weather | (planned < 0),
        np.ones_like(holds),
    ]
    tried = [holds | wish for wish in wishes]
    bad = bound.broken([~held for held in tried], lapse=True)
    for columns in gateways(park):
        together = np.zeros(len(devices), dtype=bool)
        together[list(columns)] = True
        bad |= bound.broken([~held & together for held in tried], lapse=False)
    best = np.where(bad.all(axis=0), len(tried) - 1, np.argmin(bad, axis=0))
    chosen = np.stack(tried)[best, np.arange(len(steps))]
    left = tuple(
        f"reversion: step {step}: with every device and trim reverted a limit is broken"
        for step, worst in zip(steps, np.atleast_1d(bad.all(axis=0)), strict=True)
        if worst
    )
    return Reversions(steps=steps, value_mw=np.where(chosen, planned, value), holds=chosen, left=left)


class _Limits:
    """Limits of a park around the plan's own AC states."""

    def __init__(self, park: Park, oracle: Oracle, case: _Case) -> None:
        rows = limit_rows(park, oracle.buses, oracle.branches)
        self._case = case
        margin = np.where([name.startswith("branch:") for name in rows.names], MARGIN_PERCENT, MARGIN_VM_PU)
        own = oracle.solve(case.p_mw, case.q_mvar, case.positions, steps=case.steps)
        with np.errstate(invalid="ignore"):
            self._upper = np.fmax(rows.upper - margin, limit_values(own) + SLACK)
        self._import = np.fmax(case.import_max_mw - MARGIN_TIE_MW, own.p_tie_mw + SLACK)
        self._export = np.fmax(case.export_max_mw - MARGIN_TIE_MW, SLACK - own.p_tie_mw)
        self._solved = own.converged

    def broken(self, reverted: Sequence[Flags], *, lapse: bool) -> Flags:
        """Return (cases, steps): whether a limit is broken where these (steps, resources) have reverted."""
        case, n = self._case, self._case.rest_mw.shape[1]
        p = np.repeat((case.lapsed_mw if lapse else case.p_mw)[None], len(reverted), axis=0)
        q = np.repeat(case.q_mvar[None], len(reverted), axis=0)
        gone = np.stack(list(reverted))
        p[:, :, :n] = np.where(gone, case.rest_mw, p[:, :, :n])
        q[:, :, :n] = np.where(gone, case.rest_q_mvar, q[:, :, :n])
        times = len(reverted)
        states = case.oracle.solve(
            p.reshape(-1, p.shape[2]),
            q.reshape(-1, p.shape[2]),
            np.tile(case.positions, (times, 1)),
            steps=np.tile(case.steps, times),
        )
        return self._judged(states, times).reshape(times, -1)

    def _judged(self, states: AcStates, times: int) -> Flags:
        with np.errstate(invalid="ignore"):
            rows = np.any(limit_values(states) > np.tile(self._upper, (times, 1)), axis=1)
        parts = (
            rows,
            states.p_tie_mw > np.tile(self._import, times),
            -states.p_tie_mw > np.tile(self._export, times),
            ~states.converged & np.tile(self._solved, times),
        )
        broken: Flags = np.logical_or.reduce(parts)
        return broken


def _case(park: Park, oracle: Oracle, plan: Plan, steps: npt.NDArray[np.int64]) -> _Case:
    p, q, positions = (values[steps] for values in operation_of(oracle, plan))
    devices = list(park.devices.values())
    rest = np.array(
        [[at_rest(d, mw)[1] for d, mw in zip(devices, row[: len(devices)], strict=True)] for row in p]
    )
    rest_q = np.array(
        [
            [
                min(max(mvar, low), high) if low <= high else mvar
                for mvar, (low, high) in zip(
                    q[t], (q_limits(d, mw, 0.0) for d, mw in zip(devices, rest[t], strict=True)), strict=False
                )
            ]
            for t in range(len(steps))
        ]
    )
    lapsed = p.copy()
    for k, name in enumerate(oracle.elements):
        if name in park.loads:
            lapsed[:, k] -= plan.series[name].get("modulated_mw", np.zeros(plan.steps))[steps]
    tie = plan.series["tie"]
    contract = park.contracts.tie
    return _Case(
        oracle=oracle,
        steps=steps,
        p_mw=p,
        q_mvar=q,
        positions=positions,
        rest_mw=rest,
        rest_q_mvar=rest_q,
        lapsed_mw=lapsed,
        import_max_mw=np.minimum(tie["import_max_mw"][steps], contract.import_max_mw),
        export_max_mw=np.minimum(tie["export_max_mw"][steps], contract.export_max_mw),
    )
