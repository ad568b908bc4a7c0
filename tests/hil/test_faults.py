"""Every fault kind does to a simulated device what its name says, and is over after its spell."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest

from hil import faults
from hil.garble import GARBLES, framed
from hil.loopback import LoopbackField
from hil.manner import Manner
from hil.rig import Rig, registers_of
from hil.scenario import EVENTS, QUIET, Event
from hil.server import Listener
from vpp.clock import UTC, SimulatedClock
from vpp.park import Park
from vpp.types import Outcome, Quality, Setpoint

START = datetime(2026, 3, 10, 4, tzinfo=UTC)
SPELL = {"at_min": 1, "for_min": 1}


class Field:
    """A rig in memory under one fault, from its first to its second minute."""

    def __init__(self, park: Park, setpoint: Callable[..., Setpoint], *events: Event) -> None:
        self.setpoint = setpoint
        self.clock = SimulatedClock(START)
        self.log: list[Mapping[str, object]] = []
        scenario = replace(QUIET, events=events)
        self.rig = Rig(park, START, 7, scenario, note=lambda at, record: self.log.append(record))
        self.field = LoopbackField(self.rig, self.clock)

    async def at(self, second: float) -> Mapping[str, Mapping[str, float]]:
        self.clock.advance(second - self.clock.true_s())
        return {name: reading.values for name, reading in (await self.field.read()).items()}

    async def order(self, device: str, p_mw: float) -> tuple[Outcome, str]:
        command = self.setpoint(device, p_mw, ttl_s=300.0, reversion_s=300.0)
        ack = (await self.field.write([command]))[device]
        return ack.outcome, ack.detail


Sick = Callable[..., Field]


@pytest.fixture
def sick(park: Park, setpoint: Callable[..., Setpoint]) -> Sick:
    """Return a rig in memory under some events."""
    return partial(Field, park, setpoint)


def test_every_kind_of_fault_may_stand_in_a_scenario() -> None:
    assert set(faults.FAULTS) <= set(EVENTS)
    words = {word: kind.__dataclass_fields__["kind"].default for word, kind in faults.FAULTS.items()}
    assert words == {word: word for word in faults.FAULTS}


async def test_a_device_that_refuses_writes_is_read_and_does_nothing(sick: Sick) -> None:
    field = sick(faults.Refuses(**SPELL, endpoint="BESS1", code=6))
    await field.at(70)
    assert await field.order("BESS1", 12.0) == (Outcome.REFUSED, "exception 6")
    assert (await field.at(80))["BESS1"]["p_mw"] == pytest.approx(0, abs=1)
    await field.at(121)
    assert (await field.order("BESS1", 12.0))[0] is Outcome.ACKNOWLEDGED


async def test_a_spoilt_answer_is_no_reading_and_its_write_was_done(sick: Sick) -> None:
    field = sick(faults.Garbles(**SPELL, endpoint="BESS1", how="tid_0"))
    await field.at(59)
    await field.at(70)
    assert (await field.field.read())["BESS1"].quality is Quality.STALE
    assert (await field.order("BESS1", 12.0))[0] is Outcome.WRONG
    assert (await field.at(125))["BESS1"]["p_mw"] == pytest.approx(12, abs=1)


@pytest.mark.parametrize("heartbeat", [False, True])
async def test_a_frozen_device_moves_on_unseen(sick: Sick, heartbeat: bool) -> None:
    field = sick(faults.Frozen(**SPELL, endpoint="BESS1", heartbeat=heartbeat))
    first = (await field.at(60))["BESS1"]
    await field.order("BESS1", 20.0)
    later = (await field.at(90))["BESS1"]
    assert later["p_mw"] == first["p_mw"]
    assert (later["heartbeat"] != first["heartbeat"]) is heartbeat
    assert later["setpoint_mw"] == pytest.approx(20)
    assert (await field.at(121))["BESS1"]["p_mw"] == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("endpoint", "point"), [("BESS1", "p_mw"), ("CAES1", "soc"), ("H2S", "h2_kg")])
async def test_a_void_point_is_no_number(sick: Sick, endpoint: str, point: str) -> None:
    field = sick(faults.Void(**SPELL, endpoint=endpoint, points=(point,)))
    assert [point in (await field.at(s))[endpoint] for s in (59, 60, 119, 120)] == [True, False, False, True]


async def test_a_told_change_of_scale_keeps_values_and_an_untold_one_does_not(sick: Sick) -> None:
    told = faults.Rescaled(**SPELL, endpoint="BESS1", points=("p_mw",), exponent=1)
    untold = faults.Rescaled(**SPELL, endpoint="WF", points=("p_mw",), exponent=1)
    field = sick(told, untold)
    before = await field.at(59)
    during = await field.at(60)
    assert during["BESS1"]["w_sf"] == before["BESS1"]["w_sf"] + 1
    assert during["BESS1"]["p_mw"] == pytest.approx(before["BESS1"]["p_mw"], abs=0.2)
    assert during["WF"]["p_mw"] == pytest.approx(10 * before["WF"]["p_mw"], rel=0.1)


async def test_signs_and_charge_jump_in_what_is_shown_alone(sick: Sick) -> None:
    field = sick(
        faults.Inverted(**SPELL, endpoint="WF"),
        faults.SocShown(**SPELL, resource="BESS1", soc_pct=5),
    )
    seen = [await field.at(s) for s in (59, 60, 120)]
    assert [s["WF"]["p_mw"] > 0 for s in seen] == [True, False, True]
    assert [round(s["BESS1"]["soc"], 2) for s in seen] == [0.5, 0.05, 0.5]
    assert seen[1]["BESS1"]["e_mwh"] == pytest.approx(0.1 * seen[0]["BESS1"]["e_mwh"], rel=0.02)


@pytest.mark.parametrize(("event", "status"), [(faults.Local, 5.0), (faults.Deaf, 1.0)])
async def test_a_device_that_does_not_heed_acknowledges(
    sick: Sick, event: Callable[..., Event], status: float
) -> None:
    field = sick(event(**SPELL, resource="BESS1"))
    await field.at(60)
    await field.order("BESS1", 8.0)
    await field.at(65)
    assert (await field.order("BESS1", 12.0))[0] is Outcome.ACKNOWLEDGED
    seen = (await field.at(110))["BESS1"]
    assert (seen["p_mw"], seen["status"]) == (pytest.approx(0, abs=1), status)


async def test_a_device_that_clips_gives_less_than_ordered(sick: Sick) -> None:
    field = sick(faults.Clips(**SPELL, resource="BESS1", high_mw=8))
    await field.order("BESS1", 20.0)
    assert [round((await field.at(s))["BESS1"]["p_mw"]) for s in (50, 100, 150)] == [20, 8, 20]


async def test_a_restarted_device_has_forgotten_command_and_epoch(sick: Sick) -> None:
    field = sick(faults.Restart(at_min=1, for_min=0.1, resource="BESS1"))
    await field.order("BESS1", 20.0)
    assert (await field.at(59))["BESS1"]["epoch"] == 3
    back = (await field.at(70))["BESS1"]
    assert (back["epoch"], back["setpoint_mw"], back["heartbeat"]) == (0, 0, 4)
    assert back["p_mw"] == pytest.approx(0, abs=1)


async def test_another_master_writes_beside_control(sick: Sick) -> None:
    field = sick(faults.Foreign(**SPELL, resource="BESS1", p_mw=-15, every_s=20))
    await field.order("BESS1", 20.0)
    assert (await field.at(110))["BESS1"]["setpoint_mw"] == pytest.approx(-15)
    assert [r["event"] for r in field.log].count("foreign") == 3


async def test_a_jammed_breaker_stays_closed(sick: Sick) -> None:
    field = sick(faults.Jammed(**SPELL, load="LD_ZN", blocks=(2,)))
    await field.at(61)
    await field.field.trip({"LD_ZN": 0b111}, drill=False)
    assert (await field.at(63))["LD_ZN"]["breakers"] == 0b101


class Steady:
    """A terminal that shows the same for ever."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    async def values(self) -> Mapping[str, float]:
        return self._values

    async def command(self, values: Mapping[str, float]) -> None:
        """Take it."""

    async def note(self, record: Mapping[str, object]) -> None:
        """Forget it."""


