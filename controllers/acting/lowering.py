"""Electrolysers and charging CAES plants in a shed: their setpoints go down first and at once.

They take seconds to minutes, so no shed counts on them; they stand in for breakers that fail
(docs/decisions/shed-order.md).
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from controllers.acting.core import Core
from controllers.acting.setpoints import Bound, next_sequence
from controllers.acting.targets import Request, running_range
from vpp.devices import Caes, Electrolyzer
from vpp.types import Mode, Outcome, Quality, Setpoint, ShedOrder, Source

LEAST_MW = 0.05
"""Less than this is not worth a command; assumption."""


def begin_at(core: Core, order_mw: float) -> dict[str, float]:
    """Return by device the injection to ask for, MW: as little use as it takes without a stop.

    Devices in the order of what they can give; together not more than `order_mw`.
    """
    found: dict[str, float] = {}
    left_mw = order_mw
    for name, (now_mw, least_mw) in sorted(_room(core).items(), key=lambda item: item[1][0] - item[1][1]):
        if left_mw > LEAST_MW:
            found[name] = min(least_mw, now_mw + left_mw)
            left_mw -= found[name] - now_mw
    return found


def _room(core: Core) -> dict[str, tuple[float, float]]:
    """Return by device that may be lowered its power now and the least use of what runs, MW injected.

    What earlier sheds have lowered is theirs: it counts as where the device is.
    """
    room = {}
    for name, sent in core.setpoints.items():
        device, reading = core.park.devices[name], core.readings[name]
        if core.modes[name] is not Mode.AUTO or reading.quality is Quality.BAD:
            continue
        now_mw = max(reading.values.get("p_mw", 0.0), core.sheds.kept_mw.get(name, -inf))
        if isinstance(device, Caes | Electrolyzer) and now_mw < 0 and sent.p_mw < 0:
            least_mw = running_range(device, sent.p_mw, now_mw)[1]
            if least_mw - now_mw > LEAST_MW:
                room[name] = (now_mw, least_mw)
    return room


async def begin(core: Core, order: ShedOrder) -> dict[str, float]:
    """Lower what can be lowered, at once; MW by device, as far as the device took the command."""
    core.sheds.kept_mw = core.sheds.lowered_mw
    before, lowered_mw = _room(core), begin_at(core, order.mw)
    core.sheds.lowered_mw = {**core.sheds.kept_mw, **lowered_mw}
    core.remember()
    acks = await core.field.write(_commands(core, lowered_mw, f"shed {order.id}"))
    return {
        name: p_mw - before[name][0]
        for name, p_mw in lowered_mw.items()
        if acks[name].outcome is Outcome.ACKNOWLEDGED
    }


def _commands(core: Core, lowered_mw: Mapping[str, float], why: str) -> list[Setpoint]:
    commands = [
        replace(
            core.setpoints[name],
            p_mw=p_mw,
            sequence=next_sequence(core.setpoints, name),
            issued_at=core.clock.plant_now(),
            source=Source.ORDER,
            clipped_by=(why,),
        )
        for name, p_mw in lowered_mw.items()
    ]
    core.setpoints |= {command.device: command for command in commands}
    return commands


async def go_on(core: Core, missing_mw: float) -> None:
    """Keep lowered what the breakers have not cut; let go where they have, except for earlier sheds.

    Nothing has moved far by then: what is let go returns to its plan with the next cycle.
    """
    lowered_mw = begin_at(core, missing_mw) if missing_mw > 0 else {}
    core.sheds.lowered_mw = {**core.sheds.kept_mw, **lowered_mw}
    if lowered_mw:
        await core.field.write(_commands(core, lowered_mw, f"a shed lacks {missing_mw:.2f} MW"))


def within(core: Core, request: Request, name: str) -> Request:
    """Return a device's request inside what a standing shed allows it."""
    if name not in core.sheds.lowered_mw:
        return request
    high, low = core.park.resources[name].p_max_mw, core.sheds.lowered_mw[name]
    bound = Bound(source=Source.ORDER, low_mw=low, high_mw=high, why="lowered for a shed")
    return replace(request, bounds=(*request.bounds, bound))
