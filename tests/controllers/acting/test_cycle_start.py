"""Control started anew takes up what its memory and its plan file hold, damaged or not."""

from datetime import timedelta

from controllers.acting.build import build_control
from vpp.state_dir import StateDir
from vpp.types import (
    DispatchOrder,
    Following,
    Mode,
    ModeOrder,
    ShedOrder,
)


def later(clock, minutes=60):
    return clock.plant_now() + timedelta(minutes=minutes)


async def test_a_restart_takes_up_plan_orders_modes_and_ledger(park, plant, clock, journal, offer):
    state = StateDir(journal.folder.parent / "state")
    state.prepare()
    first = build_control(park, plant, clock, journal, epoch=1, state=state)
    await first.take(offer(BESS1=10.0))
    for _ in range(5):
        clock.advance(1.0)
        await first.cycle()
    await first.take(ShedOrder(id="s", mw=20.0, drill=False, expires_at=later(clock)))
    await first.take(ModeOrder(id="m", device="PV", mode=Mode.MANUAL, expires_at=later(clock)))
    order = DispatchOrder(
        id="o",
        import_max_mw=90.0,
        export_max_mw=None,
        start=clock.plant_now(),
        end=later(clock),
        expires_at=later(clock),
    )
    await first.take(order)
    second = build_control(park, plant, clock, journal, epoch=2, state=state)
    clock.advance(1.0)
    snapshot = await second.cycle()
    assert snapshot.following is Following.PLAN
    assert snapshot.orders == (order,)
    assert snapshot.modes["PV"] is Mode.MANUAL
    assert snapshot.open_blocks == {"LD_ZN": 0b111}
    assert {s.epoch for s in snapshot.setpoints.values()} == {2}


async def test_a_damaged_memory_or_plan_file_stops_nothing(park, plant, clock, journal, tmp_path):
    state = StateDir(tmp_path / "state")
    state.prepare()
    state.current_plan.write_bytes(b"\x93garbage")
    (state.root / "control.memory").write_bytes(b"")
    control = build_control(park, plant, clock, journal, epoch=2, state=state)
    assert (await control.cycle()).following is Following.HOLD
