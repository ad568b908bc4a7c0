"""One connection and the units behind it: gateways, pacing, rates, circuits, late and doubled answers."""

import asyncio
import struct
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import pytest

from controllers.acting.circuit import BACKOFF_S, PROVEN_S, SLAM_S, Circuit
from controllers.acting.modbus import Lane
from controllers.acting.modbus_field import end
from controllers.acting.owner import Owner
from controllers.acting.unit import SLOW_EVERY, PollPlan, Unit, poll_plan
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.points import Block, Write
from vpp.seeds import generator
from vpp.types import Access, Endpoint, LinkState, Outcome, Point

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
READ = Block("holding", 10, 2)
WRITE = Write("holding", 10, (5, 123))
ONE = PollPlan(fast=(READ,), whole=(READ,))


@pytest.fixture
def clock():
    return RealClock(Schedule(origin_true_s=monotonic_s(), segments=((START, 1.0),)))


class Gateway:
    """A server of several units; `dead` ones get no answer, `unreached` ones exception 11.

    With `hold` answers wait until `release` is called, then leave in reverse order.
    """

    def __init__(self):
        self.registers = {}
        self.dead, self.unreached = set(), set()
        self.connections, self.open = 0, 0
        self.asked, self.times = [], []
        self.hold, self.held = False, []
        self.most_at_once = 0
        self.clock = None

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readexactly(7)
                tid, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                self.asked.append((unit, pdu[0]))
                self.times.append(self.clock.true_s())
                answer = self.answer(unit, pdu)
                if answer is None:
                    continue
                frame = struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer
                if not self.hold:
                    writer.write(frame)
                    continue
                self.held.append((writer, frame))
                self.most_at_once = max(self.most_at_once, len(self.held))
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def release(self):
        for writer, frame in reversed(self.held):
            writer.write(frame)
        self.held = []

    def answer(self, unit, pdu):
        if unit in self.dead:
            return None
        if unit in self.unreached:
            return bytes([pdu[0] | 0x80, 11])
        words = self.registers.setdefault(unit, [unit] * 50)
        code, address, count = struct.unpack(">BHH", pdu[:5])
        if code == 16:
            words[address : address + count] = struct.unpack(f">{count}H", pdu[6:])
            return pdu[:5]
        return struct.pack(f">BB{count}H", code, 2 * count, *words[address : address + count])


@asynccontextmanager
async def behind(gateway, clock, units, plan=ONE, **settings):
    """Run an owner of `units` behind a gateway; yields (owner, unit by number)."""
    gateway.clock = clock
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there = {
        n: Unit(
            name=f"U{n}",
            endpoint=Endpoint(register_map="x", host="127.0.0.1", port=port, unit=n, **settings),
            plan=plan,
            clock=clock,
            circuit=Circuit(generator(n, "unit")),
        )
        for n in units
    }
    owner = Owner(
        Lane(next(iter(there.values())).endpoint),
        tuple(there.values()),
        clock,
        Circuit(generator(0, "connection")),
    )
    task = asyncio.create_task(owner.run())
    try:
        yield owner, there
    finally:
        await end([task])
        server.close()


async def until(true, clock):
    async with asyncio.timeout(8):
        while not true():
            await clock.sleep_true(0.002)


async def test_units_of_one_host_and_port_share_one_connection(clock):
    gateway = Gateway()
    async with behind(gateway, clock, range(1, 31)) as (owner, units):
        await until(lambda: all(unit.ready for unit in units.values()), clock)
        assert gateway.connections == owner.connects == 1
        assert all(set(u.latest.registers.values()) == {n} for n, u in units.items())
        acks = await asyncio.gather(*(unit.submit([WRITE], 1.0) for unit in units.values()))
        assert {ack.outcome for ack in acks} == {Outcome.ACKNOWLEDGED}
        assert [ack.device for ack in acks] == [unit.name for unit in units.values()]
        assert all(words[10:12] == [5, 123] for words in gateway.registers.values())


