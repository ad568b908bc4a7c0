"""Control, cycle by cycle, against a plant that does what its name plates say."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from controllers.acting.conditions import PLANNER_START_CYCLES
from vpp.devices import Command
from vpp.journal import read, snapshots, verify
from vpp.link import Note
from vpp.types import (
    DispatchOrder,
    Following,
    Mode,
    ModeOrder,
    PlanLabel,
    Quality,
    Relaxation,
    Reply,
    RestoreOrder,
    Severity,
    ShedOrder,
)


def texts(snapshot):
    return [alarm.text for alarm in snapshot.alarms]


def later(clock, minutes=60):
    return clock.plant_now() + timedelta(minutes=minutes)


async def test_without_a_plan_the_last_values_are_held_and_an_alarm_says_so(run, plant):
    snapshot = await run(PLANNER_START_CYCLES)
    assert snapshot.following is Following.HOLD
    assert texts(snapshot) == [], "a planner that was started with control is given time"
    assert any("no plan has come yet" in text for text in texts(await run(1)))
    assert {s.p_mw for s in plant.written if s.device == "WF"} == {100.0}


GOLDEN = [
    # plan of BESS1, CAES1 -> what is written after ten cycles
    ({"BESS1": 12.0}, {"BESS1": 12.0, "CAES1": -0.6, "ALK1": -30.0, "WF": 100.0}),
    ({"BESS1": -25.0}, {"BESS1": -25.0, "WF": 100.0, "PV": 60.0}),
    ({"CAES1": 60.0}, {"CAES1": 60.0, "BESS1": 0.0}),
    ({"BESS1": 400.0}, {"BESS1": 39.8}),
]


@pytest.mark.parametrize(("planned", "written"), GOLDEN)
async def test_setpoints_follow_the_plan(control, run, offer, planned, written):
    assert (await control.take(offer(**planned))).accepted
    snapshot = await run(10)
    assert snapshot.following is Following.PLAN
    for device, p_mw in written.items():
        assert snapshot.setpoints[device].p_mw == pytest.approx(p_mw, abs=0.5), device


async def test_a_plan_for_the_next_quarter_hour_is_followed_from_its_start(control, run, offer, clock):
    start = clock.plant_now() + timedelta(minutes=15)
    assert (await control.take(offer(made_at=start, BESS1=12.0))).accepted
    await run(10)
    waiting = await run(80, dt_s=10.0)
    assert waiting.following is Following.HOLD
    assert texts(waiting) == []
    snapshot = await run(10, dt_s=10.0)
    assert snapshot.following is Following.PLAN
    assert snapshot.setpoints["BESS1"].p_mw == pytest.approx(12.0, abs=0.5)


async def test_a_plan_that_begins_later_than_a_quarter_hour_from_now_is_refused(control, offer, clock):
    reply = await control.take(offer(made_at=clock.plant_now() + timedelta(minutes=30)))
    assert not reply.accepted
    assert "does not cover" in reply.reason


async def test_every_setpoint_carries_epoch_sequence_lifetime_and_reversion(control, run, offer, plant):
    await control.take(offer())
    await run(5)
    battery = [s for s in plant.written if s.device == "BESS1"]
    assert [s.sequence for s in battery] == [1, 2, 3, 4, 5]
    assert {(s.epoch, s.ttl_s, s.reversion_s, s.reversion_mw) for s in battery} == {(7, 60.0, 60.0, 0.0)}
    assert all(s.p_min_mw <= s.p_mw <= s.p_max_mw for s in battery)


async def test_a_gust_is_taken_by_the_battery_and_nobody_else(control, run, offer, plant):
    await control.take(offer())
    before = await run(20)
    plant.available["WF"] = 30.0
    after = await run(20)
    assert after.readings["TIE"].values["p_mw"] == pytest.approx(
        before.readings["TIE"].values["p_mw"], abs=2.0
    )
    assert after.setpoints["BESS1"].p_mw == pytest.approx(20.0, abs=2.0)
    assert after.setpoints["CAES1"].p_mw == before.setpoints["CAES1"].p_mw
    assert after.setpoints["ALK1"].p_mw == before.setpoints["ALK1"].p_mw


async def test_an_error_that_lasts_is_left_to_the_tie_and_the_battery_keeps_to_its_plan(
    control, run, offer, plant
):
    await control.take(offer(BESS1=10.0))
    before = await run(20)
    plant.available["WF"] = 30.0
    after = await run(1400)
    assert after.setpoints["BESS1"].p_mw == 10.0
    assert after.readings["TIE"].values["p_mw"] == pytest.approx(
        before.readings["TIE"].values["p_mw"] + 20.0, abs=0.5
    )


async def test_noise_around_the_plan_costs_the_battery_nothing(control, run, offer, plant):
    await control.take(offer(BESS1=10.0))
    await run(20)
    powers = []
    for k in range(300):
        plant.available["WF"] = 50.0 + (3.0 if k % 40 < 20 else -3.0)
        powers.append((await run(1)).setpoints["BESS1"].p_mw)
    assert max(powers) > 11.0
    assert sum(powers) / len(powers) == pytest.approx(10.0, abs=0.2)


async def test_the_correction_never_swings_past_its_error(control, run, offer, plant):
    await control.take(offer())
    await run(20)
    plant.available["WF"] = 30.0
    values = [(await run(1)).setpoints["BESS1"].p_mw for _ in range(40)]
    top = values.index(max(values))
    assert values[top] <= 20.0
    assert all(b >= a for a, b in pairwise(values[: top + 1]))
    assert all(b <= a for a, b in pairwise(values[top:]))


async def test_an_order_on_the_tie_is_held_at_once(control, run, offer, clock):
    await control.take(offer(BESS1=-20.0))
    loaded = await run(20)
    assert loaded.readings["TIE"].values["p_mw"] > 50
    order = DispatchOrder(
        id="o1",
        import_max_mw=40.0,
        export_max_mw=None,
        start=clock.plant_now(),
        end=later(clock, 30),
        expires_at=later(clock),
    )
    assert await control.take(order) == Reply(id="o1", accepted=True, reason="")
    held = await run(10)
    assert held.tie_limit_mw == 40.0
    assert held.readings["TIE"].values["p_mw"] <= 40.2
    assert held.setpoints["BESS1"].p_mw > -20.0
    assert (await run(1, dt_s=1900)).orders == ()


async def test_export_that_is_forbidden_is_curtailed_when_the_battery_cannot_take_it(
    control, run, offer, plant
):
    await control.take(offer())
    await run(10)
    plant.available["WF"] = 100.0
    plant.demand["LD_ZN"] = 5.0
    snapshot = await run(880)
    assert snapshot.tie_mean_mw >= -0.1
    assert snapshot.setpoints["BESS1"].p_mw == pytest.approx(-40.0, abs=0.1)
    assert snapshot.readings["WF"].values["p_mw"] < 99.0


async def test_a_silent_device_is_told_and_left_out_and_comes_back(control, run, offer, plant):
    await control.take(offer(BESS1=10.0))
    await run(10)
    plant.silent.add("CAES1")
    gone = await run(8)
    assert gone.readings["CAES1"].quality is Quality.BAD
    assert any(text.startswith("CAES1 is silent for") for text in texts(gone))
    count = sum(s.device == "CAES1" for s in plant.written)
    await run(5)
    assert sum(s.device == "CAES1" for s in plant.written) == count
    plant.silent.clear()
    back = await run(5)
    assert back.readings["CAES1"].quality is Quality.GOOD
    assert not any("CAES1 is silent" in text for text in texts(back))


async def test_a_plan_made_while_a_device_was_silent_does_not_stop_it_when_it_is_back(
    control, run, offer, plant
):
    await control.take(offer(ALK1=-30.0))
    await run(20)
    without = offer(ALK1=0.0)
    initial = replace(without.plan.initial, resources={"ALK1": {"available": 0.0}})
    await control.take(replace(without, plan=replace(without.plan, initial=initial)))
    snapshot = await run(30)
    assert snapshot.setpoints["ALK1"].p_mw == pytest.approx(-30.0)


async def test_a_device_that_reverted_behind_our_back_is_not_accused_of_not_following(
    control, run, offer, plant
):
    await control.take(offer(ALK1=-40.0))
    await run(60)
    plant.silent.add("ALK1")
    plant.commands["ALK1"] = Command(p_mw=0.0)
    away = await run(120)
    assert any("silent" in text for text in texts(away))
    plant.silent.clear()
    seen = [text for _ in range(400) for text in texts(await run(1, dt_s=10.0))]
    assert plant.states["ALK1"].p_mw == pytest.approx(-40.0), "an hour of cold start is over"
    assert not any("does not follow" in text for text in seen)


async def test_a_frozen_heartbeat_makes_good_numbers_bad(run, plant):
    await run(2)
    plant.frozen.add("WF")
    assert (await run(8)).readings["WF"].quality is Quality.BAD


async def test_a_device_that_acknowledges_but_does_not_act_is_named(control, run, offer, plant, clock):
    await control.take(offer())
    await run(10)
    plant.deaf.add("BESS1")
    await control.take(offer(BESS1=-30.0, made_at=clock.plant_now()))
    snapshot = await run(60)
    assert any(text.startswith("BESS1 does not follow") for text in texts(snapshot))


async def test_a_plan_ends_with_its_time_to_live(control, run, offer, plant):
    await control.take(offer(BESS1=10.0, steps=32))
    await run(10)
    held = await run(1, dt_s=3700)
    assert held.following is Following.HOLD
    assert any("has ended" in text for text in texts(held))
    assert held.setpoints["BESS1"].p_mw == pytest.approx(10.0, abs=1.0)


async def test_late_old_and_foreign_plans_are_dropped_and_counted(control, run, offer, clock):
    first = offer()
    await control.take(first)
    await run(30)
    late = replace(offer(made_at=clock.plant_now()), started_true_s=clock.true_s() - 5.0)
    foreign = replace(first, plan=replace(first.plan, park="chifeng96"), started_true_s=clock.true_s())
    bare = replace(first, plan=replace(first.plan, certificate=None), started_true_s=clock.true_s())
    reasons = [(await control.take(o)).reason for o in (late, foreign, bare)]
    assert "late: 5.0 s" in reasons[0]
    assert "chifeng96" in reasons[1]
    assert "no certificate" in reasons[2]
    snapshot = await run(1)
    assert snapshot.dropped_plans == 3
    assert snapshot.plan_id == first.plan.id


async def test_what_gives_way_in_the_plan_in_force_is_named(control, run, offer):
    one = Relaxation(limit="reserve_up", step=2, amount=30.0, unit="MW", reason="less reserve")
    rest = [replace(one, step=3, amount=12.0), replace(one, limit="tie_import", step=4)]
    good = offer()
    relaxed = replace(good.plan, label=PlanLabel.RELAXED, relaxations=(one, *rest))
    await control.take(replace(good, plan=relaxed))
    told = "the plan in force is relaxed: less reserve, by up to 30 MW; also tie_import"
    assert told in texts(await run(2))


async def test_a_silent_planner_is_told(control, run, offer):
    await control.take(offer())
    control.connected(frozenset({"planner"}))
    assert not any("planner" in text for text in texts(await run(2)))
    control.connected(frozenset({"service"}))
    assert any("the planner is not connected" in text for text in texts(await run(1)))
    control.connected(frozenset({"planner"}))
    assert any("no plan for" in text for text in texts(await run(1, dt_s=1900)))


async def test_expired_and_senseless_orders_are_refused_in_words(control, run, clock):
    await run(1)
    past = clock.plant_now() - timedelta(seconds=1)
    cases = [
        (ShedOrder(id="a", mw=5.0, drill=False, expires_at=past), "expired"),
        (ShedOrder(id="b", mw=-5.0, drill=False, expires_at=later(clock)), "cannot be cut"),
        (ShedOrder(id="c", mw=float("nan"), drill=False, expires_at=later(clock)), "cannot be cut"),
        (RestoreOrder(id="d", loads=("XX",), expires_at=later(clock)), "no load is named XX"),
        (ModeOrder(id="e", device="XX", mode=Mode.AUTO, expires_at=later(clock)), "no device is named XX"),
    ]
    for order, words in cases:
        reply = await control.take(order)
        assert not reply.accepted
        assert words in reply.reason


async def test_a_manual_device_is_left_alone_and_an_advisory_one_only_computed(
    control, run, plant, clock, offer
):
    await control.take(offer(BESS1=10.0))
    await run(3)
    await control.take(ModeOrder(id="m", device="BESS1", mode=Mode.MANUAL, expires_at=later(clock)))
    await control.take(ModeOrder(id="a", device="ALK1", mode=Mode.ADVISORY, expires_at=later(clock)))
    count = len(plant.written)
    snapshot = await run(5)
    assert not {s.device for s in plant.written[count:]} & {"BESS1", "ALK1"}
    assert snapshot.modes["BESS1"] is Mode.MANUAL


async def test_remarks_of_other_processes_are_alarms_until_cleared(control, run):
    note = Note(
        id="process:planner", source="vpp run", severity=Severity.ACTION, text="planner died", raised=True
    )
    await control.take(note)
    assert "planner died" in texts(await run(1))
    await control.take(replace(note, raised=False))
    assert "planner died" not in texts(await run(4))


async def test_the_journal_holds_every_cycle_and_verifies(control, run, offer, journal, tmp_path):
    await control.take(offer(BESS1=7.0))
    last = await run(50)
    logged = list(snapshots(tmp_path / "journal"))
    assert [entry.cycle for entry in logged] == list(range(1, 51))
    assert logged[-1].values["WF"]["p_mw"] == pytest.approx(last.readings["WF"].values["p_mw"], rel=1e-6)
    assert logged[-1].setpoints["BESS1"]["sequence"] == last.setpoints["BESS1"].sequence
    assert verify(tmp_path / "journal").ok
    assert {"start", "plan", "snapshot"} <= {record.kind for record in read(tmp_path / "journal")}


async def test_a_day_of_snapshots_stays_under_100_mb(control, run, tmp_path):
    await run(100)
    before = sum(path.stat().st_size for path in (tmp_path / "journal").iterdir())
    await run(100)
    after = sum(path.stat().st_size for path in (tmp_path / "journal").iterdir())
    assert (after - before) / 100 * 86400 < 100e6
