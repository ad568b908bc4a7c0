"""What a faulty disk does to control: nothing but an alarm, and refusals of what must be on record."""

import asyncio
import os
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest

from controllers.acting import intake, memory
from vpp.journal import read, verify
from vpp.journal import segments as segments_module
from vpp.types import DispatchOrder, Mode, ModeOrder, RestoreOrder, ShedOrder


@pytest.fixture
def dispatch(clock):
    def make(id_="o1", import_max_mw=90.0):
        now, hour = clock.plant_now(), timedelta(hours=1)
        return DispatchOrder(
            id=id_,
            import_max_mw=import_max_mw,
            export_max_mw=None,
            start=now,
            end=now + hour,
            expires_at=now + hour,
        )

    return make


@pytest.fixture
def shed(clock):
    def make(id_="s1", mw=2.0, drill=False):
        return ShedOrder(id=id_, mw=mw, drill=drill, expires_at=clock.plant_now() + timedelta(hours=1))

    return make


@contextmanager
def broken(monkeypatch, name, code=28):
    """Let a function of `os` fail in the journal as the kernel would."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(segments_module.os, name, refuse)
        yield


def alarm(snapshot, id_):
    return next((alarm.text for alarm in snapshot.alarms if alarm.id == id_), None)


async def test_on_a_full_disk_control_goes_on_sheds_and_refuses_orders(
    *, run, control, journal, dispatch, shed, monkeypatch
):
    before = await run(3)
    with broken(monkeypatch, "write"):
        during = await run(5)
        assert "No space left" in alarm(during, "journal")
        assert all(during.setpoints[n].sequence > s.sequence for n, s in before.setpoints.items())
        refused = await control.take(dispatch())
        assert not refused.accepted
        assert "No space left" in refused.reason
        report = await control.take(shed())
        assert report.ok
        assert (await run(1)).orders == ()
    after = await run(5)
    assert alarm(after, "journal") is None
    assert (await control.take(dispatch("o2"))).accepted
    kinds = [record.kind for record in read(journal.folder)]
    assert kinds.count("snapshot") == 14, "what waited in memory is on disk now"
    assert "shed" in kinds
    assert verify(journal.folder).ok


async def test_an_order_whose_record_cannot_be_secured_does_not_take_effect(
    *, run, control, dispatch, shed, monkeypatch
):
    await run(2)
    with broken(monkeypatch, "fsync", 5):
        refused = await control.take(dispatch())
        assert not refused.accepted
        assert "Input/output error" in refused.reason
        assert "Input/output error" in alarm(await run(2), "journal")
        assert (await control.take(shed())).ok
    assert (await run(1)).orders == ()
    assert (await control.take(dispatch("o2"))).accepted
    assert alarm(await run(5), "journal") is None
    assert [order.id for order in (await run(1)).orders] == ["o2"]


async def test_control_and_shed_never_wait_for_a_disk_that_hangs(
    *, run, control, journal, dispatch, shed, monkeypatch
):
    await run(2)
    stuck, free, real = threading.Event(), threading.Event(), os.fsync
    monkeypatch.setattr(segments_module.os, "fsync", lambda fd: (stuck.set(), free.wait(20), real(fd)))
    monkeypatch.setattr(intake, "SYNC_S", 0.05)
    waiting = asyncio.create_task(control.take(dispatch()))
    assert await asyncio.to_thread(stuck.wait, 10)
    report = await control.take(shed())
    assert report.ok
    written = sum(path.stat().st_size for path in journal.folder.glob("*.ywj"))
    last = await run(3)
    assert sum(path.stat().st_size for path in journal.folder.glob("*.ywj")) == written, (
        "it does not write now"
    )
    assert not (await waiting).accepted
    free.set()
    await asyncio.to_thread(journal.sync)
    after = await run(1)
    assert after.cycle == last.cycle + 1
    assert [r.kind for r in read(journal.folder)].count("snapshot") == 6
    monkeypatch.setattr(intake, "SYNC_S", 10.0)
    assert (await control.take(dispatch("o2"))).accepted
    assert verify(journal.folder).ok


async def test_after_a_restart_a_repeated_order_gets_its_first_answer_and_has_no_second_effect(
    started, plant, clock, dispatch, shed
):
    control = started(clock)
    clock.advance(1)
    await control.cycle()
    order, cut = dispatch(), shed()
    first = [await control.take(order), await control.take(cut)]
    assert first[0].accepted
    assert first[1].ok
    opened = dict(plant.masks)
    again = started(clock)
    clock.advance(1)
    await again.cycle()
    assert [await again.take(order), await again.take(cut)] == first
    assert plant.masks == opened
    kinds = [record.kind for record in read(started.state.journal)]
    assert (kinds.count("order"), kinds.count("shed_order")) == (1, 1)


async def test_a_shed_cut_short_by_a_kill_is_answered_so_and_its_breakers_can_be_restored(
    started, plant, clock, shed
):
    control = started(clock)
    clock.advance(1)
    await control.cycle()
    # the process dies when the breakers are open and nothing else has happened
    control._core.journal.append("shed_order", shed())
    (load,) = [name for name, row in plant.park.loads.items() if row.blocks][:1]
    plant.masks[load] = 0b1
    again = started(clock)
    answer = await again.take(shed())
    assert not answer.accepted
    assert "restarted" in answer.reason
    clock.advance(1)
    assert (await again.cycle()).open_blocks == {load: 0b1}
    assert plant.masks[load] == 0b1
    await again.take(RestoreOrder(id="r", loads=(), expires_at=clock.plant_now() + timedelta(hours=1)))
    for _ in range(5):
        clock.advance(31)
        last = await again.cycle()
    assert last.open_blocks == {}
    assert plant.masks[load] == 0


async def test_a_restoration_goes_on_after_a_restart(started, plant, clock, shed):
    control = started(clock)
    clock.advance(1)
    await control.cycle()
    assert (await control.take(shed(mw=12.0))).ok
    opened = sum(mask.bit_count() for mask in plant.masks.values())
    assert opened >= 2
    await control.take(RestoreOrder(id="r", loads=(), expires_at=clock.plant_now() + timedelta(hours=1)))
    again = started(clock)
    for _ in range(opened + 2):
        clock.advance(31)
        await again.cycle()
    assert not any(plant.masks.values())


async def test_orders_cut_short_by_a_kill_count_as_given_only_where_they_took_effect(
    started, clock, dispatch
):
    control = started(clock)
    clock.advance(1)
    await control.cycle()
    expires = clock.plant_now() + timedelta(hours=1)
    mode = ModeOrder(id="m1", device="BESS1", mode=Mode.MANUAL, expires_at=expires)
    control._core.journal.append("order", {"type": "DispatchOrder", "order": dispatch("lost")})
    control._core.journal.append("order", {"type": "ModeOrder", "order": mode})
    control._core.taken.append("m1")
    control._core.remember()
    again = started(clock)
    assert not (await again.take(dispatch("lost"))).accepted
    assert (await again.take(mode)).accepted


async def test_a_damaged_memory_is_set_aside_and_told(started, clock):
    started(clock)._core.remember()
    path = started.state.root / "control.memory"
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    again = started(clock)
    clock.advance(1)
    assert "set aside" in alarm(await again.cycle(), "memory")
    assert (started.state.root / "control.memory.damaged").exists()


async def test_what_a_full_disk_did_not_take_is_remembered_as_soon_as_there_is_room(
    started, clock, dispatch, monkeypatch
):
    control = started(clock)
    clock.advance(1)
    await control.cycle()
    path = started.state.root / "control.memory"
    with monkeypatch.context() as patched:
        patched.setattr(memory.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        assert (await control.take(dispatch())).accepted
        assert memory.load(path).orders == ()
    clock.advance(1)
    await control.cycle()
    assert [order.id for order in memory.load(path).orders] == ["o1"]
