"""What a shed does beside opening breakers: devices lowered, failures told, restored in stages, added up."""

from datetime import timedelta

import pytest

from controllers.acting import ledger
from controllers.acting.build import build_control
from controllers.acting.reach import load_reach
from vpp.journal import read
from vpp.types import DispatchOrder, Quality, RestoreOrder, ShedOrder

BLOCK_MW = 8.25
"""One of four breakers behind 60 % of 55 MW."""


def later(clock):
    return clock.plant_now() + timedelta(hours=20)


def order(clock, mw, id_="s", *, drill=False):
    return ShedOrder(id=id_, mw=mw, drill=drill, expires_at=later(clock))


def texts(snapshot):
    return [alarm.text for alarm in snapshot.alarms]


async def permit(control, clock, id_="r"):
    assert (await control.take(RestoreOrder(id=id_, loads=(), expires_at=later(clock)))).accepted


async def test_an_electrolyser_is_lowered_first_and_let_go_when_the_breakers_have_cut_enough(
    control, run, offer, plant, clock
):
    await control.take(offer())
    await run(5)
    written = len(plant.written)
    report = await control.take(order(clock, 20.0))
    first = plant.written[written]
    assert (first.device, first.clipped_by) == ("ALK1", ("shed s",))
    assert report.lowered_mw["ALK1"] == pytest.approx(20.0, abs=0.1)
    assert report.metered_cut_mw == pytest.approx(3 * BLOCK_MW), "what is lowered does not count"
    assert (await run(1)).setpoints["ALK1"].p_mw == pytest.approx(-30.0)


async def test_a_drill_lowers_nothing(control, run, offer, plant, clock):
    await control.take(offer())
    await run(5)
    written = len(plant.written)
    report = await control.take(order(clock, 20.0, drill=True))
    assert report.ok
    assert report.lowered_mw == {}
    assert len(plant.written) == written
    assert report.breaker_open_ms is None


async def test_what_breakers_lack_an_electrolyser_gives_until_the_permission(
    control, run, offer, plant, clock
):
    await control.take(offer())
    await run(5)
    plant.silent.add("LD_ZN")
    report = await control.take(order(clock, 10.0))
    assert not report.ok
    lacking = 10.0 - report.metered_cut_mw
    assert lacking > 5.0
    snapshot = await run(90)
    assert snapshot.setpoints["ALK1"].p_mw == pytest.approx(-30.0 + lacking, abs=0.5)
    assert snapshot.readings["ALK1"].values["p_mw"] == pytest.approx(-30.0 + lacking, abs=0.5)
    plant.silent.clear()
    await permit(control, clock)
    assert (await run(3)).setpoints["ALK1"].p_mw == pytest.approx(-30.0)


async def test_a_breaker_that_stays_closed_is_an_alarm_until_it_is_told_to_close(control, run, plant, clock):
    await run(5)
    plant.stuck["LD_ZN"] = 0b1
    report = await control.take(order(clock, 8.0))
    assert report.ok
    assert report.rounds > 1
    assert {t.load: t.blocks for t in report.targets}["LD_ZN"].bit_count() > 1
    plant.stuck["LD_ZN"] = 0b1111
    await control.take(order(clock, 9.0, "again"))
    assert any("look at its breakers" in text for text in texts(await run(1)))
    plant.stuck.clear()
    await permit(control, clock)
    assert not any("look at its breakers" in text for text in texts(await run(200)))


async def test_a_terminal_that_refused_is_not_in_the_ledger(control, run, plant, clock, monkeypatch):
    await run(5)
    plant.silent.add("LD_ZN")
    monkeypatch.setattr(type(plant), "ack", _refusing(type(plant).ack, plant))
    report = await control.take(order(clock, 2.0))
    assert report.ok
    assert (await run(1)).open_blocks == {"LD_SME": 1}


def _refusing(ack, plant):
    from vpp.types import Outcome

    def refuse(self, name, outcome=Outcome.ACKNOWLEDGED):
        answer = ack(self, name, outcome)
        if name not in plant.silent:
            return answer
        return type(answer)(device=name, outcome=Outcome.REFUSED, detail="", sent_true_s=0.0, done_true_s=0.0)

    return refuse


