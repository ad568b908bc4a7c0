from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from vpp.park import Park
from vpp.service import table
from vpp.service.alarm_groups import CROWD, grouped
from vpp.service.console.view import live_view
from vpp.types import Alarm, Severity, Snapshot

START = datetime(2026, 3, 17, tzinfo=timezone.utc)


def alarm(kind: str, number: int, severity: Severity = Severity.ALARM) -> Alarm:
    since = START + timedelta(minutes=number)
    return Alarm(
        id=f"{kind}:{number}", severity=severity, source=str(number), text=f"{kind} {number}", since=since
    )


def test_a_crowd_of_one_kind_is_one_row_that_begins_with_the_first() -> None:
    crowd = [alarm("silent", k) for k in reversed(range(CROWD + 1))]
    silent, plan = grouped([*crowd, alarm("plan", 99)])
    assert silent.first.text == "silent 0"
    assert {other.text for other in silent.others} == {f"silent {k}" for k in range(1, CROWD + 1)}
    assert (plan.first.text, plan.others) == ("plan 99", ())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Severity))), max_size=40))
def test_no_alarm_is_lost_and_none_changes_its_severity(kinds: list[tuple[str, Severity]]) -> None:
    alarms = [alarm(kind, k, severity) for k, (kind, severity) in enumerate(kinds)]
    groups = grouped(alarms)
    told = [a for group in groups for a in (group.first, *group.others)]
    assert sorted(told, key=lambda a: a.since) == alarms
    assert all(other.severity is group.first.severity for group in groups for other in group.others)


def test_page_and_terminal_show_the_crowd_as_one(
    small10: Park, make_snapshot: Callable[..., Snapshot]
) -> None:
    crowd = tuple(alarm("silent", k) for k in range(30))
    snapshot = replace(make_snapshot(small10), alarms=(*crowd, alarm("plan", 99)))
    assert table.alarm_lines(snapshot.alarms) == [
        "[!] silent 0 (and 29 more of this kind)",
        "[!] plan 99",
    ]
    shown = live_view(small10, snapshot, None, ())["alarms"]
    assert [(row["text"], len(row["others"])) for row in shown] == [("silent 0", 29), ("plan 99", 0)]
