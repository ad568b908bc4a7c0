"""How often banks and tap changers moved today, by their own readings: wear counts whoever asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vpp.park.model import Park
from vpp.types import Quality, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What one bank or tap changer did."""

    position: float
    """Where it stood when last read."""
    day: date
    """Plant-zone day of `today`."""
    today: float = 0.0
    """Switchings or steps on that day."""


def counted(
    park: Park, known: Mapping[str, Moved], readings: Mapping[str, Reading], now: datetime
) -> dict[str, Moved]:
    """Return the counts after this cycle's readings; statcoms, which do not wear, have none.

    What moved while nobody looked counts on the day on which it is seen.
    """
    found, day = dict(known), _day(park, now)
    for name, row in park.actuators.items():
        reading = readings.get(name)
        if row.kind == "statcom" or reading is None or reading.quality is Quality.BAD:
            continue
        here = reading.values.get("position")
        last = known.get(name)
        if here is None or (last is not None and last.position == here and last.day == day):
            continue
        moves = abs(here - last.position) if last is not None else 0.0
        today = last.today if last is not None and last.day == day else 0.0
        found[name] = Moved(position=here, day=day, today=today + moves)
    return found


def today(park: Park, known: Mapping[str, Moved], now: datetime) -> dict[str, float]:
    """Return the moves of the plant-zone day of `now` by actuator."""
    day = _day(park, now)
    return {name: moved.today if moved.day == day else 0.0 for name, moved in known.items()}


def _day(park: Park, now: datetime) -> date:
    return now.astimezone(ZoneInfo(park.site.zone)).date()
