"""What the tie meter says: power now, and the energy of the running quarter hour."""

from controllers.acting import tie
from controllers.acting.core import Core
from controllers.acting.image import Moment


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


def tie_meter(core: Core) -> str:
    """Return the id of the tie's meter."""
    return next(name for name, meter in core.park.meters.items() if meter.kind == "tie")
