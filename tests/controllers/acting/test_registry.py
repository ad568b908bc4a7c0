"""Devices added, removed and moved while control runs: whole or not at all, between two cycles."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from controllers.acting import registry
from controllers.acting.build import build_control
from controllers.acting.guarded import GuardedField
from controllers.acting.modbus_field import ModbusField
from hil.registers import registers_of
from hil.server import Listener
from vpp.clock import RealClock, Schedule, monotonic_s, wall_now
from vpp.journal import read
from vpp.park import copy_park, endpoints, load_park
from vpp.types import Mode, ModeOrder, Quality, ReloadOrder


@pytest.fixture
def folder(tmp_path):
    copy_park("small10", tmp_path / "park")
    return tmp_path / "park"


def edit(folder, old, new, file="devices.csv"):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


class Changeable:
    """Puts `change` beside a plant in memory, whose endpoints are those of its park."""

    def __init__(self, plant):
        self.plant, self.parks = plant, []

    def __getattr__(self, name):
        return getattr(self.plant, name)

    async def read(self):
        readings = await self.plant.read()
        names = endpoints(self.parks[-1]) if self.parks else readings
        nothing = next(iter(readings.values()))
        bad = replace(nothing, values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
        return {name: readings.get(name, bad) for name in names}

    def change(self, park):
        self.parks.append(park)


@pytest.fixture
def running(folder, plant, clock, journal):
    """Control of a copied park on a field that can change."""
    field = Changeable(plant)
    return build_control(load_park(folder), field, clock, journal, epoch=1), field, clock


def order(clock, number=1):
    return ReloadOrder(id=f"reload-{number}", expires_at=clock.plant_now() + timedelta(seconds=10))


async def cycles(control, clock, count=3):
    for _ in range(count):
        clock.advance(1.0)
        snapshot = await control.cycle()
    return snapshot


NEW = "PV9,pv,FDR10,6,0,6.6,,pv_roof,pv,127.0.0.1,15099,99\n"


async def test_a_device_that_is_added_begins_in_advisory_mode_and_is_put_to_auto(running, folder):
    control, field, clock = running
    await cycles(control, clock)
    with (folder / "devices.csv").open("a") as devices:
        devices.write(NEW)
    reply = await control.take(order(clock))
    assert (reply.accepted, reply.reason) == (True, "added PV9")
    assert field.parks == [], "not in the middle of a cycle"
    snapshot = await cycles(control, clock)
    assert len(field.parks) == 1
    assert snapshot.modes["PV9"] is Mode.ADVISORY
    assert snapshot.readings["PV9"].quality is Quality.BAD
    assert "PV9" not in snapshot.setpoints
    assert snapshot.modes["WF"] is Mode.AUTO
    put = ModeOrder(id="m", device="PV9", mode=Mode.AUTO, expires_at=clock.plant_now() + timedelta(seconds=9))
    assert (await control.take(put)).accepted
    assert (await cycles(control, clock)).modes["PV9"] is Mode.AUTO


async def test_a_device_that_is_removed_is_forgotten_and_the_others_go_on(running, folder):
    control, _, clock = running
    before = await cycles(control, clock)
    assert "DPV" in before.readings
    edit(
        folder,
        next(
            line for line in (folder / "devices.csv").read_text().splitlines(True) if line.startswith("DPV")
        ),
        "",
    )
    reply = await control.take(order(clock))
    assert (reply.accepted, reply.reason) == (True, "removed DPV")
    after = await cycles(control, clock)
    assert "DPV" not in {*after.readings, *after.setpoints, *after.modes}
    assert set(after.readings) == set(before.readings) - {"DPV"}
    assert after.setpoints["WF"].sequence > before.setpoints["WF"].sequence


FAULTY = {
    "a fault in the table": ("devices.csv", ",15020,", ",sixty,", "devices.csv:2 port"),
    "two faults": ("devices.csv", "PV35,60,0", "NOWHERE,-1,0", "devices.csv:3"),
    "another contract": ("park.toml", "import_max_mw = 150", "import_max_mw = 140", "needs a restart"),
    "another kind": (
        "devices.csv",
        "DPV,pv,FDR10,6,0,6.6,,pv_roof,pv",
        "DPV,wind,FDR10,6,0,6.6,,wind_type_A,wind",
        "id",
    ),
}


@pytest.mark.parametrize("what", FAULTY)
async def test_what_is_faulty_or_beyond_devices_is_refused_whole(running, folder, what):
    control, field, clock = running
    before = await cycles(control, clock)
    file, old, new, told = FAULTY[what]
    edit(folder, old, new, file)
    with (folder / "devices.csv").open("a") as devices:
        devices.write(NEW)
    reply = await control.take(order(clock))
    assert not reply.accepted
    assert told in reply.reason
    after = await cycles(control, clock)
    assert field.parks == []
    assert set(after.readings) == set(before.readings)


async def test_a_reload_is_journaled_once_and_a_repeated_id_reads_nothing_again(running, folder, tmp_path):
    control, field, clock = running
    await cycles(control, clock)
    edit(folder, ",15020,", ",15120,")
    first = await control.take(order(clock))
    await cycles(control, clock)
    edit(folder, ",15120,", ",15121,")
    assert await control.take(order(clock)) == first
    await cycles(control, clock)
    assert len(field.parks) == 1
    told = [record.value for record in read(tmp_path / "journal") if record.kind == "reload"]
    assert told == [{"changes": "moved WF"}]


class Fixed:
    """A terminal with one value."""

    def __init__(self, p_mw):
        self.p_mw, self.firsts = p_mw, 0

    async def values(self):
        return {"p_mw": self.p_mw}

    async def command(self, values):
        pass

    async def note(self, record):
        self.firsts += record["event"] == "first_frame"


@asynccontextmanager
async def served(park, **devices):
    """Listeners for some devices at free ports; yields (port, terminal) by name."""
    found, listeners = {}, []
    for name, (like, p_mw) in devices.items():
        endpoint = replace(endpoints(park)[like], host="127.0.0.1", port=0)
        terminal = Fixed(p_mw)
        listeners.append(Listener(name, endpoint, registers_of(park, like), terminal))
        found[name] = (await listeners[-1].start(), terminal)
    try:
        yield found
    finally:
        for listener in listeners:
            await listener.close()


def placed(park, ports):
    """Return the park with only these devices, each at its port."""
    there = {
        name: replace(
            park.resources[name], endpoint=replace(park.resources[name].endpoint, host="127.0.0.1", port=port)
        )
        for name, port in ports.items()
    }
    return replace(park, resources=there, loads={}, meters={}, actuators={})


async def until(true, clock):
    async with asyncio.timeout(8):
        while not await true():
            await clock.sleep_true(0.01)


async def test_a_moved_device_is_read_at_its_new_place_and_nobody_else_reconnects():
    park = load_park("small10")
    clock = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((wall_now(), 1.0),)))
    async with served(park, WF=("WF", 40.0), PV=("PV", 7.0), elsewhere=("WF", 55.0)) as found:
        ports = {name: port for name, (port, _) in found.items()}
        async with ModbusField(placed(park, {"WF": ports["WF"], "PV": ports["PV"]}), clock) as field:

            async def shows(name, p_mw):
                return (await field.read())[name].values.get("p_mw") == p_mw

            await until(lambda: shows("WF", 40.0), clock)
            await until(lambda: shows("PV", 7.0), clock)
            field.change(placed(park, {"WF": ports["elsewhere"], "PV": ports["PV"], "DPV": 1}))
            assert (await field.read())["DPV"].quality is Quality.BAD
            await until(lambda: shows("WF", 55.0), clock)
            assert list(field.links()) == ["WF", "PV", "DPV"]
            field.change(placed(park, {"PV": ports["PV"]}))
            assert set(await field.read()) == {"PV"}
            assert found["PV"][1].firsts == 1, "one connection all along"
            assert field.links()["PV"].connects == 1


def test_what_a_reload_may_not_change_is_named():
    park = load_park("small10")
    other = replace(park, horizon=replace(park.horizon, cycle_s=2.0), tariff=park.tariff[:1])
    assert registry.refusal(park, other) == "horizon, tariff of the park changed: that needs a restart"
    assert registry.refusal(park, park) == ""
    assert registry.changes(park, park) == "no device is added, removed, moved or changed"
    battery = park.devices["BESS1"]
    smaller = replace(battery, resource=replace(battery.resource, p_max_mw=30.0))
    changed = replace(park, devices={**park.devices, "BESS1": smaller})
    assert registry.changes(park, changed) == "changed BESS1"


def test_the_field_behind_the_lease_can_change_too():
    assert isinstance(GuardedField(None, None, None), registry.Changing)
    assert issubclass(ModbusField, registry.Changing)
