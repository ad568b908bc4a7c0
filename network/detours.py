"""Grids after outages as small changes of the intact one, at one set of bank and tap positions.

Taking a branch out changes the admittance matrix at its ends alone, so the impedances of what remains are
those of the intact grid less a term of that rank (Woodbury; for outages: Alsac, Stott and Tinney, 1983).
Everything is per unit and dense; nodes are the internal ones, impedances are 0 at slacks.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from network.admittance import Admittance, Complex
from network.contingency import SOLVED, OutageFlows
from vpp.types import Array

KEPT_STANDS = 32
"""Sets of positions whose impedances are kept."""
Flags = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """How currents spread after one outage."""

    terminals: Index
    """Nodes that stay fed and at which branches or devices were lost."""
    gone: Index
    """Internal rows of the lost branches."""
    lost: Flags
    """(elements,): True where an element is lost with the outage or cut off by it."""
    alive: Flags
    """(nodes,)."""
    dead: Flags
    """(branches,): without current after the outage."""
    spread: Complex
    """(nodes, terminals): impedances of the remaining grid; 0 at nodes that are cut off."""
    answer: Complex
    """(nodes, terminals): what voltages lose per voltage that the same currents would make at the terminals
    of the intact grid."""
    no_load: Complex
    """(nodes,): voltages without any current; 1 at nodes that are cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The grid at one set of positions."""

    matrix: Complex
    z: Complex
    """(nodes, nodes): impedances."""
    no_load: Complex
    """(nodes,): voltages without any current."""
    side: Complex
    """(sides, 2): current of each named branch's from sides, then to sides, per voltage at its ends."""
    sides: Complex
    """(rows, 2, 2): the same of every series element, as in `Admittance`."""
    detours: tuple[Detour, ...]
    """In the order of `Stands.names`."""


class Stands:
    """The stands of a park that were asked for, built from the tables of its power flow."""

    def __init__(self, flows: OutageFlows) -> None:
        oracle = flows.oracle
        self._flows = flows
        self.own: Admittance = oracle.flow.admittance
        self.names = tuple(o.name for o in flows.outages if o.kind in SOLVED)
        self.row, rating = oracle.flow.named_rows
        self.ends = self.own.ends[self.row]
        """(branches, 2): nodes."""
        amps = self.own.base_mva / (3**0.5 * self.own.kv[self.ends])
        self._percent = (100.0 * amps / rating).T.ravel()
        """(sides,): percent of the continuous rating per unit of current."""
        eye = np.eye(len(oracle.elements))
        to_node = oracle.at_nodes(eye, eye, None)[0]
        self.node_of: Index = np.where(to_node.any(axis=1), to_node.argmax(axis=1), -1)
        """(elements,): node, -1 where no source feeds."""
        self.is_exact = self.own.exact and not (self.row < 0).any() and oracle.rests is None
        """Whether outages are such small changes here: not where branches are out in some steps."""
        self._kept: dict[bytes, Stand] = {}

    def parts(self, positions: Array | None, steps: int) -> list[tuple[Index, Stand]]:
        """Return the rows of `positions` (steps, banks + taps) that stand alike, each with its grid."""
        if positions is None:
            return [(np.arange(steps), self._stand(None))]
        _, first, alike = np.unique(np.round(positions, 6), axis=0, return_index=True, return_inverse=True)
        alike = alike.ravel()
        return [(np.flatnonzero(alike == k), self._stand(positions[at])) for k, at in enumerate(first)]

    def loading(self, stand: Stand, v: Complex) -> Array:
        """Return (steps, branches) of loadings at voltages of an intact grid, percent of the rating."""
        ends = np.concatenate([self.ends, self.ends])
        current = v[:, ends[:, 0]] * stand.side[:, 0] + v[:, ends[:, 1]] * stand.side[:, 1]
        percent = np.abs(current) * self._percent
        half = len(self.ends)
        return np.maximum(percent[:, :half], percent[:, half:])

    def _stand(self, positions: Array | None) -> Stand:
        key = b"" if positions is None else np.round(positions, 6).tobytes()
        if key not in self._kept:
            if len(self._kept) >= KEPT_STANDS:
                self._kept.clear()
            self._kept[key] = self._built(positions)
        return self._kept[key]

    def _built(self, positions: Array | None) -> Stand:
        own = self.own
        matrix, sides = own.at(positions)
        free = np.setdiff1d(np.arange(len(matrix)), own.slack)
        z = np.zeros_like(matrix)
        z[np.ix_(free, free)] = np.linalg.inv(matrix[np.ix_(free, free)])
        drawn = -(matrix[:, own.slack] @ own.slack_pu)
        no_load = z @ drawn
        no_load[own.slack] = own.slack_pu
        return Stand(
            matrix=matrix,
            z=z,
            no_load=no_load,
            side=np.concatenate([sides[self.row, k] for k in (0, 1)]),
            sides=sides,
            detours=tuple(self._detour(name, (matrix, sides, z), drawn) for name in self.names),
        )

    def _detour(self, name: str, grid: tuple[Complex, Complex, Complex], drawn: Complex) -> Detour:
        matrix, sides, z = grid
        own, event = self.own, self._flows.by_name[name]
        branches = self._flows.oracle.branches
        gone = np.array([self.row[branches.index(b)] for b in event.branches], dtype=np.int64)
        alive, lost = self._flows.alive(name), self._flows.lost(name)
        devices = self.node_of[lost & alive[self.node_of] & (self.node_of >= 0)]
        at = np.setdiff1d(np.unique([*own.ends[gone].ravel(), *devices]), own.slack).astype(np.int64)
        at = at[alive[at]]
        change = self._change(matrix, sides, gone, at, alive)
        inverse = np.linalg.inv(np.eye(len(at)) + change @ z[np.ix_(at, at)])
        spread = (z[:, at] * alive[:, None]) @ inverse
        answer = spread @ change
        source = drawn * alive
        for row in gone:
            for k, node in enumerate(own.ends[row]):
                there = own.slack == own.ends[row][1 - k]
                source[node] += (sides[row, k, 1 - k] * own.slack_pu[there]).sum() * alive[node]
        intact = z @ source
        no_load = np.where(alive, intact - answer @ intact[at], 1.0)
        no_load[own.slack] = own.slack_pu
        return Detour(
            terminals=at,
            gone=gone,
            lost=lost,
            alive=alive,
            dead=np.isin(self.row, gone) | ~alive[self.ends].all(axis=1),
            spread=spread,
            answer=answer,
            no_load=no_load,
        )

    def _change(self, matrix: Complex, sides: Complex, gone: Index, at: Index, alive: Flags) -> Complex:
        """Return what an outage adds to the admittances of the fed nodes, at its terminals."""
        change = np.zeros((len(at), len(at)), dtype=np.complex128)
        place = {int(node): k for k, node in enumerate(at)}
        for row in gone:
            for i, a in enumerate(self.own.ends[row]):
                for j, b in enumerate(self.own.ends[row]):
                    if int(a) in place and int(b) in place:
                        change[place[int(a)], place[int(b)]] -= sides[row, i, j]
        cut_off = np.setdiff1d(np.flatnonzero(~alive), self.own.slack)
        if len(cut_off) and len(at):
            # impedances of the intact grid see through the nodes that are no longer there
            back = np.linalg.solve(matrix[np.ix_(cut_off, cut_off)], matrix[np.ix_(cut_off, at)])
            change += matrix[np.ix_(at, cut_off)] @ back
        return change


@lru_cache(maxsize=8)
def stands_of(flows: OutageFlows) -> Stands:
    """Return the stands of a park's outages, built once for each."""
    return Stands(flows)
