"""The way of a shed: order, table, parallel writes, escalation, metered proof, report."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from controllers.acting.course import Course, need_mw
from controllers.acting.field import Field
from controllers.acting.selection import Block
from controllers.acting.shed_report import report_of
from vpp.clock import Clock
from vpp.types import Ack, Load, Reading, ShedOrder, ShedReport

PROOF_S = 1.5
"""True seconds after the order within which the meters must show the cut."""
LOOK_EVERY_S = 0.05
"""True seconds between two looks at the meters of cut feeders: with the look itself at least 10 Hz."""


async def shed(
    order: ShedOrder,
    table: Sequence[Block],
    before: Mapping[str, Reading],
    open_before: Mapping[str, int],
    *,
    loads: Mapping[str, Load],
    field: Field,
    clock: Clock,
    received_s: float | None = None,
) -> ShedReport:
    """Cut `order.mw` and prove it; never raises for a dead device.

    `table` is the armed table, `before` the live readings and `open_before` the breakers that are
    open already; times count from `received_s` (default: now). A terminal that does not answer, a
    breaker that does not open and a meter that shows no cut are each replaced by the next blocks of
    the table as soon as they are late. With `order.drill` the test outputs answer and nothing is metered.
    """
    names = {block.load for block in table}
    course = Course(
        order=order,
        table=table,
        before={name: before[name] for name in names},
        delays_s={name: loads[name].shed_time_ms / 1000 / clock.rate() for name in names},
        at=clock.plant_now(),
        started_s=clock.true_s() if received_s is None else received_s,
    )
    first = course.choose(need_mw(order))
    course.decided_s = clock.true_s()
    writes: set[asyncio.Task[Mapping[str, Ack]]] = set()

    def launch(chosen: Sequence[str]) -> None:
        wanted = {n: course.masks[n] | (0 if order.drill else open_before.get(n, 0)) for n in chosen}
        course.told(chosen, clock.true_s())
        if wanted:
            writes.add(asyncio.create_task(field.trip(wanted, order.drill, course.heard), name="shed"))

    launch(first)
    try:
        await _prove(course, launch, field, clock)
    finally:
        for task in writes:
            task.cancel()
    if order.drill:
        answered = [load for load in course.masks if load in course.acks and not course.dead(load)]
        await field.trip(dict.fromkeys(answered, 0), True)
    return report_of(course, clock.rate())


async def _prove(course: Course, launch: Callable[[Sequence[str]], None], field: Field, clock: Clock) -> None:
    """Look at meters and answers until the cut stands, replacing what fails; at most `PROOF_S`."""
    while True:
        slept_s = clock.true_s()
        await clock.sleep_true(LOOK_EVERY_S)
        course.forgive(clock.true_s() - slept_s - LOOK_EVERY_S)
        names = course.due_to_look(clock.true_s())
        if names:
            course.meter(await field.look(names), clock.true_s(), clock.rate())
        now_s = clock.true_s()
        over = now_s - course.started_s > PROOF_S
        extra = () if over else course.escalate(now_s)
        launch(extra)
        if over or (not extra and course.proven() and course.settled(now_s)):
            return
