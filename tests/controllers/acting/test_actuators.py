"""Banks, taps and Q: told what the plan wants inside what can be given, watched until it is so."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from controllers.acting.actuators import moves
from controllers.acting.build import build_control
from controllers.acting.envelope import capable
from vpp.journal import read
from vpp.park import load_park
from vpp.types import Move, Quality, Reading, Severity, Source


def with_positions(offer, **positions):
    """The offer with a course of positions for some actuators."""
    series = dict(offer.plan.series) | {
        name: {"position": np.array(course, dtype=float)} for name, course in positions.items()
    }
    return replace(offer, plan=replace(offer.plan, series=series))


def alarms(snapshot):
    return {alarm.id: alarm for alarm in snapshot.alarms}


async def test_a_bank_is_told_once_and_not_again_while_it_stands_there(control, run, offer, plant):
    await control.take(with_positions(offer(), A_CAP66=[1] * 8, A_T_MAIN_1=[-1] * 8))
    last = await run(200)
    assert [(m.device, m.position, m.sequence, m.epoch) for m in plant.moves] == [("A_CAP66", 1.0, 1, 7)]
    assert last.positions == {"A_CAP66": 1.0}
    assert alarms(last).keys() & {"not_moving:A_CAP66", "not_moving:A_T_MAIN_1"} == set()


async def test_a_tap_moves_with_the_plans_step_and_not_before(control, run, offer, plant):
    await control.take(with_positions(offer(), A_T_MAIN_1=[-1, 2, 2, 2, 2, 2, 2, 2]))
    await run(880)
    assert plant.moves == []
    await run(40)
    assert [m.position for m in plant.moves] == [2.0]
    assert plant.positions["A_T_MAIN_1"] == 2.0


async def test_a_tap_that_fails_to_move_is_told_again_and_alarmed_until_it_does(control, run, offer, plant):
    plant.deaf.add("A_T_MAIN_2")
    await control.take(with_positions(offer(), A_T_MAIN_2=[3] * 8))
    soon = await run(30)
    assert "not_moving:A_T_MAIN_2" not in alarms(soon), "a tap changer needs its time"
    later = await run(150)
    alarm = alarms(later)["not_moving:A_T_MAIN_2"]
    assert alarm.severity is Severity.ALARM
    assert "it stands at -1, ordered is 3" in alarm.text
    assert len([m for m in plant.moves if m.device == "A_T_MAIN_2"]) == 3
    plant.deaf.clear()
    assert "not_moving:A_T_MAIN_2" not in alarms(await run(120))


async def test_an_actuator_is_given_five_cycles_however_long_a_cycle_is(park, plant, offer, clock, journal):
    """At 60 plant seconds a cycle its reading is a cycle old before anything can have moved."""
    slow = replace(park, horizon=replace(park.horizon, cycle_s=60.0))
    control = build_control(slow, plant, clock, journal, epoch=7)
    plant.deaf.add("A_CAP66")
    await control.cycle()
    await control.take(with_positions(offer(steps=16), A_CAP66=[0] * 16))
    seen = []
    for _ in range(8):
        clock.advance(60.0)
        seen.append("not_moving:A_CAP66" in alarms(await control.cycle()))
    assert seen == [False] * 6 + [True] * 2


def told(now, last_mvar, stands_mvar, planned_mvar, waited_s=600.0):
    """What a statcom of the large park is sent, by its last order, where it stands and its plan."""
    name = "A_SVG_GPS"
    last = Move(
        device=name,
        position=last_mvar,
        epoch=1,
        sequence=3,
        issued_at=now - timedelta(seconds=waited_s),
        source=Source.PLAN,
    )
    reading = Reading(
        values={"position": stands_mvar, "status": 1.0}, quality=Quality.GOOD, read_at=now, age_s=0.0
    )
    plan = SimpleNamespace(series={name: {"position": np.array([planned_mvar])}})
    core = SimpleNamespace(
        park=load_park("chifeng96"),
        force=SimpleNamespace(plan=plan),
        readings={name: reading},
        moves={name: last},
        epoch=1,
    )
    return [move.position for move in moves(core, SimpleNamespace(now=now, step=0))]


def test_a_statcom_is_not_told_anew_for_little_but_must_arrive_where_it_was_told(clock):
    now = clock.plant_now()
    assert told(now, 10.0, 10.0, 10.2) == [], "inside its dead band for sending"
    assert told(now, 10.0, 10.0, 10.3) == [10.3]
    assert told(now, 10.0, 9.9, 10.2) == [10.0], "it does not stand where it was told"
    assert told(now, 10.0, 9.9, 10.2, waited_s=30.0) == []


async def test_a_position_beyond_the_range_is_cut_to_it(control, run, offer, plant):
    await control.take(with_positions(offer(), A_CAP66=[9] * 8, A_T_MAIN_1=[-40] * 8))
    await run(3)
    assert {m.device: m.position for m in plant.moves} == {"A_T_MAIN_1": -8.0}, "the bank is wholly in"


async def test_a_silent_actuator_is_not_told_and_without_a_plan_nothing_moves(control, run, offer, plant):
    plant.silent.add("A_CAP66")
    await run(3)
    await control.take(with_positions(offer(), A_CAP66=[0] * 8))
    await run(5)
    assert plant.moves == []
    plant.silent.clear()
    await run(5)
    assert [m.position for m in plant.moves] == [0.0]


async def test_every_move_is_in_the_journal(control, run, offer, journal, tmp_path):
    await control.take(with_positions(offer(), A_CAP_H2=[1] * 8))
    await run(3)
    journal.sync()
    moves = [record.value for record in read(tmp_path / "journal") if record.kind == "move"]
    assert [(m["device"], m["position"], m["sequence"]) for m in moves] == [("A_CAP_H2", 1.0, 1)]


async def test_planned_mvar_are_written_inside_what_the_device_can_give(control, run, offer, plant):
    given = offer()
    for name, mvar in (("WF", 40.0), ("BESS1", 10.0), ("CAES1", 5.0)):
        given.plan.series[name]["q_mvar"] = np.full(8, mvar)
    await control.take(given)
    last = await run(5)
    assert last.setpoints["BESS1"].q_mvar == pytest.approx(10.0)
    assert last.setpoints["WF"].q_mvar == pytest.approx(50.0 * np.tan(np.arccos(0.95)), rel=1e-3)
    assert "reactive capability at this power" in last.setpoints["WF"].clipped_by
    assert last.setpoints["CAES1"].q_mvar == 0.0, "a machine at rest gives none"


def test_the_circle_holds_for_the_power_measured_and_the_power_commanded(park):
    battery = park.devices["BESS1"]
    for p_mw, measured in ((0.0, 40.0), (40.0, 0.0)):
        q_mvar, why = capable(battery, 46.0, p_mw, {"p_mw": measured})
        assert q_mvar == pytest.approx((46.0**2 - 40.0**2) ** 0.5)
        assert why
    assert capable(battery, float("nan"), 0.0, {"p_mw": 0.0})[0] == 0.0
