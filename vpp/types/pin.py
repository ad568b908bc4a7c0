"""What a planner or dispatcher holds fixed in a plan before it is made."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Hold(StrEnum):
    """What a pin asks of an element."""

    POWER = "power"
    """Interval mean at the terminals, injection positive."""
    OFF = "off"
    """Stands still; own use is still drawn."""
    CHARGE = "charge"
    """A battery does not discharge, a CAES plant runs at least one compressor train."""
    DISCHARGE = "discharge"
    """A battery does not charge, a CAES plant runs its turbine."""
    WITHIN = "within"
    """Power stays within -p_mw and p_mw: a derated device. Only planned outages ask it."""
    LEAST = "least"
    """Power stays at or above p_mw: a device that was found to give no less. Only control asks it."""
    MOST = "most"
    """Power stays at or below p_mw: a device that was found to give no more. Only control asks it."""
    SERVE = "serve"
    """A load is not interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One element held for a span of plant time; every step that the span touches is held."""

    id: str
    """Readable and unique: the text it was written as, such as `BESS1@10:00-12:00=-20`."""
    element: str
    """Resource or load id."""
    start: datetime
    end: datetime
    hold: Hold
    p_mw: float = 0.0
    """With `Hold.POWER`, `WITHIN`, `LEAST` and `MOST`."""
