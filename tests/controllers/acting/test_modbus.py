"""The Modbus client against a real pymodbus server, and against servers that lie."""

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from controllers.acting.circuit import Circuit
from controllers.acting.modbus import Lane
from controllers.acting.modbus_field import ModbusField, end, write_limit_s
from controllers.acting.owner import Owner
from controllers.acting.unit import PollPlan, Unit
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.points import Block, Write
from vpp.seeds import generator
from vpp.types import Endpoint, Outcome, Quality

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
READ = Block("holding", 10, 2)
WRITE = Write("holding", 10, (5, 123))


@pytest.fixture
def real_clock():
    return RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),)))


def endpoint(port):
    return Endpoint(register_map="x", host="127.0.0.1", port=port, unit=1)


@asynccontextmanager
async def liar(answer):
    """A server whose `answer(tid, pdu)` gives the bytes to send, None for silence; counts connections."""
    seen = {"connections": 0, "first": []}

    async def serve(reader, writer):
        seen["connections"] += 1
        first = True
        try:
            while True:
                head = await reader.readexactly(7)
                tid, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                if first:
                    seen["first"].append(pdu[0])
                    first = False
                reply = answer(tid, pdu)
                if reply is not None:
                    back_tid, back = reply
                    writer.write(struct.pack(">HHHB", back_tid, 0, len(back) + 1, unit) + back)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield port, seen
    finally:
        server.close()


def honest(registers):
    def answer(tid, pdu):
        code, address, count = struct.unpack(">BHH", pdu[:5])
        if code == 16:
            registers[address : address + count] = struct.unpack(f">{count}H", pdu[6:])
            return tid, pdu[:5]
        return tid, struct.pack(f">BB{count}H", code, 2 * count, *registers[address : address + count])

    return answer


