"""Staged restoration: on permission, breaker after breaker, as far as the tie carries what comes back."""

from controllers.acting import ledger
from controllers.acting.core import Core
from controllers.acting.image import Moment
from vpp.park.interruption import demand_mw, part_mw, pickup_share
from vpp.types import Outcome, Quality, RestoreOrder

PAUSE_S = 30.0
"""Plant seconds between two breakers that close: the surge of one has passed before the next; assumption."""


def permit(core: Core, order: RestoreOrder) -> str:
    """Queue the closing of breakers: the dearest load comes back first; words where nothing is open.

    Devices that a shed has lowered go back to their plan.
    """
    names = order.loads or tuple(name for name, entry in core.ledger.items() if entry.open_blocks)
    back = sorted(names, key=lambda name: -core.park.loads[name].priority)
    queued = [
        (name, bit)
        for name in back
        for bit in range(core.park.loads[name].blocks)
        if core.ledger.get(name, ledger.Calls()).open_blocks >> bit & 1
    ]
    core.closing = [item for item in core.closing if item not in queued] + queued
    core.ending |= {name for name, _ in queued}
    if not order.loads:
        core.sheds.lowered_mw, core.sheds.kept_mw = {}, {}
    return "" if queued else "nothing is open"


async def go_on(core: Core, moment: Moment) -> None:
    """Close one more breaker where one is queued, the pause is over and the tie has room for its surge."""
    core.sheds.waits = ""
    due = core.closed_at is None or (moment.now - core.closed_at).total_seconds() >= PAUSE_S
    if not core.closing or not due:
        return
    name, bit = core.closing[0]
    core.sheds.waits = _waits(core, moment, name, bit)
    if core.sheds.waits:
        return
    entry = core.ledger.get(name, ledger.Calls())
    ack = (await core.field.trip({name: entry.open_blocks & ~(1 << bit)}, False))[name]
    core.closed_at = moment.now
    core.journal.append("restore", {"load": name, "block": bit + 1, "outcome": ack.outcome})
    if ack.outcome is Outcome.ACKNOWLEDGED:
        core.closing = core.closing[1:]
        core.ledger[name] = ledger.closed(entry, 1 << bit, moment.now)
        if not core.ledger[name].open_blocks:
            core.sheds.stuck.discard(name)
    else:
        core.closing = [*core.closing[1:], core.closing[0]]
    core.remember()


def _waits(core: Core, moment: Moment, name: str, bit: int) -> str:
    """Return why a breaker of a load stays open for now; empty where it may close.

    The tie must carry the block with its cold-load pick-up. It is not asked any more once the load has
    been off for as long as its contract allows, where the tie is not metered, or where a plan closes the
    breaker, which has counted on it.
    """
    if core.planned.get(name, 0) >> bit & 1:
        return ""
    load, reading = core.park.loads[name], core.readings[name]
    if moment.import_mw is None or reading.quality is Quality.BAD or "p_mw" not in reading.values:
        return ""
    entry = core.ledger.get(name, ledger.Calls())
    if core.calls(moment.now)[name]["running_min"] >= load.max_shed_min:
        return ""
    trimmed = reading.values.get("trimmed_mw", 0.0)
    whole = demand_mw(load, -reading.values["p_mw"], entry.open_blocks.bit_count(), trimmed)
    surge_mw = part_mw(load, whole) * (1 + pickup_share(load, 0.0))
    room_mw = moment.import_max_mw - moment.import_mw
    if surge_mw <= room_mw:
        return ""
    return f"{name} comes back with {surge_mw:.1f} MW, the tie has room for {max(room_mw, 0.0):.1f} MW"
