"""A station's RTU: which branches carry current, and how loaded they are."""

from collections.abc import Sequence

from network.ac_states import AcStates
from vpp.types import Point


class Station:
    """The branches that one register map names; `take` gives them the power flow of an advance."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._closed = [p.point for p in points if p.point.startswith("closed:")]
        self._loading = [p.point for p in points if p.point.startswith("loading:")]
        self.values: dict[str, float] = {}
        """By point; what has no solution is left out."""

    def take(self, states: AcStates, out: frozenset[str]) -> None:
        """Take AC states, of which the last is shown, and the branches that are out."""
        column = {name: k for k, name in enumerate(states.branches)}
        last = states.loading_percent[-1]
        self.values = {point: float(point.partition(":")[2] not in out) for point in self._closed}
        self.values |= {point: float(last[column[point.partition(":")[2]]]) for point in self._loading}
