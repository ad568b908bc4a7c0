"""Alarms that last as long as their cause, with a dead-band against flutter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from vpp.types import Alarm, Severity

CLEAR_AFTER = 3
"""Cycles without the cause before an alarm goes; assumption."""
MAX_ALARMS = 500
"""More than that are counted, not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A cause that holds in this cycle."""

    id: str
    severity: Severity
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBoard:
    """Alarms that stand, and for how many cycles each has had no cause."""

    standing: Mapping[str, Alarm]
    quiet: Mapping[str, int]
    dropped: int = 0
    """Conditions that did not fit on the board."""


EMPTY = AlarmBoard(standing={}, quiet={})


def settle(
    board: AlarmBoard, conditions: Iterable[Condition], now: datetime
) -> tuple[AlarmBoard, tuple[Alarm, ...], tuple[Alarm, ...]]:
    """Return the board after this cycle, the alarms that came and the alarms that went.

    A standing alarm keeps its time and takes the newest text; alarms come worst first.
    """
    standing, quiet, raised, dropped = dict(board.standing), dict(board.quiet), [], board.dropped
    present = {condition.id: condition for condition in conditions}
    for condition in present.values():
        old = standing.get(condition.id)
        if old is None and len(standing) >= MAX_ALARMS:
            dropped += 1
            continue
        alarm = Alarm(
            id=condition.id,
            severity=condition.severity,
            source=condition.source,
            text=condition.text,
            since=now if old is None else old.since,
        )
        standing[alarm.id], quiet[alarm.id] = alarm, 0
        if old is None:
            raised.append(alarm)
    cleared = []
    for name in [name for name in standing if name not in present]:
        quiet[name] += 1
        if quiet[name] >= CLEAR_AFTER:
            cleared.append(standing.pop(name))
            del quiet[name]
    order = tuple(Severity)
    ranked = dict(sorted(standing.items(), key=lambda item: order.index(item[1].severity)))
    return AlarmBoard(standing=ranked, quiet=quiet, dropped=dropped), tuple(raised), tuple(cleared)