async def test_restoration_waits_until_the_tie_has_room_for_what_comes_back(
    control, run, offer, plant, clock
):
    await control.take(offer())
    before = await run(5)
    drawn = before.readings["TIE"].values["p_mw"]
    await control.take(order(clock, 20.0))
    tight = DispatchOrder(
        id="o",
        import_max_mw=drawn - 2 * BLOCK_MW,
        export_max_mw=None,
        start=clock.plant_now(),
        end=clock.plant_now() + timedelta(minutes=30),
        expires_at=later(clock),
    )
    assert (await control.take(tight)).accepted
    plant.demand["LD_PUB"] += 8.0
    await permit(control, clock)
    waiting = await run(60)
    assert waiting.open_blocks["LD_ZN"].bit_count() == 3
    assert any("the tie has room for" in text for text in texts(waiting))
    done = await run(45, dt_s=60.0)
    assert done.open_blocks.get("LD_ZN", 0) == 0
    assert not any("the tie has room for" in text for text in texts(done))


async def test_a_load_that_was_cut_three_times_in_an_hour_is_left_alone(control, run, plant, clock):
    await run(5)
    assert (await control.take(order(clock, 24.0, "s"))).ok
    for n in range(2):
        # cut again while one block is back and the call still runs: no rest time protects the load
        await permit(control, clock, f"r{n}")
        await run(4, dt_s=10.0)
        assert 1 <= (await run(1)).open_blocks["LD_ZN"].bit_count() < 3
        assert (await control.take(order(clock, 8.0, f"s{n}"))).ok
    locked = await run(1)
    assert any("left alone" in text for text in texts(locked))
    assert locked.calls["LD_ZN"]["locked_min"] > 0
    report = await control.take(order(clock, 5.0, "locked"))
    assert "LD_ZN" not in {target.load for target in report.targets}
    offered = load_reach(
        plant.park.loads["LD_ZN"],
        locked.readings["LD_ZN"].values["p_mw"],
        locked.calls["LD_ZN"],
        locked.open_blocks["LD_ZN"],
        1,
    )
    assert {(reach.mw, reach.limit) for reach in offered} == {(0.0, "rest")}


def test_a_lock_out_ends_and_old_cuts_do_not_count(clock):
    now, entry = clock.plant_now(), ledger.Calls()
    for minutes in (0, 10, 20):
        at = now + timedelta(minutes=minutes)
        entry = ledger.closed(ledger.opened(entry, 1, 9.0, at, "Asia/Shanghai"), 1, at)
    last = now + timedelta(minutes=20)
    assert ledger.locked_min(entry, last) == ledger.LOCK_MIN
    assert ledger.locked_min(entry, last + timedelta(minutes=ledger.LOCK_MIN)) == 0.0
    slow = ledger.Calls(cuts=tuple(now + timedelta(minutes=40 * k) for k in range(3)))
    assert ledger.locked_min(slow, now + timedelta(minutes=80)) == 0.0


async def test_over_and_under_cut_add_up_until_the_last_breaker_is_closed(
    park, plant, clock, journal, tmp_path
):
    control = build_control(park, plant, clock, journal, epoch=1)
    for _ in range(5):
        clock.advance(1)
        await control.cycle()
    assert (await control.take(order(clock, 20.0))).ok
    for _ in range(60):
        clock.advance(10)
        await control.cycle()
    plant.demand["LD_ZN"] *= 0.5
    for _ in range(60):
        clock.advance(10)
        await control.cycle()
    await permit(control, clock)
    for _ in range(20):
        clock.advance(10)
        await control.cycle()
    (over,) = (r.value for r in read(tmp_path / "journal") if r.kind == "shed_over")
    assert over["order_id"] == "s"
    assert over["over_mwh"] == pytest.approx((3 * BLOCK_MW - 20.0) / 6, rel=0.05)
    assert over["under_mwh"] == pytest.approx((20.0 - 1.5 * BLOCK_MW) / 6, rel=0.15)
    assert over["cut_mwh"] == pytest.approx(1.5 * 3 * BLOCK_MW / 6, rel=0.1)


async def test_a_silent_meter_proves_nothing_and_others_are_cut_for_it(control, run, plant, clock):
    await run(5)
    taken = type(plant).look

    async def dark(names):
        plant.last.pop("LD_SME", None)
        shown = await taken(plant, names)
        stale = shown.get("LD_SME")
        if stale is None:
            return shown
        return {**shown, "LD_SME": type(stale)(values={}, quality=Quality.BAD, read_at=None, age_s=9.0)}

    plant.look = dark
    plant.silent.add("LD_ZN")
    report = await control.take(order(clock, 2.0))
    assert not report.ok, "its terminal says that it opened; nobody has metered it"
    assert report.metered_cut_mw == 0.0
