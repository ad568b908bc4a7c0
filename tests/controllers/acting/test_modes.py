"""A mode that an operator gave ends by itself, is told before, and goes back without a bump (fault U3)."""

from datetime import timedelta

import pytest

from controllers.acting import modes
from controllers.acting.build import build_control
from vpp.state_dir import StateDir
from vpp.types import Mode, ModeOrder, Severity


def put(clock, mode, *, hours=None, device="BESS1"):
    now = clock.plant_now()
    until = None if hours is None else now + timedelta(hours=hours)
    soon = now + timedelta(seconds=60)
    return ModeOrder(id=f"{device} {mode} {until}", device=device, mode=mode, expires_at=soon, until=until)


def banner(snapshot):
    return [(alarm.id, alarm.severity) for alarm in snapshot.alarms if alarm.id.startswith("mode")]


@pytest.mark.parametrize("mode", [Mode.MANUAL, Mode.ADVISORY])
async def test_a_mode_is_told_before_it_ends_and_ends_by_itself(control, run, clock, plant, mode):
    await run(3)
    assert (await control.take(put(clock, mode, hours=0.3))).accepted
    snapshot = await run(1)
    assert banner(snapshot) == [("mode:BESS1", Severity.INFORMATION)]
    assert snapshot.mode_ends["BESS1"] > clock.plant_now()
    snapshot = await run(6, 60.0)
    assert banner(snapshot) == [("mode_ends:BESS1", Severity.ACTION)]
    assert snapshot.modes["BESS1"] is mode
    count = len(plant.written)
    snapshot = await run(12, 60.0)
    assert snapshot.modes["BESS1"] is Mode.AUTO
    assert snapshot.mode_ends == {}
    assert "BESS1" in {setpoint.device for setpoint in plant.written[count:]}
    assert banner(await run(3)) == []


async def test_nobody_who_says_no_end_gets_none(control, run, clock):
    await run(1)
    now = clock.plant_now()
    assert (await control.take(put(clock, Mode.MANUAL))).accepted
    snapshot = await run(1)
    assert snapshot.mode_ends == {"BESS1": now + modes.LASTS}


async def test_an_end_that_has_passed_or_is_days_away_is_refused(control, run, clock):
    await run(1)
    for hours, words in ((-1.0, "passed"), (25.0, "at most 24 h")):
        reply = await control.take(put(clock, Mode.MANUAL, hours=hours))
        assert not reply.accepted
        assert words in reply.reason


async def test_back_in_auto_a_device_goes_on_from_where_its_meter_shows_it(control, run, clock, plant):
    """No plan is in force: control holds what it sent last, and the operator moved the battery meanwhile."""
    await run(60)
    before = control.snapshot.setpoints["BESS1"]
    await control.take(put(clock, Mode.MANUAL))
    plant.commands.pop("BESS1", None)
    state = plant.states["BESS1"]
    plant.states["BESS1"] = type(state)(**{n: getattr(state, n) for n in state.__slots__} | {"p_mw": 15.0})
    await run(2)
    metered = control.snapshot.readings["BESS1"].values["p_mw"]
    await control.take(put(clock, Mode.AUTO))
    count = len(plant.written)
    await run(1)
    first = next(s for s in plant.written[count:] if s.device == "BESS1")
    assert abs(metered - before.p_mw) > 10.0, "the test is none where both are near"
    assert first.p_mw == pytest.approx(metered, abs=0.5)
    assert first.sequence > before.sequence
    assert "BESS1" not in control.snapshot.derated, "what the operator did is no limit of the device"


async def test_a_manual_device_is_planned_as_it_stands(control, run, clock):
    await run(3)
    assert "BESS1" not in control.snapshot.derated
    await control.take(put(clock, Mode.MANUAL))
    snapshot = await run(1)
    metered_mw = snapshot.readings["BESS1"].values["p_mw"]
    assert snapshot.derated["BESS1"] == (metered_mw, metered_mw)
    await control.take(put(clock, Mode.AUTO))
    assert "BESS1" not in (await run(1)).derated


async def test_the_end_of_a_mode_outlives_a_restart(park, plant, clock, journal):
    state = StateDir(journal.folder.parent / "state")
    state.prepare()
    first = build_control(park, plant, clock, journal, epoch=1, state=state)
    await first.cycle()
    await first.take(put(clock, Mode.MANUAL, hours=1.0, device="PV"))
    second = build_control(park, plant, clock, journal, epoch=2, state=state)
    assert (await second.cycle()).modes["PV"] is Mode.MANUAL
    clock.advance(3700.0)
    assert (await second.cycle()).modes["PV"] is Mode.AUTO
