"""Whether a command of a person or of the dispatcher is taken, and why not."""

from datetime import datetime
from math import isfinite

from controllers.acting import modes
from vpp.park.model import Park
from vpp.types import DispatchOrder, ModeOrder, ReloadOrder, RestoreOrder, ShedOrder

MAX_ORDERS = 64
"""Accepted dispatch orders that have not ended yet."""

Command = DispatchOrder | ShedOrder | RestoreOrder | ModeOrder | ReloadOrder


def refusal(command: Command, park: Park, now: datetime, standing: int) -> str:
    """Return the reason in words, empty where the command is taken; `standing` counts orders."""
    if not command.id or len(command.id) > 100:
        return "an order needs an id of 1 to 100 characters"
    if command.expires_at <= now:
        return f"it expired at {command.expires_at:%Y-%m-%d %H:%M:%S} UTC, plant time is {now:%H:%M:%S} UTC"
    match command:
        case DispatchOrder():
            return _of_dispatch(command, now, standing)
        case ShedOrder():
            return "" if isfinite(command.mw) and command.mw > 0 else f"{command.mw} MW cannot be cut"
        case RestoreOrder():
            unknown = [name for name in command.loads if name not in park.loads]
            return f"no load is named {', '.join(unknown)}" if unknown else ""
        case ModeOrder():
            if command.device not in park.resources:
                return f"no device is named {command.device}"
            return modes.refusal(command, now)
        case ReloadOrder():
            return ""


def _of_dispatch(order: DispatchOrder, now: datetime, standing: int) -> str:
    limits = [x for x in (order.import_max_mw, order.export_max_mw) if x is not None]
    if not limits:
        return "it names neither an import nor an export limit"
    if not all(isfinite(x) and x >= 0 for x in limits):
        return "a limit is not a number of MW from 0 up"
    if order.end <= order.start:
        return "it ends before it starts"
    if order.end <= now:
        return "its window has passed"
    return "too many orders stand already" if standing >= MAX_ORDERS else ""
