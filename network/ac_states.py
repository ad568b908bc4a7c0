"""Operating points of a grid, as a batch of power flows gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vpp.types import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class AcStates:
    """Operating points, a row per step; a step that found no solution is nan throughout."""

    buses: tuple[str, ...]
    branches: tuple[str, ...]
    vm_pu: Array
    """(steps, buses); nan at a bus that no source feeds."""
    loading_percent: Array
    """(steps, branches): current of the worse side by the continuous rating; 0 out of service."""
    p_tie_mw: Array
    """(steps,), import positive, all external grids together."""
    q_tie_mvar: Array
    """(steps,), import positive."""
    losses_mw: Array
    """(steps,), what the grid itself uses up: series, iron and shunt losses."""
    converged: npt.NDArray[np.bool_]
    """(steps,); False where there is no solution or an injection was not a finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strains:
    """What branches and buses bear at many points, a row per point; nan without a solution."""

    branches: tuple[str, ...]
    vm_pu: Array
    """(points, buses); nan at a bus that no source feeds."""
    loading_percent: Array
    """(points, branches)."""
    converged: npt.NDArray[np.bool_]
    """(points,)."""

    def at(self, rows: npt.NDArray[np.int64]) -> "Strains":
        """Return these points alone, in this order."""
        return Strains(
            branches=self.branches,
            vm_pu=self.vm_pu[rows],
            loading_percent=self.loading_percent[rows],
            converged=self.converged[rows],
        )


@dataclass(frozen=True, slots=True)
class Rests:
    """The grids of a window in which branches are out at times; see `network.timetable`."""

    out: tuple[frozenset[str], ...]
    """Branches out, by step."""
    flows: Mapping[frozenset[str], Any]
    """Branches out -> the `Oracle` of the rest."""
    solve: Callable[..., AcStates]