async def test_a_dead_unit_rests_by_itself_and_the_others_are_polled(clock):
    gateway = Gateway()
    gateway.dead = {2}
    async with behind(gateway, clock, (1, 2, 3), timeout_ms=60.0) as (owner, units):
        await until(lambda: units[1].ready and units[3].ready and units[2].timeouts > 0, clock)
        await until(lambda: units[1].ready and units[3].ready, clock)
        tries = units[2].timeouts
        for _ in range(20):
            for unit in units.values():
                unit.ask_poll()
            await until(lambda: not any(unit.due for unit in units.values()), clock)
        assert units[2].timeouts - tries <= 1, "it is tried seldom"
        assert gateway.asked.count((1, 3)) >= 20
        shown = units[2].link(owner.circuit, owner.connects)
        assert shown.state is LinkState.OPEN
        assert "no answer in time" in shown.reason
        assert units[1].link(owner.circuit, owner.connects).state is LinkState.CLOSED
        gateway.dead = set()
        units[2].circuit.retry_s = owner._probe_s = 0.0
        units[2].ask_poll()
        await until(lambda: units[2].ready, clock)
        assert units[2].link(owner.circuit, owner.connects).state is LinkState.CLOSED


async def test_what_a_gateway_does_not_reach_keeps_the_connection(clock):
    gateway = Gateway()
    gateway.unreached = {2}
    async with behind(gateway, clock, (1, 2)) as (owner, units):
        await until(lambda: units[1].ready and units[2].refused > 0, clock)
        assert not units[2].ready
        assert gateway.connections == 1
        shown = units[2].link(owner.circuit, owner.connects)
        assert (shown.state, shown.timeouts, shown.wrong) == (LinkState.OPEN, 0, 0)
        assert "gateway does not reach it" in shown.reason


@pytest.mark.parametrize(("in_flight", "at_once"), [(1, 1), (4, 4)])
async def test_requests_are_under_way_at_once_only_where_the_park_says_so(clock, in_flight, at_once):
    gateway = Gateway()
    async with behind(gateway, clock, range(1, 9), max_in_flight=in_flight) as (_, units):
        await until(lambda: all(unit.ready for unit in units.values()), clock)
        gateway.hold = True
        for unit in units.values():
            unit.ask_poll()
        await until(lambda: len(gateway.held) == at_once, clock)
        while any(unit.due for unit in units.values()) or gateway.held:
            gateway.release()
            await clock.sleep_true(0.001)
        assert gateway.most_at_once == at_once
        assert gateway.connections == 1
        assert all(set(u.latest.registers.values()) == {n} for n, u in units.items()), "answers in any order"


async def test_a_write_goes_before_the_polls_that_wait(clock):
    gateway = Gateway()
    async with behind(gateway, clock, range(1, 21)) as (_, units):
        await until(lambda: all(unit.ready for unit in units.values()), clock)
        gateway.asked.clear()
        for unit in units.values():
            unit.ask_poll()
        assert (await units[20].submit([WRITE], 1.0)).outcome is Outcome.ACKNOWLEDGED
        assert gateway.asked.index((20, 16)) <= 1


async def test_a_device_gets_its_rest_between_two_requests(clock):
    gateway = Gateway()
    async with behind(gateway, clock, (1,), gap_ms=20.0, max_in_flight=4) as (_, units):
        await until(lambda: units[1].ready, clock)
        units[1].submit([WRITE], 1.0)
        for _ in range(3):
            units[1].ask_poll()
            await until(lambda: not units[1].due, clock)
        await until(lambda: len(gateway.times) >= 6, clock)
        gaps = [b - a for a, b in zip(gateway.times, gateway.times[1:], strict=False)]
        assert min(gaps) > 0.019


def point(name, address, rate):
    return Point(
        point=name,
        table="holding",
        address=address,
        type="uint16",
        word_order="big",
        scale=1.0,
        scale_point=None,
        unit="",
        sign=1,
        access=Access.READ,
        sentinel=None,
        sync_group=None,
        rate=rate,
    )


