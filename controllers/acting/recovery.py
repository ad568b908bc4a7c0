"""After a restart: which commands were answered, which were cut short, and what those left open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from controllers.acting import ledger
from controllers.acting.core import Core
from controllers.acting.memory import Memory
from vpp.journal import Record
from vpp.park.interruption import demand_mw, part_mw
from vpp.types import Quality, Reply, ShedOrder, ShedReport, wire

KINDS = ("order", "shed_order", "reply", "shed")
"""Kinds of records that tell of commands."""
ADOPT_CYCLES = 10
"""Cycles after the start in which loads that answer late are still looked at; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the journal says of the commands of the run before."""

    answers: Mapping[str, Reply | ShedReport]
    """By command id, so that a repeated command has no second effect."""
    cut_short: tuple[Reply, ...]
    """Answers that were never given: the process ended before."""
    shed: ledger.Standing | None
    """A shed that was cut short: breakers may stand open that no ledger knows of."""


def recovered(records: Sequence[Record], kept: Memory) -> Recovered:
    """Return what became of each command, oldest first; `kept` says which orders took effect.

    An order that is in the journal without an answer was given to nobody as accepted. It counts as
    taken where the memory holds it, else as not given.
    """
    answers: dict[str, Reply | ShedReport] = {}
    pending: dict[str, Record] = {}
    for record in records:
        value: dict[str, Any] = record.value
        match record.kind:
            case "order":
                pending[value["order"]["id"]] = record
            case "shed_order":
                pending[value["id"]] = record
            case "reply":
                answers[value["id"]] = wire.decode(record.payload, Reply)
            case "shed":
                answers[value["order_id"]] = wire.decode(record.payload, ShedReport)
    left = {id_: record for id_, record in pending.items() if id_ not in answers}
    cut_short = {id_: _answer(id_, record, kept) for id_, record in left.items()}
    sheds = [r for r in left.values() if r.kind == "shed_order" and not r.value["drill"]]
    return Recovered(
        answers={**answers, **cut_short},
        cut_short=tuple(cut_short.values()),
        shed=_cut_short(sheds[-1]) if sheds else None,
    )


def _cut_short(record: Record) -> ledger.Standing:
    order = wire.decode(record.payload, ShedOrder)
    return ledger.Standing(order_id=order.id, ordered_mw=order.mw, masks={}, since=record.at)


def _answer(id_: str, record: Record, kept: Memory) -> Reply:
    if record.kind == "shed_order":
        text = "control was restarted while it carried out this shed: look at what is open before the next"
        return Reply(id=id_, accepted=False, reason=text)
    taken = id_ in kept.taken
    reason = "" if taken else "control was restarted before it took effect: give it again with a new id"
    return Reply(id=id_, accepted=taken, reason=reason)


def adopt(core: Core, shed: ledger.Standing) -> None:
    """Enter into the ledger what a shed that was cut short has left open, by the loads' own reports.

    It stands from then on as one that ended, since it was ordered.
    """
    for name, load in core.park.loads.items():
        reading = core.readings[name]
        if not load.blocks or reading.quality is not Quality.GOOD or "p_mw" not in reading.values:
            continue
        entry = core.ledger.get(name, ledger.Calls())
        mask = int(reading.values.get("breakers", 0.0)) & (1 << load.blocks) - 1 & ~entry.open_blocks
        if mask:
            trimmed, count = reading.values.get("trimmed_mw", 0.0), mask.bit_count()
            opened = entry.open_blocks.bit_count() + count
            cut_mw = count * part_mw(load, demand_mw(load, -reading.values["p_mw"], opened, trimmed))
            core.ledger[name] = ledger.opened(entry, mask, cut_mw, shed.since, core.park.site.zone)
            core.journal.append("adopted", {"load": name, "blocks": mask})
            shed = replace(shed, masks={**shed.masks, name: shed.masks.get(name, 0) | mask})
    if shed.masks and shed != core.adopting:
        others = [other for other in core.sheds.standing if other.order_id != shed.order_id]
        core.sheds.standing = [*others, shed] if shed.order_id else others
        core.remember()
    core.adopting = shed if core.cycle < ADOPT_CYCLES else None
