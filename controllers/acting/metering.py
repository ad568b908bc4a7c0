"""What the tie meter says: power now, and the energy of the running quarter hour."""

from dataclasses import replace
from datetime import datetime

from controllers.acting import tie
from controllers.acting.core import Core
from controllers.acting.image import Moment
from vpp.types import Quality


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
    if reading.read_at is None or reading.quality is Quality.BAD or "p_mw" not in reading.values:
        return
    late_s = (reading.read_at - now).total_seconds()
    if late_s == 0.0 or abs(late_s) >= cycle_s:
        return
    side = "energy_in_mwh" if reading.values["p_mw"] > 0.0 else "energy_out_mwh"
    if side in reading.values:
        counted = {**reading.values, side: reading.values[side] - abs(reading.values["p_mw"]) * late_s / 3600}
        core.readings = {**core.readings, name: replace(reading, values=counted)}


def tie_meter(core: Core) -> str:
    """Return the id of the tie's meter."""
    return next(name for name, meter in core.park.meters.items() if meter.kind == "tie")
