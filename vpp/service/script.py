"""The control side of a scenario: orders, sheds and restores sent at their plant time."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from vpp.clock import RealClock
from vpp.errors import YuanwangError
from vpp.link import Message
from vpp.service import orders
from vpp.service.supervise import Live
from vpp.types import Reply, ShedReport

if TYPE_CHECKING:
    from hil.scenario import Order, Restore, Shed


async def play(live: Live) -> None:
    """Send what the run's scenario orders, each at its plant time, and remark the answers.

    A command that control does not take is remarked and not repeated: it has expired.
    """
    settings = live.request.settings
    if settings.scenario is None:
        return
    from hil.scenario import Order, Restore, Shed, read_scenario

    start = settings.schedule.segments[0][0]
    for event in read_scenario(settings.scenario, live.request.park).events:
        if isinstance(event, Order | Restore | Shed):
            at = start + timedelta(minutes=event.at_min)
            await live.clock.sleep_true(settings.schedule.true_at(at) - live.clock.true_s())
            await _send(live, message_for(event, live.clock))


def message_for(event: "Order | Restore | Shed", clock: RealClock) -> Message:
    """Return the command of a scenario's event, with its expiry counted from now."""
    from hil.scenario import Order, Restore

    if isinstance(event, Order):
        return orders.dispatch_order(
            clock,
            import_max_mw=event.import_max_mw,
            export_max_mw=event.export_max_mw,
            span=timedelta(minutes=event.for_min),
        )
    if isinstance(event, Restore):
        return orders.restore_order(clock, event.loads)
    return orders.shed_order(clock, event.mw, drill=event.drill)


async def _send(live: Live, message: Message) -> None:
    try:
        answer = await asyncio.to_thread(orders.send, live.request.state, message)
    except YuanwangError as error:
        live.remark(f"{getattr(message, 'id', 'command')} failed: {error}")
        return
    for line in answer_lines(answer):
        live.remark(line)


def answer_lines(answer: Message) -> list[str]:
    """Return control's answer in words."""
    if isinstance(answer, ShedReport):
        return orders.shed_lines(answer)
    if isinstance(answer, Reply):
        return [f"{answer.id}: {'accepted' if answer.accepted else 'refused: ' + answer.reason}"]
    return [f"control answered {type(answer).__name__}"]
