"""One row for alarms of one kind that come in a crowd: a flood must not hide the others."""

from collections.abc import Iterable
from dataclasses import dataclass

from vpp.types import Alarm

CROWD = 4
"""So many alarms of one severity and kind still stand alone; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """An alarm, and the later ones of its kind that stand in its row."""

    first: Alarm
    others: tuple[Alarm, ...] = ()


def grouped(alarms: Iterable[Alarm]) -> tuple[Group, ...]:
    """Return the alarms in their order; more than `CROWD` of one severity and kind are one group.

    The kind is what stands before the colon of an alarm's id: `silent` of `silent:CAES1`. The earliest
    of a group comes first.
    """
    kinds: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in alarms:
        kinds.setdefault((alarm.severity.value, alarm.id.partition(":")[0]), []).append(alarm)
    groups: list[Group] = []
    for crowd in kinds.values():
        if len(crowd) <= CROWD:
            groups += [Group(first=alarm) for alarm in crowd]
        else:
            first, *others = sorted(crowd, key=lambda alarm: alarm.since)
            groups.append(Group(first=first, others=tuple(others)))
    return tuple(groups)
