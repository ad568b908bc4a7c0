"""A shed opens first what somebody selected, or nothing where that cannot be (faults U1, U2)."""

from datetime import timedelta

from controllers.acting import selection
from vpp.types import Reply, ShedOrder, ShedReport


def order(clock, mw, blocks, id_="s"):
    soon = clock.plant_now() + timedelta(seconds=60)
    return ShedOrder(id=id_, mw=mw, drill=False, expires_at=soon, blocks=blocks)


async def test_a_shed_opens_what_was_selected_and_not_what_control_would_choose(control, run, plant, clock):
    snapshot = await run(3)
    table = selection.armed(control._core.park.loads, snapshot.readings, snapshot.calls)
    own = selection.masks(selection.select(table, 5.0))
    other = next(block for block in table if block.load not in own or not own[block.load] >> block.bit & 1)
    report = await control.take(order(clock, 0.9 * other.mw, {other.load: 1 << other.bit}))
    assert isinstance(report, ShedReport)
    assert report.ok
    assert {t.load: t.blocks for t in report.targets if t.blocks} == {other.load: 1 << other.bit}


async def test_a_selected_breaker_that_may_not_open_any_more_refuses_the_whole(control, run, plant, clock):
    snapshot = await run(3)
    table = selection.armed(control._core.park.loads, snapshot.readings, snapshot.calls)
    chosen = {table[0].load: 1 << table[0].bit}
    assert (await control.take(order(clock, 0.9 * table[0].mw, chosen))).ok
    refused = await control.take(order(clock, 0.9 * table[0].mw, chosen, "again"))
    assert isinstance(refused, Reply)
    assert not refused.accepted
    assert f"{table[0].load} cannot open as selected" in refused.reason
    assert sum(mask.bit_count() for mask in (await run(1)).open_blocks.values()) == 1
