"""The end of holding: control that has no plan to trust lets devices go to their reversion values.

Devices trust a command for its time-to-live, control a plan for its own; holding last values is a command
that nobody has thought of any more, and ends too (design: three dead men). Tie, orders, sheds and armed
breakers go on as before.
"""

from collections.abc import Iterator
from datetime import datetime

from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.image import Moment
from controllers.acting.setpoints import STAGGER_S
from vpp.types import Severity


def count(core: Core, step: int | None, now: datetime) -> None:
    """Note since when nothing is followed; a plan that is about to begin is waited for."""
    begins = core.force is not None and now < core.force.plan.start
    holds = step is None and core.acting and not begins
    if holds != (core.held_since is not None):
        core.held_since = now if holds else None
        core.unsaved = True


def is_over(core: Core, moment: Moment, turn: int = 0) -> bool:
    """Return whether the device whose turn it is goes to its reversion value by now."""
    if core.held_since is None:
        return False
    ttl_s = max(core.park.horizon.hold_ttl_s, moment.ahead_s) + STAGGER_S * turn
    return (moment.now - core.held_since).total_seconds() >= ttl_s


def conditions(core: Core, moment: Moment) -> Iterator[Condition]:
    """Tell that holding is over."""
    if is_over(core, moment):
        yield Condition(
            id="plan:reversion",
            severity=Severity.ALARM,
            source="control",
            text=f"no plan to follow for {core.park.horizon.hold_ttl_s / 60:.0f} min: devices go to their "
            "reversion values, loads are trimmed no more; tie limits, orders and sheds are kept",
        )