async def asked(park: Park, manner: Manner, pdu: bytes) -> bytes:
    """Return all bytes that a CAES plant of this manner sends to one request."""
    registers = registers_of(park, "CAES1")
    held = dict.fromkeys((p.point for p in registers.points), 0.0) | {"p_mw": -29.872}
    endpoint = replace(park.resources["CAES1"].endpoint, port=0)
    listener = Listener("CAES1", endpoint, registers, Steady(held), manner=lambda: manner)
    port = await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(framed(9, 4, pdu))
    writer.write_eof()
    try:
        async with asyncio.timeout(3):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
        await listener.close()


READ = bytes.fromhex("04 03ea 0002")
GOOD = bytes.fromhex("04 04") + struct.pack(">i", -29_872)


@pytest.mark.parametrize("how", sorted(GARBLES))
async def test_a_server_spoils_its_answer_as_told(park: Park, how: str) -> None:
    # what stands in an aborted connection's buffer may be lost, so the end is not compared
    sent = await asked(park, Manner(garbles_read=how), READ)
    if how != "cut":
        assert sent == GARBLES[how](9, 4, GOOD)
    assert (sent == framed(9, 4, GOOD)) is (how == "byte_by_byte")


async def test_a_server_refuses_by_code_and_shows_void_points(park: Park) -> None:
    assert await asked(park, Manner(refuses_read=4), READ) == framed(9, 4, bytes.fromhex("84 04"))
    void = await asked(park, Manner(void=("p_mw",)), READ)
    assert void == framed(9, 4, bytes.fromhex("04 04 8000 0000"))
    assert await asked(park, Manner(connections=0), READ) == b""
