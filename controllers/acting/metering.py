"""What the tie meter says: power now, and the energy of the running quarter hour."""

from dataclasses import replace
from datetime import datetime

from controllers.acting import tie
from controllers.acting.core import Core
from controllers.acting.image import Moment
from vpp.types import Quality, Reading


def take(core: Core, moment: Moment, limits_mw: tuple[float, float]) -> None:
    """Add what the tie carried since the last cycle to its quarter hour."""
    moved_mwh = None
    if moment.import_mw is None:
        core.counters = None
    else:
        reading = core.readings[tie_meter(core)]
        moved_mwh, core.counters = tie.metered_mwh(core.counters, reading, moment.import_mw, moment.dt_s)
    core.tie = tie.advance(
        core.tie, moment.now, moment.import_mw, moment.dt_s, limits_mw, moved_mwh=moved_mwh
    )


def count_until(core: Core, now: datetime, cycle_s: float) -> None:
    """Show the tie's energy counters as of the cycle's time, where they were read within a cycle of it.

    A meter that answers 0.2 s into a cycle is 12 plant seconds late at rate 60: it has counted 2 MWh more at
    600 MW, which would be 8 MW of a quarter hour's mean.
    """
    name = tie_meter(core)
    reading = core.readings[name]
    core.readings = {**core.readings, name: _moved(reading, -_late_s(reading, now, cycle_s))}


def as_read(reading: Reading, now: datetime, cycle_s: float) -> Reading:
    """Return the tie meter's reading with its counters as they were before `count_until` moved them."""
    return _moved(reading, _late_s(reading, now, cycle_s))


def _late_s(reading: Reading, now: datetime, cycle_s: float) -> float:
    """Return how long after the cycle's time a reading was taken; 0 where its counters are left alone."""
    if reading.read_at is None or reading.quality is Quality.BAD:
        return 0.0
    late_s = (reading.read_at - now).total_seconds()
    return late_s if abs(late_s) < cycle_s else 0.0


def _moved(reading: Reading, seconds: float) -> Reading:
    """Return a reading with the counter of its power's direction moved on by so many plant seconds."""
    p_mw = reading.values.get("p_mw", 0.0)
    side = "energy_in_mwh" if p_mw > 0.0 else "energy_out_mwh"
    if seconds == 0.0 or side not in reading.values:
        return reading
    return replace(
        reading, values={**reading.values, side: reading.values[side] + abs(p_mw) * seconds / 3600}
    )


def tie_meter(core: Core) -> str:
    """Return the id of the tie's meter."""
    return next(name for name, meter in core.park.meters.items() if meter.kind == "tie")
