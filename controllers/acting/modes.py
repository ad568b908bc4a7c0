"""Who moves a device, until when: a mode that an operator gave ends by itself (fault U3)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controllers.acting import shadow
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from vpp.types import Mode, ModeOrder, Severity

LASTS = timedelta(hours=8)
"""How long manual and advisory last where nobody says: a shift; who comes next says it again."""
LONGEST = timedelta(hours=24)
"""What stays longer in other hands belongs into the outage calendar, where plans know it; assumption."""
NOTICE = timedelta(minutes=15)
"""A mode that ends within this is to be acted on: a step of the plan, time to say it again; assumption."""


def bounded(order: ModeOrder, now: datetime) -> ModeOrder:
    """Return the order with its end: auto has none, manual and advisory last `LASTS` unless told."""
    if order.mode is Mode.AUTO:
        return replace(order, until=None)
    return order if order.until is not None else replace(order, until=now + LASTS)


def refusal(order: ModeOrder, now: datetime) -> str:
    """Return why the end of a mode cannot be; empty where it can."""
    if order.until is None or order.mode is Mode.AUTO:
        return ""
    if order.until <= now:
        return "its end has passed"
    return f"a mode lasts at most {LONGEST / timedelta(hours=1):g} h" if order.until > now + LONGEST else ""


def put(core: Core, order: ModeOrder) -> None:
    """Put a device to a mode; what was learned or suspected of it before is forgotten.

    Back to auto it goes on from where its meter shows it, never from the command of before.
    """
    name = order.device
    if order.mode is Mode.AUTO and core.modes[name] is not Mode.AUTO:
        _begin_from_meter(core, name)
    core.modes[name] = order.mode
    core.mode_ends.pop(name, None)
    if order.until is not None:
        core.mode_ends[name] = order.until
    for suspicion in (core.intruders, core.learned, core.jumps, core.signs):
        suspicion.pop(name, None)


def _begin_from_meter(core: Core, name: str) -> None:
    sent, reading = core.setpoints.get(name), core.readings.get(name)
    if reading is None or "p_mw" not in reading.values:
        return
    shadow.guess(core, name)
    if sent is not None:
        core.setpoints[name] = replace(sent, p_mw=reading.values["p_mw"])


def end_due(core: Core, now: datetime) -> None:
    """Put devices back to auto whose mode has ended; called when this cycle's readings are there."""
    for name in [name for name, end in core.mode_ends.items() if end <= now]:
        was, end = core.modes[name], core.mode_ends[name]
        put(core, ModeOrder(id="", device=name, mode=Mode.AUTO, expires_at=end))
        core.journal.append("mode", {"device": name, "was": was, "mode": Mode.AUTO, "until": end})
        core.unsaved = True


def conditions(core: Core, now: datetime) -> Iterator[Condition]:
    """Name devices that control does not move, as a banner, with the end; soon before it, to be acted on."""
    zone = ZoneInfo(core.park.site.zone)
    for name, mode in core.modes.items():
        if mode is Mode.AUTO:
            continue
        end = core.mode_ends.get(name)
        left = "until somebody puts it to auto"
        if end is not None:
            left = f"until {end.astimezone(zone):%Y-%m-%d %H:%M}, then auto"
        soon = end is not None and end - now <= NOTICE
        yield Condition(
            id=f"mode_ends:{name}" if soon else f"mode:{name}",
            severity=Severity.ACTION if soon else Severity.INFORMATION,
            source=name,
            text=f"{name} is in {mode} mode {left}",
        )
