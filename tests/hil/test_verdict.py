"""Each kind of expectation passes on what it asks for and fails on what it forbids."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from hil import expect as kinds
from hil.evidence import Evidence, Frame
from hil.expect import EXPECTS, Expect
from hil.verdict import judge
from vpp.clock import UTC
from vpp.types import Outcome, Reply, ShedReport, ShedTarget

START = datetime(2026, 3, 10, 4, tzinfo=UTC)


def frame(second: float, **changed: Any) -> Frame:
    plain: dict[str, Any] = {
        "at": START + timedelta(seconds=second),
        "true_s": second,
        "alarms": {},
        "quality": {"BESS1": "good"},
        "values": {"BESS1": {"p_mw": 5.0, "soc": 0.5}, "TIE": {"energy_in_mwh": second / 36}},
        "setpoints": {"BESS1": 5.0},
        "following": "plan",
        "tie_limit_mw": 110.0,
        "missed_ticks": 0,
    }
    return Frame(**plain | changed)


def evidence(*frames: Frame) -> Evidence:
    seen = Evidence(start=START, tie="TIE", devices=("BESS1",), points={})
    seen.frames += frames
    return seen


def row(second: float) -> Evidence:
    """One minute, with an alarm, a bad reading and another value from second 30 to 40."""
    return evidence(
        *(
            frame(
                s,
                alarms={"silent:BESS1": ("alarm", "BESS1 is silent for 4 s")},
                quality={"BESS1": "bad"},
                values={"BESS1": {"p_mw": 9.0, "soc": 0.05}, "TIE": {}},
                setpoints={"BESS1": 9.0},
                following="hold",
            )
            if 30 <= s < second
            else frame(s)
            for s in range(60)
        )
    )


SPELL = {"at_min": 0, "for_min": 1}
CALM = {"at_min": 0, "for_min": 0.5}
CASES: list[tuple[Expect, bool]] = [
    (kinds.Raised(alarm="silent:", at_min=0.4, within_s=6), True),
    (kinds.Raised(alarm="silent:", at_min=0.4, within_s=5), False),
    (kinds.Raised(alarm="silent:", at_min=0.55, within_s=60), False),
    (kinds.Raised(alarm="silent:", at_min=0.4, within_s=6, text="never answered"), False),
    (kinds.Raised(alarm="write:", at_min=0, within_s=60), False),
    (kinds.Cleared(alarm="silent:", at_min=0.6, within_s=4), True),
    (kinds.Cleared(alarm="silent:", at_min=0.6, within_s=3), False),
    (kinds.Cleared(alarm="write:", at_min=0.6, within_s=60), False),
    (kinds.Quiet(**CALM), True),
    (kinds.Quiet(**SPELL), False),
    (kinds.Quiet(**SPELL, but=("silent:",)), True),
    (kinds.Quiet(**SPELL, alarm="write:"), True),
    (kinds.Metered(**CALM, endpoint="BESS1", low_mw=4, high_mw=6), True),
    (kinds.Metered(**SPELL, endpoint="BESS1", low_mw=4, high_mw=6), False),
    (kinds.Metered(**SPELL, endpoint="BESS1", low_mw=4, high_mw=6, share=0.8), True),
    (kinds.Metered(**SPELL, endpoint="CAES1"), False),
    (kinds.Commanded(**SPELL, resource="BESS1", low_mw=4, high_mw=9), True),
    (kinds.Commanded(**SPELL, resource="BESS1", low_mw=4, high_mw=6), False),
    (kinds.Bad(at_min=0.45, for_min=0.2, endpoint="BESS1", within_s=4), True),
    (kinds.Bad(at_min=0.45, for_min=0.2, endpoint="BESS1", within_s=2), False),
    (kinds.Good(**CALM, endpoint="BESS1"), True),
    (kinds.Good(**SPELL, endpoint="BESS1"), False),
    (kinds.Good(at_min=0.5, for_min=0.5, endpoint="BESS1", within_s=10), True),
    (kinds.Shown(**SPELL, endpoint="BESS1", points=("soc",), low=0.4, high=0.6), True),
    (kinds.Shown(**CALM, endpoint="BESS1", points=("soc",), low=0.6, high=0.7), False),
    (kinds.Follows(**CALM), True),
    (kinds.Follows(**SPELL), False),
    (kinds.Follows(at_min=0.5, for_min=0.1, what="hold"), True),
    (kinds.Ticks(), True),
]


@pytest.mark.parametrize(("expect", "ok"), CASES)
def test_what_is_expected_is_judged_by_what_was_seen(expect: Expect, ok: bool) -> None:
    assert judge(expect, row(40)).ok is ok


def test_an_alarm_tells_when_it_came() -> None:
    verdict = judge(kinds.Raised(alarm="silent:", at_min=0.4, within_s=6), row(40))
    assert (verdict.took_s, verdict.found) == (6.0, "after 6 s: BESS1 is silent for 4 s")


def test_missed_ticks_are_counted_at_the_end() -> None:
    assert not judge(kinds.Ticks(), evidence(frame(0), frame(1, missed_ticks=2))).ok
    assert judge(kinds.Ticks(missed=2), evidence(frame(0), frame(1, missed_ticks=2))).ok
    assert not judge(kinds.Ticks(missed=2), evidence()).ok


@pytest.mark.parametrize(("limit_mw", "ok"), [(101.0, True), (99.0, False)])
def test_the_tie_is_judged_by_its_counters(limit_mw: float, ok: bool) -> None:
    # 1/36 MWh a second are 100 MW
    seen = evidence(*(frame(s, tie_limit_mw=limit_mw) for s in range(0, 1800, 10)))
    assert judge(kinds.TieWithin(at_min=0, for_min=30), seen).ok is ok
    assert not judge(kinds.TieWithin(at_min=0, for_min=10), seen).ok


COMMAND = {"setpoint_mw": 5.0, "ttl_s": 20.0, "reversion_s": 10.0}


@pytest.mark.parametrize(
    ("log", "ok"),
    [
        ([(0, "write"), (29, "write"), (58, "write")], True),
        ([(0, "write"), (31, "write"), (58, "write")], False),
        ([(0, "write"), (30, "reverted"), (45, "write")], True),
        ([(0, "write"), (10, "local"), (50, "remote"), (54, "write")], True),
        ([(0, "write"), (10, "local"), (40, "remote"), (50, "write")], False),
        ([(0, "write")], False),
        ([], False),
    ],
)
def test_a_second_without_a_valid_command_is_found_in_the_log(log: list[tuple[int, str]], ok: bool) -> None:
    seen = row(40)
    for second, event in log:
        seen.note(START + timedelta(seconds=second), {"event": event, "device": "BESS1", "values": COMMAND})
    assert judge(kinds.Valid(**SPELL), seen).ok is ok


SUNSPEC = (
    {"reversion_mw": -1.0, "reversion_enable": 1.0, "reversion_total_s": 30.0},
    {"setpoint_enable": 1.0, "setpoint_mw": 5.0},
)
"""A SunSpec battery takes its timer by a request of its own, before the setpoint."""


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ([(0, 0), (0, 1), (29, 1), (58, 1)], "1 devices, no second without"),
        ([(0, 0), (0, 1), (31, 1), (58, 1)], "BESS1 had none for 1 s"),
        ([(0, 0), (0, 1)], "BESS1 has none since"),
        ([(0, 0), (0, 1), (62, 1)], "BESS1 had none for 32 s"),
        ([(0, 0)], "BESS1 never had one"),
        ([(0, 1), (1, 1)], "BESS1 had none for 1 s"),
        ([(0, 0), (0, 1), (20, None), (25, 0), (50, 1)], "1 devices, no second without"),
        ([(0, 0), (0, 1), (20, None), (25, 1), (50, 1)], "BESS1 had none for 25 s"),
    ],
)
def test_a_sunspec_battery_is_judged_by_timer_and_setpoint(
    written: list[tuple[int, int | None]], found: str
) -> None:
    seen = row(40)
    for second, part in written:
        event = {"event": "restarted"} if part is None else {"event": "write", "values": SUNSPEC[part]}
        seen.note(START + timedelta(seconds=second), {"device": "BESS1", **event})
    verdict = judge(kinds.Valid(**SPELL), seen)
    assert verdict.found.startswith(found)
    assert verdict.ok is found.startswith("1 devices")


def test_writes_are_looked_for_in_the_spell_alone() -> None:
    seen = row(40)
    seen.note(START + timedelta(seconds=40), {"event": "write", "device": "BESS1", "values": COMMAND})
    assert judge(kinds.NotWritten(**CALM, resource="BESS1"), seen).ok
    assert judge(kinds.NotWritten(**SPELL, resource="CAES1"), seen).ok
    assert not judge(kinds.NotWritten(**SPELL, resource="BESS1"), seen).ok


def report(cut_mw: float, metered_ms: float, *, ok: bool = True) -> ShedReport:
    target = ShedTarget(
        load="LD_ZN",
        blocks=1,
        expected_mw=9.0,
        outcome=Outcome.ACKNOWLEDGED,
        ack_ms=5.0,
        metered_cut_mw=cut_mw,
    )
    return ShedReport(
        order_id="shed-0.5min",
        at=START,
        rate=1.0,
        drill=False,
        ordered_mw=8.0,
        armed_mw=20.0,
        selected_mw=9.0,
        metered_cut_mw=cut_mw,
        over_cut_mw=cut_mw - 8.0,
        targets=(target,),
        decision_ms=1.0,
        first_write_ms=2.0,
        last_ack_ms=5.0,
        metered_ms=metered_ms,
        ok=ok,
        text="",
    )


@pytest.mark.parametrize(("cut_mw", "metered_ms", "ok"), [(9, 300, True), (7, 300, False), (9, 1200, False)])
def test_a_shed_is_proven_by_metered_power_in_time(cut_mw: float, metered_ms: float, ok: bool) -> None:
    seen = row(40)
    seen.answers.append(report(cut_mw, metered_ms))
    assert judge(kinds.Proven(at_min=0.5), seen).ok is ok
    assert not judge(kinds.Proven(at_min=0.7), seen).ok


def test_an_answer_is_accepted_or_refused_as_expected() -> None:
    seen = row(40)
    seen.answers.append(Reply(id="order-0.5min", accepted=False, reason="too late"))
    assert judge(kinds.Answered(at_min=0.5, accepted=False), seen).ok
    assert not judge(kinds.Answered(at_min=0.5), seen).ok
    assert not judge(kinds.Answered(at_min=0.6, accepted=False), seen).ok


def test_every_kind_is_judged_here() -> None:
    tried = {type(expect) for expect, _ in CASES}
    apart = {kinds.TieWithin, kinds.Valid, kinds.NotWritten, kinds.Proven, kinds.Answered}
    assert tried | apart == set(EXPECTS.values())
