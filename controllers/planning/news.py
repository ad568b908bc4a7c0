"""What has happened since a plan that it cannot know: reason enough for another before its time."""

from collections.abc import Mapping

from vpp.types import Plan, Snapshot

PAUSE_S = 180.0
"""Plant seconds between two plans for the sake of news: breakers close one by one; assumption."""


def is_news(seen: Snapshot | None, now: Snapshot, plan: Plan | None) -> bool:
    """Return whether `now` holds an order or breakers that a plan made from `seen` cannot know.

    An order that came or was withdrawn; breakers that stand otherwise than then and than planned, as
    after a shed and its restoration.
    """
    if seen is None or plan is None or (now.at - seen.at).total_seconds() < PAUSE_S:
        return False
    before, after = {o.id: o for o in seen.orders}, {o.id: o for o in now.orders}
    if after.keys() - before.keys() or any(before[i].end > now.at for i in before.keys() - after.keys()):
        return True
    planned = _planned_blocks(plan, now)
    opened = {name: mask.bit_count() for name, mask in now.open_blocks.items()}
    was = {name: mask.bit_count() for name, mask in seen.open_blocks.items()}
    return any(
        opened.get(name, 0) != was.get(name, 0) and opened.get(name, 0) != planned.get(name, 0)
        for name in {*opened, *was}
    )


def _planned_blocks(plan: Plan, now: Snapshot) -> Mapping[str, int]:
    step = int((now.at - plan.start).total_seconds() // (plan.step_min * 60))
    if not 0 <= step < plan.steps:
        return {}
    return {
        name: round(float(series["open_blocks"][step]))
        for name, series in plan.series.items()
        if "open_blocks" in series
    }
