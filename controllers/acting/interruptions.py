"""Interruptions that the plan asks for: breakers opened at the step, closed one by one at its end."""

from collections.abc import Mapping
from datetime import datetime

from controllers.acting import ledger
from controllers.acting.core import Core
from vpp.park.interruption import demand_mw, part_mw
from vpp.types import Load, Outcome, Plan, Quality

RETRY_S = 30.0
"""Plant seconds before a load that did not answer is asked again; assumption."""


def planned_blocks(plan: Plan, load: str, step: int) -> int:
    """Return how many breakers of a load the plan wants open in a step, those of a shed among them."""
    series = plan.series.get(load, {}).get("open_blocks")
    return 0 if series is None else round(series.item(step))


def held_blocks(load: Load, calls: Mapping[str, float], mask: int) -> int:
    """Return how many stay open without a plan: those that are, as long as the contract allows."""
    return mask.bit_count() if calls["running_min"] < load.max_shed_min else 0


def lowest_free(blocks: int, taken: int, count: int) -> int:
    """Return a mask of `count` breakers that are not in `taken`, fewer where there are no more."""
    free = [bit for bit in range(blocks) if not taken >> bit & 1]
    return sum(1 << bit for bit in free[:count])


async def carry_out(core: Core, step: int | None, now: datetime) -> None:
    """Open what the plan wants open in this step, and queue for closing what it no longer does.

    Breakers that a shed order opened count towards the plan's number and are never closed here: they
    wait for a permission. Once a load's breakers begin to close, by the plan or by a permission, none
    opens again until the plan asks nothing of it: a plan made meanwhile still counts on them.
    Nothing is opened against the ledger or without a reading, and nothing moves while a shed is on
    its way. Without a plan they stay as long as the contract allows.
    """
    if core.shedding.locked():
        return
    for name, calls in core.calls(now).items():
        load, opened = core.park.loads[name], int(calls["open_blocks"])
        mask = core.planned.get(name, 0) & opened
        if step is None or core.force is None:
            wanted = held_blocks(load, calls, mask)
        else:
            number = planned_blocks(core.force.plan, name, step)
            wanted = max(number - (opened & ~mask).bit_count(), 0)
            if number == 0:
                core.ending.discard(name)
        missing = wanted - mask.bit_count()
        if missing < 0:
            core.ending.add(name)
            _queue(core, name, mask, -missing)
        elif missing > 0 and name not in core.ending and _may(core, name, calls, now):
            await _open(core, name, lowest_free(load.blocks, opened, missing), now)


def _may(core: Core, name: str, calls: Mapping[str, float], now: datetime) -> bool:
    reading, tried = core.readings[name], core.tried.get(name)
    return (
        reading.quality is not Quality.BAD
        and "p_mw" in reading.values
        and calls["locked_min"] <= 0
        and (calls["open_blocks"] > 0 or (calls["calls_left"] > 0 and calls["rest_min"] <= 0))
        and (tried is None or (now - tried).total_seconds() >= RETRY_S)
    )


async def _open(core: Core, name: str, mask: int, now: datetime) -> None:
    before = core.ledger.get(name, ledger.Calls()).open_blocks
    if await open_blocks(core, name, mask, now):
        core.planned[name] = core.planned.get(name, 0) & before | mask
        core.remember()


async def open_blocks(core: Core, name: str, mask: int, now: datetime) -> bool:
    """Open breakers on the way of a shed; counted as one call with those that are open already.

    False where the load did not answer.
    """
    load, entry = core.park.loads[name], core.ledger.get(name, ledger.Calls())
    before = core.readings[name].values
    ack = (await core.field.trip({name: entry.open_blocks | mask}, False))[name]
    core.journal.append("interruption", {"load": name, "blocks": mask, "outcome": ack.outcome})
    if ack.outcome is not Outcome.ACKNOWLEDGED:
        core.tried[name] = now
        return False
    core.tried.pop(name, None)
    opened = entry.open_blocks.bit_count()
    whole_mw = demand_mw(load, -before["p_mw"], opened, before.get("trimmed_mw", 0.0))
    cut_mw = mask.bit_count() * part_mw(load, whole_mw)
    core.ledger[name] = ledger.opened(entry, mask, cut_mw, now, core.park.site.zone)
    core.closing = [item for item in core.closing if item[0] != name or not mask >> item[1] & 1]
    core.remember()
    return True


def _queue(core: Core, name: str, mask: int, count: int) -> None:
    """Queue the highest `count` breakers of `mask` for closing, with the pauses of restoration."""
    waiting = [item for item in core.closing if item[0] == name and mask >> item[1] & 1]
    highest = [bit for bit in reversed(range(mask.bit_length())) if mask >> bit & 1]
    more = [(name, bit) for bit in highest if (name, bit) not in waiting][: max(count - len(waiting), 0)]
    core.closing = [*core.closing, *more]
