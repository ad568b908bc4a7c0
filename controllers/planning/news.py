"""When the next plan is made: once in each period, and before its time for what no plan could know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers.planning import derates
from controllers.planning.state import answers, due
from vpp.park.model import Park
from vpp.types import Hold, Plan, Snapshot

PAUSE = timedelta(seconds=180)
"""Plant time between two plans for the sake of news: breakers close one by one, and a device whose line
flickers comes and goes; assumption."""


@dataclass(slots=True)
class Agenda:
    """What the last plan was made from, and how many plans were made before their time."""

    seen: Snapshot | None = None
    early_at: datetime | None = None
    early: int = 0
    """Plans for the sake of news."""
    postponed: int = 0
    """Snapshots whose news waited for the pause to end."""

    def asks(self, park: Park, now: Snapshot, plan: Plan | None) -> bool:
        """Return whether a plan should be made from `now`; `plan` is in force, None where there is none."""
        if due(now.at, self.seen.at if self.seen else None, park.horizon.replan_min):
            return True
        if not is_news(park, self.seen, now, plan):
            return False
        if self.early_at is not None and now.at - self.early_at < PAUSE:
            self.postponed += 1
            return False
        self.early, self.early_at = self.early + 1, now.at
        return True


def is_news(park: Park, seen: Snapshot | None, now: Snapshot, plan: Plan | None) -> bool:
    """Return whether `now` holds what a plan made from `seen` cannot know.

    An order that came or was withdrawn; a device that tripped, fell silent or is back, or was found to give
    less than it should; breakers that stand otherwise than then and than planned, as after a shed and its
    restoration.
    """
    if seen is None or plan is None:
        return False
    before, after = {o.id: o for o in seen.orders}, {o.id: o for o in now.orders}
    if after.keys() - before.keys() or any(before[i].end > now.at for i in before.keys() - after.keys()):
        return True
    if _lost(park, now) != _lost(park, seen) or _limited(park, now) - _limited(park, seen):
        return True
    planned = _planned_blocks(plan, now)
    opened = {name: mask.bit_count() for name, mask in now.open_blocks.items()}
    was = {name: mask.bit_count() for name, mask in seen.open_blocks.items()}
    return any(
        opened.get(name, 0) != was.get(name, 0) and opened.get(name, 0) != planned.get(name, 0)
        for name in {*opened, *was}
    )


def _lost(park: Park, snapshot: Snapshot) -> set[str]:
    """Return the devices that are planned as standing still."""
    return {name for name in park.resources if not answers(snapshot.readings.get(name))}


def _limited(park: Park, snapshot: Snapshot) -> set[tuple[str, Hold]]:
    """Return the devices that are planned within what they were found to give, and on which side."""
    return {(pin.element, pin.hold) for pin in derates.pins(park, snapshot)}


def _planned_blocks(plan: Plan, now: Snapshot) -> Mapping[str, int]:
    step = int((now.at - plan.start).total_seconds() // (plan.step_min * 60))
    if not 0 <= step < plan.steps:
        return {}
    return {
        name: round(float(series["open_blocks"][step]))
        for name, series in plan.series.items()
        if "open_blocks" in series
    }
