"""The control side of a scenario: orders, sheds and restores sent at their plant time."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

from hil.scenario import Order, Restore, Scenario, Shed, read_scenario
from vpp.errors import YuanwangError
from vpp.link import Message
from vpp.service import orders
from vpp.service.supervise import Live
from vpp.types import DispatchOrder, Reply, RestoreOrder, ShedOrder, ShedReport

ControlEvent = Order | Shed | Restore


def control_events(scenario: Scenario, start: datetime) -> Iterator[tuple[datetime, ControlEvent]]:
    """Yield (plant time, event) of what a scenario that starts at `start` asks of control, in order."""
    for event in scenario.events:
        if isinstance(event, ControlEvent):
            yield start + timedelta(minutes=event.at_min), event


def message_for(event: ControlEvent, now: datetime, expires_at: datetime) -> Message:
    """Return the command of an event, named after its minute so that runs are alike."""
    id_ = f"{event.kind}-{event.at_min:g}min"
    if isinstance(event, Order):
        return DispatchOrder(
            id=id_,
            import_max_mw=event.import_max_mw,
            export_max_mw=event.export_max_mw,
            start=now,
            end=now + timedelta(minutes=event.for_min),
            expires_at=expires_at,
        )
    if isinstance(event, Restore):
        return RestoreOrder(id=id_, loads=event.loads, expires_at=expires_at)
    return ShedOrder(id=id_, mw=event.mw, drill=event.drill, expires_at=expires_at)


async def play(live: Live) -> None:
    """Send what the run's scenario orders, each at its plant time, and remark the answers.

    A command that control does not take is remarked and not repeated: it has expired.
    """
    settings = live.request.settings
    if settings.scenario is None:
        return
    scenario = read_scenario(settings.scenario, live.request.park)
    for at, event in control_events(scenario, settings.schedule.segments[0][0]):
        await live.clock.sleep_true(settings.schedule.true_at(at) - live.clock.true_s())
        await _send(live, message_for(event, live.clock.plant_now(), orders.expiry(live.clock)))


async def _send(live: Live, message: Message) -> None:
    try:
        answer = await asyncio.to_thread(orders.send, live.request.state, message)
    except YuanwangError as error:
        live.remark(f"{getattr(message, 'id', 'command')} failed: {error}")
        return
    live.answers.append(answer)
    for line in answer_lines(answer):
        live.remark(line)


def answer_lines(answer: Message) -> list[str]:
    """Return control's answer in words."""
    if isinstance(answer, ShedReport):
        return orders.shed_lines(answer)
    if isinstance(answer, Reply):
        return [f"{answer.id}: {'accepted' if answer.accepted else 'refused: ' + answer.reason}"]
    return [f"control answered {type(answer).__name__}"]
