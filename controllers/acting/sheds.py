"""A shed order in control: table, lowered devices, cut, ledger, alarms, and what it adds up to."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from controllers.acting import ledger, lowering, selection, shedding
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from vpp.park.interruption import demand_mw, part_mw
from vpp.types import Outcome, Quality, Reply, Severity, ShedOrder, ShedReport


async def shed(core: Core, order: ShedOrder) -> Reply | ShedReport:
    """Cut or drill, and journal the proof; setpoints of electrolysers and CAES plants are lowered at once."""
    if not core.readings:
        return Reply(id=order.id, accepted=False, reason="no load has been metered yet")
    received_s, now = core.clock.true_s(), core.clock.plant_now()
    calls = core.calls(now)
    table = selection.armed(core.park.loads, core.readings, calls)
    if away := _not_armed(table, order):
        reason = f"changed since it was selected: {', '.join(away)} cannot open as selected"
        return Reply(id=order.id, accepted=False, reason=reason)
    before = {block.load: core.readings[block.load] for block in table}
    already = {name: int(entry["open_blocks"]) for name, entry in calls.items()}
    lowered = None if order.drill else asyncio.create_task(begin(core, order), name="lower")
    core.journal.append("shed_order", order)
    report = await shedding.shed(
        order,
        table,
        before,
        already,
        loads=core.park.loads,
        field=core.field,
        clock=core.clock,
        received_s=received_s,
    )
    if lowered is not None:
        report = replace(report, lowered_mw=await lowered)
        await book(core, report)
    core.journal.append("shed", report)
    return report


async def begin(core: Core, order: ShedOrder) -> dict[str, float]:
    """Let nothing close any more, and lower what can be lowered; MW by device that took the command."""
    core.closing = []
    return await lowering.begin(core, order)


async def book(core: Core, report: ShedReport) -> None:
    """Enter what opened, or may have, into the ledger; a refused or unsent mask opened nothing.

    What the breakers have cut needs nobody lowered.
    """
    await lowering.go_on(core, missing_mw=max(-report.over_cut_mw, 0.0))
    zone, now, opened = core.park.site.zone, report.at, {}
    for target in report.targets:
        if target.blocks and target.outcome not in (Outcome.REFUSED, Outcome.DISCONNECTED):
            entry = core.ledger.get(target.load, ledger.Calls())
            core.ledger[target.load] = ledger.opened(entry, target.blocks, target.metered_cut_mw, now, zone)
            opened[target.load] = target.blocks
    core.sheds.standing = [
        *core.sheds.standing,
        ledger.Standing(order_id=report.order_id, ordered_mw=report.ordered_mw, masks=opened, since=now),
    ]
    core.sheds.stuck |= set(report.stuck)
    core.readings = {**core.readings, **await core.field.look(tuple(opened))}
    core.remember()


def _not_armed(table: Sequence[selection.Block], order: ShedOrder) -> list[str]:
    """Return the loads of which a selected breaker may not open now."""
    fit = selection.masks(table)
    return [name for name, mask in order.blocks.items() if mask & ~fit.get(name, 0)]


def account(core: Core, dt_s: float) -> None:
    """Add one cycle of `dt_s` plant seconds to every shed that stands; one that is restored is journalled."""
    left = []
    for before in core.sheds.standing:
        masks = {
            name: still
            for name, mask in before.masks.items()
            if (still := mask & core.ledger.get(name, ledger.Calls()).open_blocks)
        }
        if not masks:
            core.journal.append("shed_over", replace(before, masks={}))
            continue
        # what is back by permission is no under-cut
        share = sum(map(int.bit_count, masks.values())) / sum(map(int.bit_count, before.masks.values()))
        shed = replace(before, masks=masks, ordered_mw=before.ordered_mw * share)
        cut_mw = sum(_cut_mw(core, name, mask) for name, mask in masks.items())
        over_mw = cut_mw - shed.ordered_mw
        left.append(
            replace(
                shed,
                cut_mwh=shed.cut_mwh + cut_mw * dt_s / 3600,
                over_mwh=shed.over_mwh + max(over_mw, 0.0) * dt_s / 3600,
                under_mwh=shed.under_mwh + max(-over_mw, 0.0) * dt_s / 3600,
            )
        )
    core.sheds.standing = left


def _cut_mw(core: Core, name: str, mask: int) -> float:
    """Return what these open breakers of a load keep from it now, by its own meter."""
    load, reading = core.park.loads[name], core.readings[name]
    if reading.quality is Quality.BAD or "p_mw" not in reading.values:
        return 0.0
    opened = core.ledger[name].open_blocks.bit_count()
    trimmed = reading.values.get("trimmed_mw", 0.0)
    return part_mw(load, demand_mw(load, -reading.values["p_mw"], opened, trimmed)) * mask.bit_count()


def conditions(core: Core) -> Iterator[Condition]:
    """Name loads whose breakers did not open when they were told, until they are told to close."""
    for name in sorted(core.sheds.stuck):
        yield Condition(
            id=f"stuck:{name}",
            severity=Severity.ALARM,
            source=name,
            text=f"{name} acknowledged a shed and did not take less: look at its breakers",
        )
    if core.sheds.waits:
        yield Condition(
            id="restore:waits", severity=Severity.INFORMATION, source="control", text=core.sheds.waits
        )
    now = core.clock.plant_now()
    for name, entry in core.ledger.items():
        if (minutes := ledger.locked_min(entry, now)) > 0:
            yield Condition(
                id=f"locked:{name}",
                severity=Severity.ACTION,
                source=name,
                text=f"{name} was cut {ledger.LOCK_AFTER} times within {ledger.LOCK_WINDOW_MIN:.0f} min: "
                f"left alone for {minutes:.0f} min",
            )
