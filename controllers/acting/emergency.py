"""Outages, and the armed actions of the plan that answer them: carried out in the cycle that sees one."""

from collections.abc import Iterator
from datetime import datetime
from math import ceil, sqrt

from controllers.acting.alarms import Condition
from controllers.acting.conditions import FAULT
from controllers.acting.core import Core
from controllers.acting.interruptions import RETRY_S, lowest_free, open_blocks
from controllers.acting.ledger import Calls
from controllers.acting.reach import NOTICE_S
from controllers.acting.selection import block_mw
from vpp.park.interruption import demand_mw as whole_demand_mw
from vpp.park.interruption import is_trimmable, trim_max_mw
from vpp.types import Grid, NoticeClass, OutageAction, Quality, Severity

FULL_PERCENT, AIM_PERCENT = 100.0, 5.0
"""Continuous rating, and how far inside it actions may reach beyond an overload; assumption."""
PROPORTION = 5.0
"""Actions that move more MW than so many times the MVA over are refused: somebody far away would be shed for
what he hardly acts on; assumption."""
ENOUGH_MW = 0.05
"""Of an action less than this opens no breaker (assumption: below what a meter tells)."""


def watch(core: Core, now: datetime) -> None:
    """Note what is out now, those of the calendar apart, and take the plan's armed actions for it.

    What is silent is believed to stand as it last said. Actions stay as they were taken until the outage
    is over; a later step's or plan's take their place only where a branch is metered above its rating.
    """
    planned = {o.element for o in core.park.outages if o.start <= now < o.end}
    for element, closed in _told(core):
        if closed or element in planned:
            if core.out.pop(element, None) is not None:
                core.armed.pop(element, None)
                core.refused.pop(element, None)
                core.journal.append("outage_over", {"element": element})
        elif element not in core.out:
            core.out[element] = now
            core.journal.append("outage", {"element": element})
    for element in core.out:
        _arm(core, element, now)


def _told(core: Core) -> Iterator[tuple[str, bool]]:
    """Yield branches and devices that answer, and whether they are in service."""
    for name, reading in core.readings.items():
        if reading.quality is Quality.BAD:
            continue
        if name in core.park.resources:
            yield name, reading.values.get("status") != FAULT
        elif name in core.park.meters and core.park.meters[name].kind == "station":
            for point, value in reading.values.items():
                word, _, branch = point.partition(":")
                if word == "closed":
                    yield branch, value != 0.0


def _arm(core: Core, element: str, now: datetime) -> None:
    """Take the armed actions that the plan in force has for an outage at this step, where they are needed."""
    action = _planned(core, element, now)
    metered, over_mva = _overload(core)
    if action is None or action == core.armed.get(element) or (metered and over_mva == 0.0):
        return
    if element in core.armed and not metered:
        return
    moved_mw = sum(map(abs, action.moves_mw.values()))
    if metered and moved_mw > PROPORTION * over_mva:
        core.refused[element] = f"{moved_mw:.0f} MW for {over_mva:.1f} MVA over: out of proportion"
        return
    core.armed[element] = action
    core.refused.pop(element, None)
    core.journal.append("armed", {"element": element, "moves_mw": dict(action.moves_mw)})


def _planned(core: Core, element: str, now: datetime) -> OutageAction | None:
    if core.force is None:
        return None
    step = int((now - core.force.plan.start).total_seconds() // (60 * core.force.plan.step_min))
    return core.force.armed.get((element, step))


def _overload(core: Core) -> tuple[bool, float]:
    """Return whether stations meter loadings, and the MVA over them, with what actions aim at beyond it."""
    known, over_mva = False, 0.0
    for name, meter in core.park.meters.items():
        reading = core.readings[name]
        if meter.kind != "station" or reading.quality is Quality.BAD:
            continue
        for point, percent in reading.values.items():
            word, _, branch = point.partition(":")
            known = known or word == "loading"
            if word == "loading" and percent > FULL_PERCENT:
                share = (percent - FULL_PERCENT + AIM_PERCENT) / 100
                over_mva += share * rating_mva(core.park.grid, branch)
    return known, over_mva


def rating_mva(grid: Grid, branch: str) -> float:
    """Return the continuous rating of a line or transformer, MVA."""
    kv = {bus.name: bus.vn_kv for bus in grid.buses}
    lines = {t.name: t.max_i_ka for t in grid.line_types}
    trafos = {t.name: t.sn_mva for t in grid.trafo_types}
    for line in grid.lines:
        if line.name == branch:
            return sqrt(3) * kv[line.from_bus] * lines[line.std_type]
    return next(trafos[trafo.std_type] for trafo in grid.trafos if trafo.name == branch)


def moves_mw(core: Core) -> dict[str, float]:
    """Return by element what all armed actions of now add to its planned injection, MW."""
    moves: dict[str, float] = {}
    for action in core.armed.values():
        for name, mw in action.moves_mw.items():
            moves[name] = moves.get(name, 0.0) + mw
    return moves


def reasons(core: Core) -> dict[str, str]:
    """Return by element the armed action that moves it now, in words."""
    return {name: f"armed action after {a.outage}" for a in core.armed.values() for name in a.moves_mw}


async def open_breakers(core: Core, now: datetime) -> None:
    """Open breakers of loads for what their trimmed part cannot give; a permission closes them again.

    Loads with minutes of notice get it before theirs open. The contract's calls and rests do not count:
    an outage is an emergency.
    """
    for name, mw in moves_mw(core).items():
        load = core.park.loads.get(name)
        if load is None or not load.blocks or core.readings[name].quality is Quality.BAD:
            continue
        since = min(core.out[a.outage] for a in core.armed.values() if name in a.moves_mw)
        tried = core.tried.get(name)
        noticed = load.notice_class is NoticeClass.SECONDS or (now - since).total_seconds() >= NOTICE_S
        waits = tried is not None and (now - tried).total_seconds() < RETRY_S
        if not noticed or waits or core.shedding.locked():
            continue
        values = core.readings[name].values
        mask = core.ledger.get(name, Calls()).open_blocks
        opened, trimmed = mask.bit_count(), values.get("trimmed_mw", 0.0)
        whole = whole_demand_mw(load, -values["p_mw"], opened, trimmed)
        trim = trim_max_mw(load, whole, opened) if is_trimmable(load) else 0.0
        cut_mw = core.ledger[name].cut_mw if name in core.ledger else 0.0
        each, missing_mw = block_mw(load, values["p_mw"], mask, trimmed), mw - trim - cut_mw
        if each > 0.0 and missing_mw > ENOUGH_MW:
            await open_blocks(core, name, lowest_free(load.blocks, mask, ceil(missing_mw / each)), now)


def of_outages(core: Core) -> Iterator[Condition]:
    """Name what is out, and what is done about it."""
    for name in core.out:
        if name in core.armed:
            moves = core.armed[name].moves_mw.items()
            text = "armed actions " + ", ".join(f"{who} {mw:+.1f} MW" for who, mw in moves)
        elif name in core.refused:
            text = f"the plan's armed actions are not carried out: {core.refused[name]}"
        else:
            text = "no armed action is needed"
        yield Condition(
            id=f"outage:{name}", severity=Severity.ALARM, source=name, text=f"{name} is out: {text}"
        )
