"""The way of a shed: order, table, parallel writes, escalation, metered proof, report."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as fresh
from datetime import datetime
from math import inf

from controllers.acting.field import Field
from controllers.acting.selection import MARGIN, Block, masks, select
from vpp.clock import Clock
from vpp.types import Ack, Outcome, Quality, Reading, ShedOrder, ShedReport, ShedTarget

PROOF_S = 1.5
"""True seconds after the order within which the meters must show the cut."""
POLL_S = 0.02
"""True seconds between two looks at the meters."""
FAILED_TO_OPEN_S = 0.7
"""True seconds after the last answer: what the meters still miss is cut elsewhere (fault D23)."""


@dataclass(slots=True, kw_only=True)
class _Course:
    """What has happened so far; owned by one shed."""

    order: ShedOrder
    table: Sequence[Block]
    before: Mapping[str, Reading]
    open_before: Mapping[str, int]
    at: datetime
    started_s: float
    decided_s: float = 0.0
    chosen: list[Block] = fresh(default_factory=list)
    acks: dict[str, Ack] = fresh(default_factory=dict)
    dead: set[str] = fresh(default_factory=set)

    def alive(self) -> list[Block]:
        return [block for block in self.chosen if block.load not in self.dead]

    def more(self, missing_mw: float) -> tuple[Block, ...]:
        """Choose further blocks on loads that have not failed."""
        picked = {(block.load, block.bit) for block in self.chosen}
        rest = [b for b in self.table if b.load not in self.dead and (b.load, b.bit) not in picked]
        return select(rest, missing_mw)


async def shed(
    order: ShedOrder,
    table: Sequence[Block],
    before: Mapping[str, Reading],
    open_before: Mapping[str, int],
    *,
    field: Field,
    clock: Clock,
) -> ShedReport:
    """Cut `order.mw` and prove it; never raises for a dead device.

    `table` is the armed table, `before` the live readings and `open_before` the breakers that are
    open already. With `order.drill` the test outputs answer and nothing is metered.
    """
    course = _Course(
        order=order,
        table=table,
        before=before,
        open_before=open_before,
        at=clock.plant_now(),
        started_s=clock.true_s(),
    )
    course.chosen.extend(select(table, order.mw * (1 + MARGIN)))
    course.decided_s = clock.true_s()
    await _write(course, masks(course.chosen), field)
    metered_s = inf if order.drill else await _prove(course, field, clock)
    readings = await field.read()
    if order.drill:
        await field.trip(dict.fromkeys(masks(course.chosen), 0), True)
    return _report(course, readings, clock, metered_s)


async def _write(course: _Course, wanted: Mapping[str, int], field: Field) -> None:
    """Write all masks at once; each dead load is replaced as soon as it is known."""
    waiting = {asyncio.ensure_future(_trip(course, name, field)) for name in wanted}
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            ack = task.result()
            course.acks[ack.device] = ack
            if ack.outcome is not Outcome.ACKNOWLEDGED:
                course.dead.add(ack.device)
        missing = course.order.mw - sum(block.mw for block in course.alive())
        extra = course.more(missing) if course.dead and missing > 0 else ()
        course.chosen.extend(extra)
        waiting |= {asyncio.ensure_future(_trip(course, name, field)) for name in masks(extra)}


async def _trip(course: _Course, load: str, field: Field) -> Ack:
    mask = masks([block for block in course.chosen if block.load == load])[load]
    if not course.order.drill:
        mask |= course.open_before.get(load, 0)
    return (await field.trip({load: mask}, course.order.drill))[load]


async def _prove(course: _Course, field: Field, clock: Clock) -> float:
    """Return the true second at which the meters showed the ordered cut; inf where they never did."""
    settled_s, escalated = clock.true_s(), False
    while clock.true_s() - course.started_s < PROOF_S:
        cut = sum(metered_cuts(course.before, await field.read(), course.chosen).values())
        if cut >= course.order.mw:
            return clock.true_s()
        if not escalated and clock.true_s() - settled_s > FAILED_TO_OPEN_S:
            escalated = True
            extra = course.more(course.order.mw - cut)
            course.chosen.extend(extra)
            await _write(course, masks(extra), field)
        await clock.sleep_true(POLL_S)
    return inf


def metered_cuts(
    before: Mapping[str, Reading], now: Mapping[str, Reading], chosen: Sequence[Block]
) -> dict[str, float]:
    """Return by load how much less it takes than before, MW; 0 without a fresh reading."""
    cuts = {}
    for load in masks(chosen):
        reading, old = now.get(load), before[load]
        fresh = reading is not None and reading.quality is not Quality.BAD and reading.read_at != old.read_at
        drop = reading.values.get("p_mw", 0.0) - old.values["p_mw"] if reading is not None and fresh else 0.0
        cuts[load] = max(drop, 0.0)
    return cuts


def _report(course: _Course, now: Mapping[str, Reading], clock: Clock, metered_s: float) -> ShedReport:
    order = course.order
    cuts = dict.fromkeys(masks(course.chosen), 0.0)
    if not order.drill:
        cuts = metered_cuts(course.before, now, course.chosen)
    targets = _targets(course, cuts)
    total = sum(cuts.values())
    acked = sum(b.mw for b in course.chosen if b.load not in course.dead)
    proof = acked if order.drill else total
    ok = proof >= order.mw and (order.drill or metered_s < inf)
    armed_mw = sum(block.mw for block in course.table)

    def ms(true_s: float) -> float:
        return round((true_s - course.started_s) * 1000, 3)

    sent = [ack.sent_true_s for ack in course.acks.values()]
    done = [a.done_true_s for a in course.acks.values() if a.outcome is Outcome.ACKNOWLEDGED]
    return ShedReport(
        order_id=order.id,
        at=course.at,
        rate=clock.rate(),
        drill=order.drill,
        ordered_mw=order.mw,
        armed_mw=armed_mw,
        selected_mw=sum(block.mw for block in course.chosen),
        metered_cut_mw=total,
        over_cut_mw=total - order.mw,
        targets=targets,
        decision_ms=ms(course.decided_s),
        first_write_ms=ms(min(sent, default=course.decided_s)),
        last_ack_ms=ms(max(done, default=course.decided_s)),
        metered_ms=inf if metered_s == inf else ms(metered_s),
        ok=ok,
        text=_words(
            order, armed_mw=armed_mw, total_mw=total, acked_mw=acked, ok=ok, dead=sorted(course.dead)
        ),
    )


def _targets(course: _Course, cuts: Mapping[str, float]) -> tuple[ShedTarget, ...]:
    chosen = masks(course.chosen)
    rows = []
    for load in dict.fromkeys(block.load for block in course.table):
        ack = course.acks.get(load)
        ms = round((ack.done_true_s - course.started_s) * 1000, 3) if ack is not None else None
        rows.append(
            ShedTarget(
                load=load,
                blocks=chosen.get(load, 0),
                expected_mw=sum((b.mw for b in course.chosen if b.load == load), 0.0),
                outcome=ack.outcome if ack is not None else None,
                ack_ms=ms,
                metered_cut_mw=cuts.get(load, 0.0),
            )
        )
    return tuple(rows)


def _words(
    order: ShedOrder, *, armed_mw: float, total_mw: float, acked_mw: float, ok: bool, dead: Sequence[str]
) -> str:
    """Return what became of the shed, for a dispatcher."""
    failed = f"; no answer or refusal from {', '.join(dead)}" if dead else ""
    if order.drill:
        state = "drill passed" if ok else "drill failed"
        return f"{state}: {acked_mw:.2f} MW answered of {order.mw:.2f} MW ordered; nothing opened{failed}"
    if ok:
        return f"cut {total_mw:.2f} MW by the meters, ordered {order.mw:.2f} MW{failed}"
    short = f"cut only {total_mw:.2f} MW by the meters, ordered {order.mw:.2f} MW"
    if armed_mw < order.mw:
        return f"{short}: no more than {armed_mw:.2f} MW is armed{failed}"
    return f"{short} within {PROOF_S:g} s{failed}"