async def test_slow_points_are_read_every_tenth_poll_and_kept_in_between(clock):
    points = (point("p_mw", 5, "fast"), point("status", 6, "slow"), point("energy_in_mwh", 40, "slow"))
    plan = poll_plan(points)
    assert plan.fast == (Block("holding", 5, 1),)
    assert plan.whole == (Block("holding", 5, 2), Block("holding", 40, 1))
    gateway = Gateway()
    async with behind(gateway, clock, (1,), plan=plan) as (_, units):
        await until(lambda: units[1].ready, clock)
        gateway.registers[1][40] = 77
        requests, seen = len(gateway.asked), []
        for _ in range(2 * SLOW_EVERY):
            units[1].ask_poll()
            polls = units[1].polls
            await until(lambda polls=polls: units[1].polls > polls and not units[1].due, clock)
            await until(lambda: len(gateway.asked) >= units[1].polls, clock)
            seen.append(units[1].latest.registers["holding", 40])
        assert len(gateway.asked) - requests == 2 * SLOW_EVERY + 2
        assert seen[0] == 1
        assert seen[-1] == 77


async def test_a_doubled_answer_is_passed_over(clock):
    class Twice(Gateway):
        async def serve(self, reader, writer):
            both = writer.write
            writer.write = lambda data: both(data + data)
            await super().serve(reader, writer)

    gateway = Twice()
    async with behind(gateway, clock, (1, 2)) as (owner, units):
        await until(lambda: units[1].ready and units[2].ready, clock)
        for _ in range(10):
            gateway.registers[1][10] += 1
            units[1].ask_poll()
            await until(lambda: units[1].latest.registers["holding", 10] == gateway.registers[1][10], clock)
        assert owner.connects == 1
        assert units[1].wrong == units[2].wrong == 0


async def test_what_waited_too_long_is_not_sent_any_more(clock):
    gateway = Gateway()
    async with behind(gateway, clock, (1,)) as (_, units):
        await until(lambda: units[1].ready, clock)
        ack = await units[1].submit([WRITE], -1.0)
        assert (ack.outcome, ack.detail) == (Outcome.DISCONNECTED, "not sent: it is too late for it")
        assert (1, 16) not in gateway.asked


async def test_a_refused_read_is_no_reading_and_no_lost_connection(clock):
    gateway = Gateway()
    async with behind(gateway, clock, (1,)) as (owner, units):
        await until(lambda: units[1].ready, clock)
        before = units[1].latest
        gateway.answer = lambda unit, pdu: bytes([pdu[0] | 0x80, 6])
        units[1].ask_poll()
        await until(lambda: units[1].refused == 1, clock)
        await until(lambda: not units[1].due, clock)
        assert units[1].latest is before
        shown = units[1].link(owner.circuit, owner.connects)
        assert (shown.state, shown.reason, shown.refused) == (LinkState.CLOSED, "it refuses: exception 6", 1)
        assert owner.connects == 1


async def test_polls_that_a_slow_device_skips_are_counted(clock):
    gateway = Gateway()
    async with behind(gateway, clock, (1, 2)) as (_, units):
        await until(lambda: units[1].ready and units[2].ready, clock)
        gateway.hold = True
        for _ in range(3):
            units[1].ask_poll()
            units[2].ask_poll()
        await until(lambda: len(gateway.held) == 1, clock)
        assert (units[1].dropped, units[2].dropped) == (2, 2)


def test_a_circuit_doubles_its_pause_and_begins_anew_after_it_held():
    circuit = Circuit(generator(1, "circuit"))
    now_s, pauses = 0.0, []
    for _ in range(9):
        circuit.attempt()
        pauses.append(circuit.failed("gone", now_s))
        now_s += pauses[-1]
    assert all(BACKOFF_S[0] / 2 <= pause <= BACKOFF_S[1] for pause in pauses)
    assert pauses[-1] > BACKOFF_S[1] / 2
    assert circuit.state is LinkState.OPEN
    circuit.attempt()
    assert circuit.state is LinkState.HALF_OPEN
    circuit.answered(now_s)
    assert circuit.failed("gone at once", now_s + 0.1) > BACKOFF_S[1] / 2, "one answer proves little"
    circuit.answered(now_s)
    assert circuit.failed("gone later", now_s + PROVEN_S) <= BACKOFF_S[0]
    assert circuit.failed("slammed", now_s, least_s=SLAM_S) >= SLAM_S


def test_a_circuit_is_connecting_until_it_was_closed_or_failed():
    circuit = Circuit(generator(1, "circuit"))
    circuit.attempt()
    assert circuit.state is LinkState.CONNECTING
    circuit.answered(1.0, "it refuses: exception 2")
    assert (circuit.closed, circuit.reason) == (True, "it refuses: exception 2")