LIES = {
    "transaction 0": lambda tid, pdu: (0, struct.pack(">BBHH", 3, 4, 1, 2)),
    "another transaction": lambda tid, pdu: (tid + 1, struct.pack(">BBHH", 3, 4, 1, 2)),
    "too few registers": lambda tid, pdu: (tid, struct.pack(">BBH", 3, 2, 1)),
    "too many registers": lambda tid, pdu: (tid, struct.pack(">BBHHH", 3, 6, 1, 2, 3)),
    "another function": lambda tid, pdu: (tid, struct.pack(">BBHH", 4, 4, 1, 2)),
    "odd bytes": lambda tid, pdu: (tid, b"\x03\x03\x00\x01\x00"),
    "silence": lambda tid, pdu: None,
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_never_a_value_and_closes_the_connection(lie):
    async with liar(LIES[lie]) as (port, _):
        lane = Lane(endpoint(port))
        assert await lane.open()
        answer = await lane.read(READ)
        assert answer.outcome in (Outcome.WRONG, Outcome.UNKNOWN)
        assert answer.registers == ()
        assert not lane.connected
        assert (lane.wrong, lane.timeouts) == ((0, 1) if answer.outcome is Outcome.UNKNOWN else (1, 0))


async def test_a_wrong_echo_is_no_success():
    async with liar(lambda tid, pdu: (tid, struct.pack(">BHH", 16, 99, 999))) as (port, _):
        lane = Lane(endpoint(port))
        await lane.open()
        answer = await lane.write(WRITE)
        assert answer.outcome is Outcome.WRONG
        assert "99+999" in answer.detail


async def test_an_exception_reply_is_a_refusal_and_keeps_the_connection():
    async with liar(lambda tid, pdu: (tid, bytes([pdu[0] | 0x80, 2]))) as (port, _):
        lane = Lane(endpoint(port))
        await lane.open()
        answer = await lane.write(WRITE)
        assert (answer.outcome, answer.detail) == (Outcome.REFUSED, "exception 2")
        assert lane.connected


async def test_a_refused_connect_is_false_and_no_exception(unused_port):
    lane = Lane(endpoint(unused_port))
    assert not await lane.open()
    assert (await lane.read(READ)).outcome is Outcome.DISCONNECTED


@pytest.fixture
async def unused_port():
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_peer_that_hangs_up_is_noticed_before_the_time_out(real_clock):
    async def hang_up(reader, writer):
        await reader.readexactly(12)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    lane = Lane(endpoint(server.sockets[0].getsockname()[1]))
    await lane.open()
    start = real_clock.true_s()
    answer = await lane.read(READ)
    assert answer.outcome is Outcome.UNKNOWN
    assert "closed" in answer.detail
    assert real_clock.true_s() - start < 0.3
    server.close()


@asynccontextmanager
async def owned(port, clock):
    circuit = Circuit(generator(1, "test"))
    plan = PollPlan(fast=(READ,), whole=(READ,))
    unit = Unit(name="X", endpoint=endpoint(port), plan=plan, clock=clock, circuit=circuit)
    owner = Owner(Lane(endpoint(port)), (unit,), clock, Circuit(generator(2, "test")))
    task = asyncio.create_task(owner.run())
    try:
        yield Owned(owner, unit)
    finally:
        await end([task])


@dataclass
class Owned:
    owner: Owner
    unit: Unit

    @property
    def ready(self):
        return self.unit.ready

    def submit(self, writes):
        return self.unit.submit(writes, 1.0)

    def ask_poll(self):
        self.unit.ask_poll()


async def until(true, clock):
    async with asyncio.timeout(5):
        while not true():
            await clock.sleep_true(0.005)


async def test_a_write_is_read_back_before_it_counts(real_clock):
    registers = [0] * 20
    async with liar(honest(registers)) as (port, _), owned(port, real_clock) as owner:
        await until(lambda: owner.ready, real_clock)
        ack = await owner.submit([WRITE])
        assert ack.outcome is Outcome.ACKNOWLEDGED
        assert registers[10:12] == [5, 123]
        assert ack.done_true_s >= ack.sent_true_s


async def test_a_device_that_acknowledges_but_keeps_its_value_is_wrong(real_clock):
    def stubborn(tid, pdu):
        return (tid, pdu[:5]) if pdu[0] == 16 else honest([7] * 20)(tid, pdu)

    async with liar(stubborn) as (port, _), owned(port, real_clock) as owner:
        await until(lambda: owner.ready, real_clock)
        ack = await owner.submit([WRITE])
        assert ack.outcome is Outcome.WRONG
        assert "reads back differently" in ack.detail


async def test_a_write_whose_answer_is_lost_is_confirmed_by_reading_back(real_clock):
    registers = [0] * 20
    obey = honest(registers)

    def lossy(tid, pdu):
        reply = obey(tid, pdu)
        return None if pdu[0] == 16 else reply

    async with liar(lossy) as (port, _), owned(port, real_clock) as owner:
        await until(lambda: owner.ready, real_clock)
        ack = await owner.submit([WRITE])
        assert (ack.outcome, ack.detail) == (Outcome.ACKNOWLEDGED, "confirmed by read-back")


async def test_the_first_frame_of_every_connection_is_a_read(real_clock):
    registers = [0] * 20
    obey = honest(registers)
    async with liar(obey) as (port, seen), owned(port, real_clock) as owner:
        for _ in range(3):
            await until(lambda: owner.ready, real_clock)
            assert (await owner.submit([WRITE])).outcome is Outcome.ACKNOWLEDGED
            owner.owner.lane.close()
            owner.ask_poll()
            await until(lambda: not owner.ready or seen["connections"] > len(seen["first"]), real_clock)
        await until(lambda: owner.ready, real_clock)
        assert len(seen["first"]) >= 3
        assert set(seen["first"]) == {3}


async def test_nothing_waits_for_a_device_that_is_not_there(real_clock, unused_port):
    async with owned(unused_port, real_clock) as owner:
        acks = await asyncio.gather(*(owner.submit([WRITE]) for _ in range(20)))
        assert {ack.outcome for ack in acks} == {Outcome.DISCONNECTED}


class Hurried:
    """A real clock whose pauses pass at once."""

    def __init__(self, clock):
        self.clock, self.skipped_s = clock, 0.0

    def __getattr__(self, name):
        return getattr(self.clock, name)

    def true_s(self):
        return self.clock.true_s() + self.skipped_s

    async def sleep_true(self, seconds):
        self.skipped_s += seconds
        await self.clock.sleep_true(0.001)


async def test_a_peer_that_accepts_and_closes_meets_no_connect_storm(real_clock):
    clock, connections = Hurried(real_clock), []

    async def slam(reader, writer):
        connections.append(clock.true_s())
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    async with owned(server.sockets[0].getsockname()[1], clock) as owner:
        await until(lambda: len(connections) >= 10, real_clock)
        assert not owner.ready
        gaps = [b - a for a, b in pairwise(connections)]
        assert min(gaps) > 0.99, "no more than one connect a second"
        assert gaps[-1] > gaps[0]
        assert max(gaps) < 5.5
    server.close()


async def test_a_newer_command_takes_the_place_of_one_that_waits(real_clock):
    registers = [0] * 20
    async with liar(honest(registers)) as (port, _), owned(port, real_clock) as owner:
        await until(lambda: owner.ready, real_clock)
        first = owner.submit([WRITE])
        second = owner.submit([replace(WRITE, registers=(6, 6))])
        acks = await asyncio.gather(first, second)
        assert "newer command" in acks[0].detail
        assert acks[1].outcome is Outcome.ACKNOWLEDGED
        assert registers[10:12] == [6, 6]


@asynccontextmanager
async def pymodbus_servers(park, names):
    """A real pymodbus server per endpoint, zeros everywhere; yields the park with their ports."""
    servers = {}
    for name in names:
        words = SimData(0, count=45000, values=0, datatype=DataType.REGISTERS)
        bits = SimData(0, count=1000, values=False, datatype=DataType.BITS)
        device = SimDevice(1, simdata=([bits], [bits], [words], [words]))
        device = SimDevice(0, simdata=device.simdata)
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        servers[name] = server
    ports = {n: s.transport.sockets[0].getsockname()[1] for n, s in servers.items()}
    try:
        yield ports
    finally:
        for server in servers.values():
            await server.shutdown()


def moved(park, ports):
    def at(rows):
        return {
            n: replace(r, endpoint=replace(r.endpoint, host="127.0.0.1", port=ports.get(n, 1)))
            for n, r in rows.items()
        }

    return replace(park, resources=at(park.resources), loads=at(park.loads), meters=at(park.meters))


async def test_a_field_of_real_servers_with_one_dead_and_one_mute_device(park, real_clock, setpoint):
    alive = ["WF", "PV", "ALK1", "LD_ZN", "LD_SME", "TIE"]
    async with pymodbus_servers(park, alive) as ports, liar(LIES["silence"]) as (mute, _):
        there = moved(park, ports | {"CAES1": mute})
        async with ModbusField(there, real_clock) as field:
            async with asyncio.timeout(10):
                readings = await field.read()
                while {n for n, r in readings.items() if r.values} != set(alive):
                    await real_clock.sleep_true(0.02)
                    readings = await field.read()
            assert readings["CAES1"].quality is Quality.BAD
            assert readings["DPV"].quality is Quality.BAD
            assert readings["WF"].values["p_mw"] == 0.0
            async with asyncio.timeout(10):
                while len({n for n, o in field._shed.items() if o.ready}) < 2:
                    await real_clock.sleep_true(0.02)
            start = real_clock.true_s()
            acks = await field.write([setpoint(n) for n in ("WF", "PV", "ALK1", "CAES1", "DPV")])
            assert real_clock.true_s() - start < 0.5, "the mute device delays nobody"
            assert {n for n, a in acks.items() if a.outcome is Outcome.ACKNOWLEDGED} == {"WF", "PV", "ALK1"}
            assert acks["DPV"].outcome is Outcome.DISCONNECTED
            trips = await field.trip({"LD_ZN": 0b101, "LD_SME": 1, "LD_PUB": 1}, False)
            assert trips["LD_ZN"].outcome is trips["LD_SME"].outcome is Outcome.ACKNOWLEDGED
            assert trips["LD_PUB"].outcome is Outcome.DISCONNECTED
            assert (await field.read())["LD_ZN"].values["block_1"] == 1.0
            assert (await field.read())["LD_ZN"].values["block_2"] == 0.0


async def test_a_value_that_does_not_fit_the_map_is_refused_in_words(park, real_clock, setpoint):
    async with pymodbus_servers(park, ["WF"]) as ports, ModbusField(moved(park, ports), real_clock) as field:
        async with asyncio.timeout(10):
            while (await field.read())["WF"].quality is Quality.BAD:
                await real_clock.sleep_true(0.02)
        ack = (await field.write([setpoint("WF", float("nan"))]))["WF"]
        assert ack.outcome is Outcome.REFUSED
        assert ack.detail


@pytest.mark.parametrize(("spent_s", "limit_s"), [(0.0, 1.2), (0.4, 1.2), (1.0, 0.8), (1.7, 0.2), (9.0, 0.2)])
def test_what_a_slow_plant_takes_of_a_cycle_is_not_waited_for_again(spent_s, limit_s):
    """Reading, deciding and writing end before the next tick, whatever each may take alone."""
    assert write_limit_s(2.0, spent_s) == pytest.approx(limit_s)
