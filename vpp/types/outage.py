"""What the outages of a park's contingency classes do to a plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from vpp.types.array import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageBreach:
    """A limit that an outage would break at a step."""

    outage: str
    step: int
    limit: str
    """`branch:NAME`, `voltage_max:BUS`, `voltage_min:BUS` or `power_flow:network`."""
    found: float
    """Percent or vm_pu; 0 where the power flow has no solution."""
    allowed: float
    reason: str
    """Why it stands, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageAction:
    """Armed actions that bring a step back inside the continuous ratings after an outage."""

    outage: str
    step: int
    moves_mw: Mapping[str, float]
    """Change of injection by resource or load id, all in all."""
    at_once_mw: Mapping[str, float]
    """The part of it that must be done within seconds, to come inside the short-time ratings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageClass:
    """The outages of one class; arrays have shape (steps,), or (0,) where the class is not solved."""

    kind: str
    """preventive, corrective, radial or island."""
    outages: tuple[str, ...]
    """Events checked at every step."""
    worst_percent: Array
    """Highest loading right after any of them, against the continuous rating."""
    worst: tuple[str, ...]
    """Where that is, `BRANCH after OUTAGE`, one per step."""
    vm_min_pu: Array
    vm_max_pu: Array
    lost_load_mw: Array
    """Most demand that one of them cuts off."""
    lost_supply_mw: Array
    """Most feed-in that one of them takes away; of an island the import over the tie."""
    left: tuple[OutageBreach, ...]
    """Violations that some dispatch might cure; none in a good plan."""
    held: tuple[OutageBreach, ...]
    """Violations that no dispatch cures, held at what they are without one."""
    actions: tuple[OutageAction, ...]
