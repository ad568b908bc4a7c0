"""What capability is told as: directions of elements, and pools of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controllers.acting.pooling import Pooled
from controllers.acting.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction of one element."""

    reach: tuple[Reach, ...]
    """By horizon, `HORIZONS_S`."""
    price_cny_per_mwh: float | None
    """What one MWh of it costs the park besides the energy at the tie; negative: it saves. None: free
    of any price, or nothing is offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Capability of one device or load."""

    id: str
    kind: str
    bus: str
    p_mw: float | None
    """Injection now; None where nothing was read."""
    ramp_mw_per_min: float
    """Fastest change; inf: at once."""
    up: Direction
    down: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Capability of a bus or of the park."""

    members: tuple[str, ...]
    up: tuple[Pooled, ...]
    down: tuple[Pooled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Everything that can be adjusted at one moment."""

    at: datetime
    network: bool
    """Whether network rows of the plan in force were there to be respected."""
    park: Pool
    buses: Mapping[str, Pool]
    elements: Mapping[str, Element]
