"""AC power flows after many outages and steps in one batch: voltages and loadings, nothing else.

Constant powers behind the impedances of the remaining grid, solved by the fixed point of the currents
v = v0 + Z conj(s / v) (the Z-bus method; for its convergence see Bolognani and Zampieri, 2016), all points
at once. What does not settle is left to the power flow of the one grid, so every answer is an AC solution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from network.ac_states import Strains
from network.admittance import Complex
from network.batched_flow import COLLAPSED_PU
from network.contingency import Aftermath, Operation, OutageFlows, outage_flows
from network.detours import Detour, Flags, Index, Stand, stands_of
from network.powerflow import Oracle
from vpp.types import Array

ITERATIONS = 40
SETTLED_PU = 1e-9
"""Last move of a voltage, as for the power flow of one grid."""
FEWEST = 4
"""Points below which a batch costs more than it saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """The detours of one stand side by side, terminals padded with nothing."""

    answer: Complex
    """(outages, nodes, terminals)."""
    heard: Complex
    """(outages, terminals, sources): voltage at the terminals of the intact grid per source's current."""
    no_load: Complex
    """(outages, nodes)."""
    alive: Array
    """(outages, nodes): 1 or 0."""
    dead: Flags
    """(outages, branches)."""


class Throng:
    """Solves points (outage, injections) of one park; keeps the grids it has seen."""

    def __init__(self, flows: OutageFlows) -> None:
        self._flows = flows
        self._stands = stands_of(flows)
        self._place = {name: k for k, name in enumerate(self._stands.names)}
        oracle = flows.oracle
        eye = np.eye(len(oracle.elements))
        injected = oracle.at_nodes(eye, eye, np.ones((1, len(oracle.actuators))))[1].any(axis=0)
        self._sources: Index = np.setdiff1d(np.flatnonzero(injected), self._stands.own.slack)
        """Nodes where anything can be injected."""
        self._bus_node = np.where(oracle.flow.to_node.any(axis=1), oracle.flow.to_node.argmax(axis=1), -1)
        self._kept = np.array([~flows.gone(name) for name in self._stands.names], dtype=float)
        self._stacks: dict[int, tuple[Stand, _Stack]] = {}
        self.asked = self.left_over = 0
        """Points asked for, and those of them that were left to the power flow of one grid."""

    def solve(self, outages: Sequence[str], before: Operation) -> Strains:
        """Return the strains after `outages[k]` of what row k of `before` did."""
        m, oracle = len(outages), self._flows.oracle
        found = Strains(
            branches=oracle.branches,
            vm_pu=np.full((m, len(oracle.buses)), np.nan),
            loading_percent=np.full((m, len(oracle.branches)), np.nan),
            converged=np.zeros(m, dtype=np.bool_),
        )
        self.asked += m
        if self._stands.is_exact and m >= FEWEST:
            self._batch(np.array([self._place[name] for name in outages]), before, found)
        open_ = np.flatnonzero(~found.converged).tolist()
        self.left_over += len(open_)
        for name in dict.fromkeys(outages[k] for k in open_):
            rows = np.array([k for k in open_ if outages[k] == name], dtype=np.int64)
            states = self._flows.solve(name, before.at(rows))
            found.vm_pu[rows], found.loading_percent[rows] = states.vm_pu, states.loading_percent
            found.converged[rows] = states.converged
        return found

    def _batch(self, at: Index, before: Operation, found: Strains) -> None:
        oracle, own = self._flows.oracle, self._stands.own
        kept = self._kept[at]
        p, q, positions = oracle.at_nodes(before.p_mw * kept, before.q_mvar * kept, before.positions)
        s = np.asarray(p + 1j * q, dtype=np.complex128) / own.base_mva
        for rows, stand in self._stands.parts(positions, len(s)):
            stack = self._stack(stand)
            k = at[rows]
            v, settled = self._settled(stand, stack, k, s[rows] * stack.alive[k])
            good, vm = rows[settled], np.abs(v[settled])
            percent = self._stands.loading(stand, v[settled])
            percent[stack.dead[k[settled]]] = 0.0
            alive = stack.alive[k[settled]]
            at_bus = vm[:, self._bus_node]
            at_bus[(self._bus_node < 0) | (alive[:, self._bus_node] == 0)] = np.nan
            found.vm_pu[good], found.loading_percent[good] = at_bus, percent
            found.converged[good] = True

    def _settled(self, stand: Stand, stack: _Stack, k: Index, s: Complex) -> tuple[Complex, Flags]:
        """Return (points, nodes) voltages and which points have settled on the upper branch."""
        at = self._sources
        z, own = stand.z[np.ix_(at, at)].T.copy(), s[:, at]
        heard, answer, no_load = stack.heard[k], stack.answer[k][:, at], stack.no_load[k][:, at]
        v, current, move = no_load.copy(), np.zeros_like(own), np.full(len(k), np.inf)
        open_ = np.arange(len(k))
        with np.errstate(all="ignore"):
            for _ in range(ITERATIONS):
                here = slice(None) if len(open_) == len(k) else open_
                i = np.conj(own[here] / v[here])
                after = no_load[here] + i @ z - _times(answer[here], _times(heard[here], i))
                move[here] = np.abs(after - v[here]).max(axis=1, initial=0.0)
                v[here], current[here] = after, i
                still = move[open_] > SETTLED_PU
                if not still.any():
                    break
                if still.mean() < 0.7:
                    open_ = open_[still]
            current = np.conj(own / v)
            whole = stack.no_load[k] + current @ stand.z[:, at].T
            whole -= _times(stack.answer[k], _times(heard, current))
            high = (np.abs(whole) > COLLAPSED_PU) | (stack.alive[k] == 0)
        return whole, (move <= SETTLED_PU) & high.all(axis=1)

    def _stack(self, stand: Stand) -> _Stack:
        known = self._stacks.get(id(stand))
        if known is None or known[0] is not stand:
            known = (stand, self._built(stand))
            self._stacks = {key: pair for key, pair in self._stacks.items() if len(self._stacks) < 64}
            self._stacks[id(stand)] = known
        return known[1]

    def _built(self, stand: Stand) -> _Stack:
        detours: tuple[Detour, ...] = stand.detours
        width = max((len(d.terminals) for d in detours), default=0)
        n, sources = len(stand.z), self._sources
        answer = np.zeros((len(detours), n, width), dtype=np.complex128)
        heard = np.zeros((len(detours), width, len(sources)), dtype=np.complex128)
        for k, d in enumerate(detours):
            answer[k, :, : len(d.terminals)] = d.answer
            heard[k, : len(d.terminals)] = stand.z[np.ix_(d.terminals, sources)]
        return _Stack(
            answer=answer,
            heard=heard,
            no_load=np.array([d.no_load for d in detours]),
            alive=np.array([d.alive for d in detours], dtype=float),
            dead=np.array([d.dead for d in detours]),
        )


def _times(matrices: Complex, vectors: Complex) -> Complex:
    """Return (points, a) of matrices (points, a, b) by vectors (points, b)."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])


@lru_cache(maxsize=8)
def throng_of(oracle: Oracle) -> Throng:
    """Return the batch of an oracle's outages, built once for each oracle."""
    return Throng(outage_flows(oracle))


def aftermaths(oracle: Oracle, asked: Mapping[str, Flags], before: Operation) -> tuple[Aftermath, ...]:
    """Return what outages do at the steps asked for, (steps,) by outage; other steps stay nan."""
    flows = outage_flows(oracle)
    steps = {name: np.flatnonzero(at) for name, at in asked.items()}
    names = [name for name, at in steps.items() for _ in at]
    rows = np.concatenate([np.empty(0, dtype=np.int64), *steps.values()])
    strains = throng_of(oracle).solve(names, before.at(rows))
    ends = np.cumsum([len(at) for at in steps.values()])
    return tuple(
        flows.told(name, before, at, strains.at(np.arange(end - len(at), end)))
        for (name, at), end in zip(steps.items(), ends.tolist(), strict=True)
    )
