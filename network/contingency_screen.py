"""Outages that break nothing, found without solving them.

After an outage the currents that the lost branch carried, and those of a lost device, find other ways.
With all other currents as before that is linear: voltages move by the impedances of the remaining grid
times the freed currents (compensation, as in Alsac, Stott and Tinney, 1983). Loads keep their power and
not their current, so the answer is off by a part of the voltages' own move; the margins are about
twice what that came to on thousands of random operating points of both shipped parks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from network.admittance import Complex
from network.contingency import SOLVED, Operation, OutageFlows, outage_flows
from network.powerflow import Oracle
from network.security import LOADING_MAX_PERCENT
from vpp.types import Array

ITERATIONS = 60
KEPT_NETS = 32
"""Sets of positions whose impedances are kept."""
SETTLED_PU = 1e-10
PERCENT, PERCENT_OF_CHANGE, PER_MOVE = 1.0, 0.05, 2.5
"""Doubt of a loading: points, share of its change, and share of itself per pu that voltages move."""
PU, PU_PER_MOVE = 0.001, 0.8
"""Doubt of a voltage: pu, and share of the greatest move."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detour:
    """How freed currents spread after one outage; nodes are those that stay fed, without slacks."""

    terminals: npt.NDArray[np.int64]
    """Nodes, columns of the whole grid, at which currents are freed."""
    gone: npt.NDArray[np.int64]
    """Internal rows of the lost branches."""
    lost: Array
    """(elements,): 1 where an element is lost with the outage or cut off by it."""
    alive: Flags
    """(nodes,)."""
    spread: Complex
    """(nodes, terminals): impedances of the remaining grid."""
    dead: Flags
    """(branches,): without current after the outage."""
    low: Array
    high: Array
    """(nodes,): voltages allowed after the outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Net:
    """The intact grid at one set of positions."""

    z: Complex
    """(nodes, nodes): impedances; 0 at slacks."""
    no_load: Complex
    """(nodes,): voltages without any current."""
    side: Complex
    """(sides, 2): current of each named branch's from sides, then to sides, per voltage at its ends."""
    sides: Complex
    """(rows, 2, 2): the same of every series element, as in `Admittance`."""
    detours: Mapping[str, _Detour]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Steps at one set of positions, solved intact; a row per step."""

    v: Complex
    """(steps, nodes)."""
    s_element: Complex
    """(steps, elements): per unit."""
    percent: Array
    """(steps, branches): loading of the worse side before the outage."""


class Screen:
    """Finds the outages and steps that need an exact power flow; keeps the grids it has seen."""

    def __init__(self, flows: OutageFlows) -> None:
        self._flows = flows
        oracle = flows.oracle
        self._own = oracle.flow.admittance
        row, rating = oracle.flow.named_rows
        self._row = row
        self._ends = self._own.ends[row]
        amps = self._own.base_mva / (3**0.5 * self._own.kv[self._ends])
        self._percent = (100.0 * amps / rating).T.ravel()
        """(sides,): percent of the continuous rating per unit of current."""
        self._nets: dict[bytes, _Net] = {}
        eye = np.eye(len(oracle.elements))
        self._to_node = oracle.at_nodes(eye, eye, None)[0]
        self._node_of = np.where(self._to_node.any(axis=1), self._to_node.argmax(axis=1), -1)

    def unclear(self, before: Operation) -> dict[str, Flags]:
        """Return by solved outage (steps,): True where an exact power flow is asked for.

        That is where limits might be broken (continuous ratings, since what a corrective outage
        overloads asks for actions), where nothing can be said, and for the worst of each class.
        """
        names = [o.name for o in self._flows.outages if o.kind in SOLVED]
        found = {name: np.ones(len(before.p_mw), dtype=np.bool_) for name in names}
        edges = np.full((3, len(names), len(before.p_mw)), -np.inf)
        if not self._own.exact or (self._row < 0).any() or self._flows.oracle.rests is not None:
            return found
        oracle = self._flows.oracle
        p, q, positions = oracle.at_nodes(before.p_mw, before.q_mvar, before.positions)
        s_node = np.asarray(p + 1j * q, dtype=np.complex128) / self._own.base_mva
        groups = np.zeros(len(p), dtype=np.int64)
        if positions is not None:
            groups = np.unique(np.round(positions, 6), axis=0, return_inverse=True)[1].ravel()
        for group in range(groups.max(initial=-1) + 1):
            at = np.flatnonzero(groups == group)
            net = self._net(None if positions is None else positions[at[0]])
            v, settled = self._intact(net, s_node[at])
            at, part = at[settled], self._part(net, before.at(at[settled]), v[settled])
            for k, name in enumerate(names):
                found[name][at], edges[:, k, at] = self._judge(net, part, name)
        for kind in SOLVED:
            own = [k for k, name in enumerate(names) if self._flows.by_name[name].kind == kind]
            worst = edges[:, own].argmax(axis=1) if own else np.empty((0, 0), dtype=np.int64)
            for k, name in enumerate(names[i] for i in own):
                found[name] |= (worst == k).any(axis=0)
        return found

    def _net(self, positions: Array | None) -> _Net:
        key = b"" if positions is None else np.round(positions, 6).tobytes()
        if key not in self._nets:
            if len(self._nets) >= KEPT_NETS:
                self._nets.clear()
            self._nets[key] = self._built(positions)
        return self._nets[key]

    def _built(self, positions: Array | None) -> _Net:
        own = self._own
        matrix, sides = own.at(positions)
        free = np.setdiff1d(np.arange(len(matrix)), own.slack)
        z = np.zeros_like(matrix)
        z[np.ix_(free, free)] = np.linalg.inv(matrix[np.ix_(free, free)])
        no_load = z @ -(matrix[:, own.slack] @ own.slack_pu)
        no_load[own.slack] = own.slack_pu
        side = np.concatenate([sides[self._row, k] for k in (0, 1)])
        names = [o.name for o in self._flows.outages if o.kind in SOLVED]
        return _Net(
            z=z,
            no_load=no_load,
            side=side,
            sides=sides,
            detours={name: self._detour(name, matrix, sides) for name in names},
        )

    def _detour(self, name: str, matrix: Complex, sides: Complex) -> _Detour:
        own, event = self._own, self._flows.by_name[name]
        branches = self._flows.oracle.branches
        gone = np.array([self._row[branches.index(b)] for b in event.branches], dtype=np.int64)
        alive = self._flows.alive(name)
        lost = self._flows.lost(name)
        devices = self._node_of[lost & alive[self._node_of] & (self._node_of >= 0)]
        at = np.setdiff1d(np.unique([*own.ends[gone].ravel(), *devices]), own.slack).astype(np.int64)
        at = at[alive[at]]
        rest = matrix.copy()
        for row in gone:
            rest[np.ix_(own.ends[row], own.ends[row])] -= sides[row]
        free = np.setdiff1d(np.flatnonzero(alive), own.slack)
        spread = np.zeros((len(matrix), len(at)), dtype=np.complex128)
        spread[free] = np.linalg.solve(rest[np.ix_(free, free)], np.eye(len(matrix))[np.ix_(free, at)])
        low, high = self._flows.node_bands(name)
        return _Detour(
            terminals=at,
            gone=gone,
            lost=lost.astype(float),
            alive=alive,
            spread=spread,
            dead=np.isin(self._row, gone) | ~alive[self._ends].all(axis=1),
            low=low,
            high=high,
        )

    def _intact(self, net: _Net, s_node: Complex) -> tuple[Complex, Flags]:
        """Return voltages of steps without an outage, and which have settled."""
        v = np.tile(net.no_load, (len(s_node), 1))
        step = np.full(len(v), np.inf)
        with np.errstate(all="ignore"):
            for _ in range(ITERATIONS):
                last = v
                v = net.no_load + np.conj(s_node / last) @ net.z.T
                step = np.abs(v - last).max(axis=1)
                if not (step > SETTLED_PU).any():
                    break
        return v, step < SETTLED_PU

    def _part(self, net: _Net, before: Operation, v: Complex) -> _Part:
        s_element = np.asarray(before.p_mw + 1j * before.q_mvar, dtype=np.complex128) / self._own.base_mva
        return _Part(v=v, s_element=s_element, percent=self._loading(net, v))

    def _loading(self, net: _Net, v: Complex) -> Array:
        """Return (steps, branches) of loadings at voltages, percent of the continuous rating."""
        ends = np.concatenate([self._ends, self._ends])
        current = v[:, ends[:, 0]] * net.side[:, 0] + v[:, ends[:, 1]] * net.side[:, 1]
        percent = np.abs(current) * self._percent
        half = len(self._ends)
        return np.maximum(percent[:, :half], percent[:, half:])

    def _judge(self, net: _Net, part: _Part, name: str) -> tuple[Flags, Array]:
        """Return (steps,) where a limit may be broken, and (3, steps) loading, -vm least, vm most."""
        detour, own, v = net.detours[name], self._own, part.v
        freed = np.zeros((len(v), len(detour.terminals)), dtype=np.complex128)
        column = {int(node): k for k, node in enumerate(detour.terminals)}
        for row in detour.gone:
            current = v[:, own.ends[row]] @ net.sides[row].T
            for k, node in enumerate(own.ends[row]):
                if int(node) in column:
                    freed[:, column[int(node)]] += current[:, k]
        for e in np.flatnonzero(detour.lost):
            node = int(self._node_of[e])
            if node in column:
                freed[:, column[node]] -= np.conj(part.s_element[:, e] / v[:, node])
        shift = freed @ detour.spread.T
        move = np.abs(shift).max(axis=1, keepdims=True, initial=0.0)
        percent = self._loading(net, v + shift)
        percent[:, detour.dead] = 0.0
        doubt = PERCENT + PERCENT_OF_CHANGE * np.abs(percent - part.percent)
        over = (percent * (1 + PER_MOVE * move) + doubt > LOADING_MAX_PERCENT) & ~detour.dead
        vm, off = np.abs(v + shift), PU + PU_PER_MOVE * move
        bad = ((vm - off < detour.low) | (vm + off > detour.high)) & detour.alive
        flags = np.asarray(over.any(axis=1) | bad.any(axis=1)) & (self._flows.by_name[name].kind != "radial")
        fed = vm[:, detour.alive]
        return flags, np.stack([percent.max(axis=1), -fed.min(axis=1), fed.max(axis=1)])


@lru_cache(maxsize=8)
def screen_of(oracle: Oracle) -> Screen:
    """Return the screen of an oracle's outages, built once for each oracle."""
    return Screen(outage_flows(oracle))
