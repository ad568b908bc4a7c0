"""What is asked of a device, and the values its first state is built from."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A setpoint as the device sees it; both values are absolute and hold until the next."""

    p_mw: float
    """At the terminals, own use included, injection positive; a cap for wind and PV."""
    h2_kg_per_h: float = 0.0
    """Delivery of a hydrogen store to its pipeline; without meaning for other devices."""
    warm_stacks: float | None = None
    """Stacks that an electrolyser keeps warm; None: all, or none where `p_mw` asks for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Initial:
    """State at the beginning of a run; a device reads what concerns it and ignores the rest."""

    soc: float = 0.5
    """Share of full energy: battery, CAES."""
    mode: Literal["off", "charge", "discharge"] = "off"
    """Mode of a CAES plant; one that is on starts at its least load in that mode."""
    h2_kg: float = 0.0
    """Content of a hydrogen store."""
    p_mw: float = 0.0
    """Power at the terminals: wind, PV, battery, electrolyser."""


class Change(NamedTuple):
    """What it takes to bring a device from one planned power to the next, seconds."""

    start_s: float
    """Waiting until a machine may take load; 0 where none has to start."""
    half_ramp_s: float
    """Time from the begin of the ramp to the moment that, taken as a jump, has the same energy."""


AT_ONCE = Change(0.0, 0.0)
"""For devices that follow within seconds."""
