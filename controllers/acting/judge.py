"""What a reading is worth: by its age in cycles, its heartbeat, and its endpoint's own word."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from vpp.types import Quality, Reading

GOOD_CYCLES = 1.5
"""Cycles of age up to which a value is good; assumption: the poll of this or the last cycle."""
STALE_CYCLES = 3.0
"""Beyond this it is bad."""
FROZEN_CYCLES = 5
"""Cycles in which the heartbeat must have moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The last heartbeat of an endpoint and in how many fresh answers it has not moved."""

    value: float
    still: int


def judge(
    readings: Mapping[str, Reading], pulses: Mapping[str, Pulse], now: datetime, cycle_s: float
) -> tuple[dict[str, Reading], dict[str, Pulse]]:
    """Return the readings with age and quality as of `now`, and the heartbeats to remember.

    `cycle_s` is the plant time of one cycle. A field may say worse than the age does, never better.
    """
    judged: dict[str, Reading] = {}
    beats: dict[str, Pulse] = {}
    for name, reading in readings.items():
        age_s = (now - reading.read_at).total_seconds() if reading.read_at else float("inf")
        quality = _by_age(age_s / cycle_s)
        if reading.quality is Quality.BAD:
            quality = Quality.BAD
        value = reading.values.get("heartbeat")
        if value is not None:
            last = pulses.get(name)
            stands = last is not None and last.value == value and quality is Quality.GOOD
            still = last.still + 1 if last is not None and stands else 0
            beats[name] = Pulse(value=value, still=still)
            if still >= FROZEN_CYCLES:
                quality = Quality.BAD
        judged[name] = replace(reading, quality=quality, age_s=max(age_s, 0.0))
    return judged, beats


def _by_age(cycles: float) -> Quality:
    if cycles <= GOOD_CYCLES:
        return Quality.GOOD
    return Quality.STALE if cycles <= STALE_CYCLES else Quality.BAD
