"""The field in memory gives what Modbus would: quantised, refused, stale, unknown."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from hil.loopback import LoopbackField
from hil.rig import Rig
from hil.scenario import Scenario, Silence
from vpp.clock import UTC, SimulatedClock
from vpp.park import Park
from vpp.types import Outcome, Quality, Setpoint

Told = Callable[..., Setpoint]
START = datetime(2026, 3, 10, 4, tzinfo=UTC)
MUTE = Scenario(
    name="mute",
    start_local=None,
    duration_min=60,
    rates=(),
    events=(Silence(at_min=1, for_min=1, endpoint="CAES1"),),
)


def field(park: Park, scenario: Scenario = MUTE) -> tuple[Rig, SimulatedClock, LoopbackField]:
    rig, clock = Rig(park, START, 7, scenario), SimulatedClock(START)
    return rig, clock, LoopbackField(rig, clock)


async def test_values_are_those_of_the_registers(park: Park) -> None:
    rig, _, memory = field(park)
    readings = await memory.read()
    assert set(readings) == set(rig.endpoints)
    for name, reading in readings.items():
        image = rig.image(name)
        assert reading.quality is Quality.GOOD
        for point, value in reading.values.items():
            assert value == pytest.approx(image.get(point, value), rel=2e-3, abs=2e-3), (name, point)
    # the battery's SunSpec map counts watts times a power of ten in 16 bits
    assert readings["BESS1"].values["p_mw"] != rig.image("BESS1")["p_mw"]


@pytest.mark.parametrize("device", ["CAES1", "BESS1", "WF", "ALK1"])
async def test_a_setpoint_arrives_and_is_read_back(park: Park, setpoint: Told, device: str) -> None:
    rig, _, memory = field(park)
    acks = await memory.write([setpoint(device, -31.7)])
    assert acks[device].outcome is Outcome.ACKNOWLEDGED
    held = (await memory.read())[device].values
    assert held["setpoint_mw"] == pytest.approx(-31.7, abs=1e-4)
    assert held["epoch"] == 3
    rig.advance(START + timedelta(seconds=80))
    assert rig.image(device)["status"] != 4
    rig.advance(START + timedelta(seconds=95))
    assert rig.image(device)["status"] == 4


async def test_a_battery_has_its_timer_before_the_setpoint_that_it_guards(park: Park, setpoint: Told) -> None:
    written: list[Mapping[str, float]] = []
    clock = SimulatedClock(START)
    rig = Rig(park, START, 7, note=lambda at, record: written.append(record.get("values", {})))
    await LoopbackField(rig, clock).write([setpoint("BESS1", 5.0)])
    guards = ("epoch", "reversion_total_s", "setpoint_mw")
    parts = [name for values in written for name in guards if name in values]
    assert parts == ["epoch", "reversion_total_s", "setpoint_mw"]


async def test_a_trip_opens_blocks_and_a_drill_does_not(park: Park) -> None:
    rig, clock, memory = field(park)
    await memory.trip({"LD_ZN": 0b11}, drill=True)
    clock.advance(0.5)
    await memory.read()
    assert rig.image("LD_ZN")["breakers"] == 0
    acks = await memory.trip({"LD_ZN": 0b11, "LD_SME": 1}, drill=False)
    assert {a.outcome for a in acks.values()} == {Outcome.ACKNOWLEDGED}
    clock.advance(0.5)
    await memory.read()
    assert (rig.image("LD_ZN")["breakers"], rig.image("LD_SME")["breakers"]) == (3, 1)


async def test_a_silent_endpoint_goes_stale_and_its_write_is_unknown(park: Park, setpoint: Told) -> None:
    rig, clock, memory = field(park)
    await memory.read()
    clock.advance(70)
    rig.advance(clock.plant_now())
    reading = (await memory.read())["CAES1"]
    assert (reading.quality, reading.age_s) == (Quality.STALE, 70)
    acks = await memory.write([setpoint("CAES1", -50), setpoint("BESS1", 5)])
    assert [acks[d].outcome for d in ("CAES1", "BESS1")] == [Outcome.UNKNOWN, Outcome.ACKNOWLEDGED]
    assert rig.image("CAES1")["setpoint_mw"] == 0
    clock.advance(60)
    assert (await memory.read())["CAES1"].quality is Quality.GOOD
