"""Outages of a park: what they are, what the grid looks like after each, what they break.

After an outage the tie takes up what is missing or left over; taps, banks and all other injections
stay as they were. Limits by class (design, section 5): preventive ones keep the continuous ratings;
corrective ones keep the short-time ratings at once and the continuous ones once armed actions have
moved; both keep the voltage bands that hold after a fault until taps and banks have answered; radial
ones are reported; island ones are not solved here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from network.ac_states import AcStates, Strains
from network.model import commands_q, q_per_p
from network.outages import Kind, Outage, outages
from network.powerflow import Oracle
from network.security import LimitRows, limit_rows, limit_values
from network.timetable import timetabled
from vpp.park.model import Park
from vpp.types import Array

SOLVED: tuple[Kind, ...] = ("preventive", "corrective", "radial")
"""Classes whose grid after the outage is solved."""
UNSOLVED_PERCENT = 999.0
"""Stands for the loading of a step whose power flow has no solution."""
AFTER = " after "
"""Stands between a limit and the outage after which it is judged."""
FAULT_BAND_PU = (0.90, 1.10)
"""Voltages allowed after a fault below 110 kV: 10 % either way (assumption; believed to be what SD 325-1989
allows from 35 to 110 kV, not verified). Above, the park's own bands hold on."""
FAULT_BAND_BELOW_KV = 110.0
Steps = npt.NDArray[np.int64]
BROKEN_PERCENT, BROKEN_PU = 0.05, 5e-5
"""Excess from which a limit counts as broken after an outage: below what meters resolve (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the park does at each step before an outage."""

    p_mw: Array
    """(steps, elements) in the oracle's order, injection positive."""
    q_mvar: Array
    """The same shape."""
    positions: Array | None = None
    """(steps, actuators) of banks, statcoms and taps; None: all at rest."""
    steps: Steps | None = None
    """Step of each row in the window of the oracle's timetable; None: one row per step."""

    def at(self, steps: Sequence[int] | Steps) -> "Operation":
        """Return these steps alone, in this order."""
        rows = np.asarray(steps, dtype=np.int64)
        positions = None if self.positions is None else self.positions[rows]
        steps = rows if self.steps is None else self.steps[rows]
        return Operation(p_mw=self.p_mw[rows], q_mvar=self.q_mvar[rows], positions=positions, steps=steps)

    def moved(self, shift_mw: Array, mvar_per_mw: Array) -> "Operation":
        """Return the same with injections shifted, reactive ones by the elements' rule."""
        return replace(self, p_mw=self.p_mw + shift_mw, q_mvar=self.q_mvar + shift_mw * mvar_per_mw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that an outage breaks at one step."""

    step: int
    outage: str
    row: str
    """`branch:NAME`, `voltage_max:BUS`, `voltage_min:BUS` or `power_flow:network`."""
    value: float
    """In the row's own unit: percent, vm_pu or -vm_pu; nan without a solution."""
    limit: float

    @property
    def name(self) -> str:
        """Name of the limit after the outage, e.g. `branch:T_MAIN_2 after T_MAIN_1`."""
        return f"{self.row}{AFTER}{self.outage}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What one outage does at each step; arrays of shape (steps,), nan where it was not asked for."""

    outage: Outage
    worst_percent: Array
    """Highest loading; `UNSOLVED_PERCENT` without a solution."""
    worst_branch: tuple[str, ...]
    vm_min_pu: Array
    vm_max_pu: Array
    lost_load_mw: Array
    """Demand at the buses that the outage cuts off."""
    lost_supply_mw: Array
    """Feed-in that it cuts off or that the lost device gave."""
    breaches: tuple[Breach, ...]
    """Limits of the class that are broken at once."""
    overloads: tuple[Breach, ...]
    """Corrective classes: continuous limits that armed actions must restore."""


class OutageFlows:
    """The power flow of a park after each of its outages, built once beside the intact one."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.park = oracle.park
        self.outages = outages(oracle.park)
        self.by_name: Mapping[str, Outage] = {outage.name: outage for outage in self.outages}
        self.mvar_per_mw = np.array(
            [0.0 if commands_q(oracle.park, e) else q_per_p(oracle.park, e) for e in oracle.elements]
        )
        """(elements,): how the reactive power of each moves with its active one."""
        self._rest = {o.name: oracle.without(o.branches) for o in self.outages if o.branches}
        if oracle.rests is not None:  # planned outages come on top, each in its own steps
            out = oracle.rests.out
            self._rest = {name: timetabled(rest, out) for name, rest in self._rest.items()}
        self._gone = {o.name: np.isin(oracle.elements, o.devices) for o in self.outages}
        rows = limit_rows(oracle.park, oracle.buses, oracle.branches)
        self.rows = rows.names
        branch = np.array([name.startswith("branch:") for name in rows.names])
        self.continuous = np.where(branch, rows.upper, np.inf)
        """Continuous ratings in percent, in the order of `rows`; voltages are not limited."""
        self.short_time = _short_time(oracle.park, rows)
        """The same of the short-time ratings."""
        self._voltages = _fault_bands(oracle.park, rows)
        cut_off = {name: np.isin(oracle.elements, _cut_off(rest)) for name, rest in self._rest.items()}
        self._lost = {name: cut_off.get(name, gone) | gone for name, gone in self._gone.items()}

    def solve(self, outage: str, before: Operation) -> AcStates:
        """Solve the grid after an outage for every step of what was done before it."""
        kept = ~self._gone[outage]
        rest = self._rest.get(outage, self.oracle)
        return rest.solve(before.p_mw * kept, before.q_mvar * kept, before.positions, before.steps)

    def after(self, outage: str) -> Oracle:
        """Return the power flow of the grid that an outage leaves, devices that went still in it."""
        return self._rest.get(outage, self.oracle)

    def gone(self, outage: str) -> npt.NDArray[np.bool_]:
        """Return (elements,): True where an element itself is what is out."""
        return self._gone[outage]

    def lost(self, outage: str) -> npt.NDArray[np.bool_]:
        """Return (elements,): True where an element is lost with the outage or cut off by it."""
        return self._lost[outage]

    def alive(self, outage: str) -> npt.NDArray[np.bool_]:
        """Return (internal nodes,): True where a source still feeds after the outage."""
        return self._rest.get(outage, self.oracle).flow.live

    def node_bands(self, outage: str) -> tuple[Array, Array]:
        """Return the least and greatest voltage of each internal node after an outage."""
        upper, n = self.limits(outage), len(self.oracle.buses)
        high, low = np.split(upper[-2 * n :], 2)
        at = self.oracle.flow.to_node.T > 0
        return (
            np.where(at, -low, -np.inf).max(axis=1, initial=-np.inf),
            np.where(at, high, np.inf).min(axis=1, initial=np.inf),
        )

    def limits(self, outage: str) -> Array:
        """Return the upper limits, in the order of `rows`, that hold at once after an outage."""
        kind = self.by_name[outage].kind
        ratings = {"preventive": self.continuous, "corrective": self.short_time}.get(kind)
        return np.full(len(self.rows), np.inf) if ratings is None else np.minimum(ratings, self._voltages)

    def aftermath(self, outage: str, before: Operation, steps: Sequence[int] | Steps) -> Aftermath:
        """Return what an outage does at `steps`; other steps stay nan."""
        at = np.asarray(steps, dtype=np.int64)
        return self.told(outage, before, at, self.solve(outage, before.at(at)))

    def told(self, outage: str, before: Operation, at: Steps, states: AcStates | Strains) -> Aftermath:
        """Return what `states` of the steps `at` say of an outage; other steps stay nan."""
        event, n = self.by_name[outage], len(before.p_mw)
        worst, low, high = (np.full(n, np.nan) for _ in range(3))
        worst[at] = np.where(states.converged, states.loading_percent.max(axis=1), UNSOLVED_PERCENT)
        low[at], high[at] = _edges(states)
        branch = [""] * n
        for step, column in zip(at, states.loading_percent.argmax(axis=1), strict=True):
            branch[step] = states.branches[column]
        lost = before.p_mw * self._lost[outage]
        names = [outage] * len(at)
        over: tuple[Breach, ...] = ()
        if event.kind == "corrective":
            over = self.overloads(names, states, at, self.continuous)
        return Aftermath(
            outage=event,
            worst_percent=worst,
            worst_branch=tuple(branch),
            vm_min_pu=low,
            vm_max_pu=high,
            lost_load_mw=np.maximum(0.0, -lost).sum(axis=1),
            lost_supply_mw=np.maximum(0.0, lost).sum(axis=1),
            breaches=self.overloads(names, states, at, self.limits(outage)),
            overloads=over,
        )

    def overloads(
        self, outages: Sequence[str], states: AcStates | Strains, at: Steps, upper: Array
    ) -> tuple[Breach, ...]:
        """Return what is above `upper` in row k of states, of the step `at[k]` after `outages[k]`.

        `upper` is that of an outage (`limits`), `continuous` or `short_time`.
        """
        return tuple(self._breaches(outages, states, at, upper))

    def _breaches(
        self, outages: Sequence[str], states: AcStates | Strains, at: Steps, upper: Array
    ) -> Iterator[Breach]:
        finite = np.isfinite(upper)
        if finite.any():
            nan = float("nan")
            for k in np.flatnonzero(~states.converged).tolist():
                yield Breach(
                    step=int(at[k]), outage=outages[k], row="power_flow:network", value=nan, limit=nan
                )
        if not finite[len(states.branches) :].any():
            values, upper = states.loading_percent, upper[: len(states.branches)]
        else:
            values = limit_values(states)
        slack = np.where(np.arange(len(upper)) < len(states.branches), BROKEN_PERCENT, BROKEN_PU)
        for k, r in np.argwhere(values > upper + slack).tolist():
            value, limit = float(values[k, r]), float(upper[r])
            yield Breach(step=int(at[k]), outage=outages[k], row=self.rows[r], value=value, limit=limit)


@lru_cache(maxsize=8)
def outage_flows(oracle: Oracle) -> OutageFlows:
    """Return the power flows after the outages of an oracle's park, built once for each oracle."""
    return OutageFlows(oracle)


def _cut_off(rest: Oracle) -> list[str]:
    """Return the elements at buses that no source feeds any more."""
    park = rest.park
    items = [park.resources.get(e) or park.loads[e] for e in rest.elements]
    dead = set(rest.flow.unfed)
    return [e for e, item in zip(rest.elements, items, strict=True) if item.bus in dead]


def _edges(states: AcStates | Strains) -> tuple[Array, Array]:
    """Return lowest and highest voltage of each step; 0 where a step has none."""
    known = np.isfinite(states.vm_pu)
    low = np.where(known, states.vm_pu, np.inf).min(axis=1)
    high = np.where(known, states.vm_pu, -np.inf).max(axis=1)
    return np.where(known.any(axis=1), low, 0.0), np.where(known.any(axis=1), high, 0.0)


def _short_time(park: Park, rows: LimitRows) -> Array:
    """Return the short-time ratings in percent; voltages are not limited."""
    lines = {t.name: t.short_time_percent for t in park.grid.line_types}
    trafos = {t.name: t.short_time_percent for t in park.grid.trafo_types}
    percent = {f"branch:{x.name}": lines[x.std_type] for x in park.grid.lines}
    percent |= {f"branch:{x.name}": trafos[x.std_type] for x in park.grid.trafos}
    return np.array([percent.get(name, np.inf) for name in rows.names])


def _fault_bands(park: Park, rows: LimitRows) -> Array:
    """Return the voltage limits after a fault as rows; branches are not limited."""
    wide = {bus.name for bus in park.grid.buses if bus.vn_kv < FAULT_BAND_BELOW_KV}
    upper = np.full(len(rows.names), np.inf)
    for r, name in enumerate(rows.names):
        kind, bus = name.split(":", 1)
        if kind != "branch":
            fault = FAULT_BAND_PU[1] if kind == "voltage_max" else -FAULT_BAND_PU[0]
            upper[r] = max(rows.upper[r], fault) if bus in wide else rows.upper[r]
    return upper
