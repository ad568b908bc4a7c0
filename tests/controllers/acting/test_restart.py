"""Control killed in the middle of sheds, restorations and interruptions: nothing is cut or closed twice."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from controllers.acting import memory
from vpp.journal import read
from vpp.types import RestoreOrder, ShedOrder, wire


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture
def shed(clock):
    def make(mw, id_="s"):
        return ShedOrder(id=id_, mw=mw, drill=False, expires_at=clock.plant_now() + timedelta(hours=20))

    return make


@pytest.fixture
def permit(clock):
    def make(id_="r"):
        return RestoreOrder(id=id_, loads=(), expires_at=clock.plant_now() + timedelta(hours=20))

    return make


@pytest.fixture
def seconds(clock):
    async def run(control, count):
        for _ in range(count):
            clock.advance(1)
            snapshot = await control.cycle()
        return snapshot

    return run


def standing(control):
    return {s.order_id: dict(s.masks) for s in control._core.sheds.standing}


async def test_a_shed_cut_short_stands_under_its_order_and_what_it_lowered_stays_lowered(
    *, started, seconds, offer, plant, clock, shed, permit, monkeypatch
):
    control = started(clock)
    await control.take(offer())
    before = await seconds(control, 5)
    ordered_at = clock.plant_now()

    async def killed(_names):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(plant, "look", killed)
        with pytest.raises(KilledError):
            await control.take(shed(20.0))
    (tripped,) = plant.trips
    again = started(clock)
    after = await seconds(again, 12)
    assert plant.trips == [tripped], "nothing is cut twice"
    assert after.open_blocks == tripped == standing(again)["s"]
    entry = again._core.ledger["LD_ZN"]
    assert entry.running_since == ordered_at
    assert entry.cut_mw == pytest.approx(24.75, abs=0.1)
    assert after.setpoints["ALK1"].p_mw == pytest.approx(-10.0, abs=0.2)
    assert abs(after.setpoints["BESS1"].p_mw - before.setpoints["BESS1"].p_mw) < 1.0, "no tie error"
    assert (await again.take(permit())).accepted
    restored = await seconds(again, 100)
    assert restored.open_blocks == {}
    assert len(plant.trips) == 4, "three breakers, each closed once"
    assert restored.setpoints["ALK1"].p_mw == pytest.approx(-30.0)
    assert [r.value["order_id"] for r in read(started.state.journal) if r.kind == "shed_over"] == ["s"]


async def test_a_staged_restoration_keeps_its_pauses_and_its_account_over_restarts(
    *, started, seconds, offer, plant, clock, shed, permit
):
    control = started(clock)
    await control.take(offer())
    await seconds(control, 5)
    assert (await control.take(shed(20.0))).ok
    await seconds(control, 60)
    assert (await control.take(permit())).accepted
    closings, cut = [], len(plant.trips)
    for _ in range(12):
        await seconds(control, 9)
        control = started(clock)
        closings.append(len(plant.trips) - cut)
    assert closings[-1] == 3
    steps = [closings.index(count) for count in (1, 2, 3)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(steps)), closings
    opened = [mask.bit_count() for trip in plant.trips for mask in trip.values()]
    assert opened == [3, 2, 1, 0]
    await seconds(control, 2)
    (over,) = (r.value for r in read(started.state.journal) if r.kind == "shed_over")
    assert over["order_id"] == "s"
    assert over["cut_mwh"] == pytest.approx(
        (24.75 * 60 + 24.75 * 2 / 3 * 30 + 24.75 / 3 * 30) / 3600, rel=0.1
    )


async def test_an_interruption_that_began_to_end_is_not_opened_again(
    *, started, seconds, offer, plant, clock, permit
):
    control, made = started(clock), offer()
    made.plan.series["LD_ZN"] = {"open_blocks": np.full(made.plan.steps, 2.0)}
    await control.take(made)
    await seconds(control, 3)
    assert plant.masks["LD_ZN"].bit_count() == 2
    await control.take(permit())
    await seconds(control, 2)
    again = started(clock)
    await seconds(again, 100)
    opened = [trip["LD_ZN"].bit_count() for trip in plant.trips]
    assert opened == [2, 1, 0]


async def test_a_rest_after_a_call_outlives_the_restart(*, started, seconds, plant, clock, shed, permit):
    control = started(clock)
    await seconds(control, 3)
    assert (await control.take(shed(20.0))).ok
    await control.take(permit())
    before = await seconds(control, 100)
    assert before.open_blocks == {}
    again = started(clock)
    after = await seconds(again, 1)
    assert after.calls["LD_ZN"]["rest_min"] == pytest.approx(before.calls["LD_ZN"]["rest_min"], abs=0.1)
    report = await again.take(shed(2.0, "t"))
    assert "LD_ZN" not in {target.load for target in report.targets}


async def test_another_shed_lets_nobody_go_whom_an_earlier_one_has_lowered(
    *, started, seconds, offer, plant, clock, shed
):
    control = started(clock)
    await control.take(offer())
    await seconds(control, 5)
    plant.silent.add("LD_ZN")
    lacking = -(await control.take(shed(10.0))).over_cut_mw
    assert lacking > 5.0
    lowered = await seconds(control, 90)
    assert lowered.setpoints["ALK1"].p_mw == pytest.approx(-30.0 + lacking, abs=0.5)
    plant.silent.clear()
    await seconds(control, 5)
    assert (await control.take(shed(5.0, "t"))).ok
    after = await seconds(control, 60)
    assert after.setpoints["ALK1"].p_mw == pytest.approx(-30.0 + lacking, abs=0.5)


async def test_a_memory_of_another_version_is_set_aside_and_open_breakers_can_be_restored(
    *, started, seconds, plant, clock, shed, permit
):
    control = started(clock)
    await seconds(control, 2)
    assert (await control.take(shed(20.0))).ok
    path = started.state.root / "control.memory"
    old = {key: value for key, value in wire.plain(path.read_bytes()).items() if key != "standing"}
    path.write_bytes(wire.encode(old))
    assert memory.load(path).damaged
    path.write_bytes(wire.encode(old))
    again = started(clock)
    after = await seconds(again, 2)
    assert any("another version" in alarm.text for alarm in after.alarms)
    assert after.open_blocks == plant.masks
    assert standing(again) == {}
    assert (await again.take(permit())).accepted
    await seconds(again, 100)
    assert not any(plant.masks.values())
