"""Outages that break nothing, found without solving them.

After an outage the currents that the lost branch carried, and those of a lost device, find other ways.
With all other currents as before that is linear: voltages move by the impedances of the remaining grid
times the freed currents (compensation, as in Alsac, Stott and Tinney, 1983). Loads keep their power and
not their current, so the answer is off by a part of the voltages' own move; the margins are about
twice what that came to on thousands of random operating points of both shipped parks.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from network.admittance import Complex
from network.contingency import SOLVED, Operation, OutageFlows, outage_flows
from network.detours import Flags, Stand, stands_of
from network.powerflow import Oracle
from network.security import LOADING_MAX_PERCENT
from vpp.types import Array

ITERATIONS = 60
SETTLED_PU = 1e-10
PERCENT, PERCENT_OF_CHANGE, PER_MOVE = 1.0, 0.05, 2.5
"""Doubt of a loading: points, share of its change, and share of itself per pu that voltages move."""
PU, PU_PER_MOVE = 0.001, 0.8
"""Doubt of a voltage: pu, and share of the greatest move."""


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
    """Finds the outages and steps that need an exact power flow."""

    def __init__(self, flows: OutageFlows) -> None:
        self._flows = flows
        self._stands = stands_of(flows)
        self._own = self._stands.own
        self._bands = [flows.node_bands(name) for name in self._stands.names]

    def unclear(self, before: Operation) -> dict[str, Flags]:
        """Return by solved outage (steps,): True where an exact power flow is asked for.

        That is where limits might be broken (continuous ratings, since what a corrective outage
        overloads asks for actions), where nothing can be said, and for the worst of each class.
        """
        names = self._stands.names
        found = {name: np.ones(len(before.p_mw), dtype=np.bool_) for name in names}
        edges = np.full((3, len(names), len(before.p_mw)), -np.inf)
        if not self._stands.is_exact:
            return found
        oracle = self._flows.oracle
        p, q, positions = oracle.at_nodes(before.p_mw, before.q_mvar, before.positions)
        s_node = np.asarray(p + 1j * q, dtype=np.complex128) / self._own.base_mva
        for at, stand in self._stands.parts(positions, len(p)):
            v, settled = self._intact(stand, s_node[at])
            rows, part = at[settled], self._part(stand, before.at(at[settled]), v[settled])
            for k, name in enumerate(names):
                found[name][rows], edges[:, k, rows] = self._judge(stand, part, k)
        for kind in SOLVED:
            own = [k for k, name in enumerate(names) if self._flows.by_name[name].kind == kind]
            worst = edges[:, own].argmax(axis=1) if own else np.empty((0, 0), dtype=np.int64)
            for k, name in enumerate(names[i] for i in own):
                found[name] |= (worst == k).any(axis=0)
        return found

    def _intact(self, stand: Stand, s_node: Complex) -> tuple[Complex, Flags]:
        """Return voltages of steps without an outage, and which have settled."""
        v = np.tile(stand.no_load, (len(s_node), 1))
        step = np.full(len(v), np.inf)
        with np.errstate(all="ignore"):
            for _ in range(ITERATIONS):
                last = v
                v = stand.no_load + np.conj(s_node / last) @ stand.z.T
                step = np.abs(v - last).max(axis=1)
                if not (step > SETTLED_PU).any():
                    break
        return v, step < SETTLED_PU

    def _part(self, stand: Stand, before: Operation, v: Complex) -> _Part:
        s_element = np.asarray(before.p_mw + 1j * before.q_mvar, dtype=np.complex128) / self._own.base_mva
        return _Part(v=v, s_element=s_element, percent=self._stands.loading(stand, v))

    def _judge(self, stand: Stand, part: _Part, k: int) -> tuple[Flags, Array]:
        """Return (steps,) where a limit may be broken, and (3, steps) loading, -vm least, vm most."""
        detour, own, v = stand.detours[k], self._own, part.v
        (low, high), kind = self._bands[k], self._flows.by_name[self._stands.names[k]].kind
        freed = np.zeros((len(v), len(detour.terminals)), dtype=np.complex128)
        column = {int(node): t for t, node in enumerate(detour.terminals)}
        for row in detour.gone:
            current = v[:, own.ends[row]] @ stand.sides[row].T
            for end, node in enumerate(own.ends[row]):
                if int(node) in column:
                    freed[:, column[int(node)]] += current[:, end]
        for e in np.flatnonzero(detour.lost):
            node = int(self._stands.node_of[e])
            if node in column:
                freed[:, column[node]] -= np.conj(part.s_element[:, e] / v[:, node])
        shift = freed @ detour.spread.T
        move = np.abs(shift).max(axis=1, keepdims=True, initial=0.0)
        percent = self._stands.loading(stand, v + shift)
        percent[:, detour.dead] = 0.0
        doubt = PERCENT + PERCENT_OF_CHANGE * np.abs(percent - part.percent)
        over = (percent * (1 + PER_MOVE * move) + doubt > LOADING_MAX_PERCENT) & ~detour.dead
        vm, off = np.abs(v + shift), PU + PU_PER_MOVE * move
        bad = ((vm - off < low) | (vm + off > high)) & detour.alive
        flags = np.asarray(over.any(axis=1) | bad.any(axis=1)) & (kind != "radial")
        fed = vm[:, detour.alive]
        return flags, np.stack([percent.max(axis=1), -fed.min(axis=1), fed.max(axis=1)])


@lru_cache(maxsize=8)
def screen_of(oracle: Oracle) -> Screen:
    """Return the screen of an oracle's outages, built once for each oracle."""
    return Screen(outage_flows(oracle))
