"""What comes out of a wire that sends anything: a state machine over the lane, and malformed frames."""

import asyncio
import struct
from collections import Counter
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from controllers.acting.mbap import Wire
from controllers.acting.modbus import Lane
from vpp.points import Block
from vpp.types import Endpoint, Outcome

READ = Block("holding", 10, 2)
SOUND = struct.pack(">BBHH", 3, 4, 1, 2)


def endpoint(port=1, unit=1, **settings):
    return Endpoint(register_map="x", host="127.0.0.1", port=port, unit=unit, **settings)


@asynccontextmanager
async def raw(answer):
    """A server that sends the pieces `answer(transaction)` one by one after each request."""

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readexactly(12)
                for piece in answer(struct.unpack(">H", head[:2])[0]):
                    writer.write(piece)
                    await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def frame(transaction, pdu=SOUND, unit=1, protocol=0, length=None):
    length = len(pdu) + 1 if length is None else length
    return struct.pack(">HHHB", transaction, protocol, length, unit) + pdu


MALFORMED = {
    "length 0": lambda t: [frame(t, length=0)],
    "length 1": lambda t: [frame(t, length=1)],
    "length 255": lambda t: [frame(t, length=255)],
    "length 65535": lambda t: [frame(t, length=65535)],
    "length one too short": lambda t: [frame(t, length=6)],
    "length one too long": lambda t: [frame(t, length=8)],
    "another protocol": lambda t: [frame(t, protocol=7)],
    "another unit": lambda t: [frame(t, unit=2)],
    "no function": lambda t: [frame(t, b"")],
    "an exception without a code": lambda t: [frame(t, b"\x83")],
    "an exception to another function": lambda t: [frame(t, b"\x84\x02")],
    "an exception with more behind it": lambda t: [frame(t, b"\x83\x02\x00")],
    "fewer bytes than announced": lambda t: [frame(t, b"\x03\x04\x00\x01")],
    "more bytes than announced": lambda t: [frame(t, b"\x03\x02\x00\x01\x00\x02")],
    "a web page": lambda t: [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "half a frame": lambda t: [frame(t)[:9]],
    "an answer to no request": lambda t: [frame(t + 7)],
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_answer_is_no_value_ends_the_connection_and_hangs_nothing(kind):
    async with raw(MALFORMED[kind]) as port:
        lane = Lane(endpoint(port, timeout_ms=60.0))
        for _ in range(2):
            assert await lane.open()
            async with asyncio.timeout(2):
                answer = await lane.read(READ)
            assert answer.outcome in (Outcome.WRONG, Outcome.UNKNOWN)
            assert answer.registers == ()
            assert not lane.connected
        assert lane.wrong + lane.timeouts == 2


async def test_an_answer_in_single_bytes_and_several_in_one_piece_are_read_right():
    def bytewise(transaction):
        return [bytes([byte]) for byte in frame(transaction)]

    async with raw(bytewise) as port:
        lane = Lane(endpoint(port))
        assert await lane.open()
        assert (await lane.read(READ)).registers == (1, 2)
        lane.close()

    waiting = []

    def together(transaction):
        waiting.append(frame(transaction, struct.pack(">BBHH", 3, 4, transaction, 2)))
        return [] if len(waiting) < 3 else [b"".join(waiting)]

    async with raw(together) as port:
        lane = Lane(endpoint(port))
        assert await lane.open()
        answers = await asyncio.gather(*(lane.read(READ) for _ in range(3)))
        assert [answer.registers for answer in answers] == [(1, 2), (2, 2), (3, 2)]
        lane.close()


class Pipe:
    """A transport that keeps what is written."""

    def __init__(self):
        self.sent = []
        self.aborted = False

    def write(self, data):
        self.sent.append(data)

    def abort(self):
        self.aborted = True


class AnythingComes(RuleBasedStateMachine):
    """Requests go out; right, wrong, doubled, sliced and foreign bytes come back in any order.

    What must hold: a read ends with exactly the registers of the right answer to its own transaction,
    or with none; and nobody waits on a connection that has ended.
    """

    asked = Bundle("asked")
    outcomes: ClassVar[Counter[Outcome]] = Counter()
    """Of every read of a run."""

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.lane = Lane(endpoint())
        self.told = {}
        self.reads = {}
        self.half = b""
        self.connect()

    def connect(self):
        async def wire():
            return Wire(lambda: None)

        self.lane._wire = self.loop.run_until_complete(wire())
        self.pipe = Pipe()
        self.lane._wire.connection_made(self.pipe)
        self.half = b""

    def turn(self):
        for _ in range(4):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def receive(self, data):
        if self.lane.connected:
            self.lane._wire.data_received(data)
        self.turn()

    @rule(target=asked, unit=st.integers(1, 3), count=st.integers(1, 3), coil=st.booleans())
    def ask(self, unit, count, coil):
        if not self.lane.connected:
            self.connect()
        block = Block("coil" if coil else "holding", 7, count)
        task = self.loop.create_task(self.lane.read(block, endpoint(unit=unit)))
        self.turn()
        (transaction,) = struct.unpack(">H", self.pipe.sent[-1][:2])
        self.reads[transaction] = task
        return transaction, unit, block

    def right(self, asked):
        transaction, unit, block = asked
        if block.table == "coil":
            values = tuple(transaction >> k & 1 for k in range(block.count))
            pdu = struct.pack("BBB", 1, 1, transaction & (1 << block.count) - 1)
        else:
            values = tuple((transaction * 31 + k) & 0xFFFF for k in range(block.count))
            pdu = struct.pack(f">BB{block.count}H", 3, 2 * block.count, *values)
        return values, frame(transaction, pdu, unit)

    @rule(asked=asked, cut=st.integers(0, 12))
    def answer_rightly(self, asked, cut):
        if self.half:
            return
        values, data = self.right(asked)
        self.told[asked[0]] = values
        self.receive(data[:cut])
        self.receive(data[cut:])

    @rule(asked=asked, change=st.sampled_from(["unit", "function", "count", "length", "protocol", "refuse"]))
    def answer_wrongly(self, asked, change):
        transaction, unit, _ = asked
        _, data = self.right(asked)
        pdu = data[7:]
        wrong = {
            "unit": frame(transaction, pdu, unit + 1),
            "function": frame(transaction, bytes([pdu[0] + 1]) + pdu[1:], unit),
            "count": frame(transaction, pdu[:1] + bytes([pdu[1] + 2]) + pdu[2:] + b"\0\0", unit),
            "length": frame(transaction, pdu, unit, length=255),
            "protocol": frame(transaction, pdu, unit, protocol=1),
            "refuse": frame(transaction, bytes([pdu[0] | 0x80, 2]), unit),
        }
        self.receive(wrong[change])

    @rule(data=st.binary(min_size=1, max_size=40))
    def noise(self, data):
        self.half = data
        self.receive(data)

    @rule(asked=asked)
    def too_late(self, asked):
        if self.lane.connected:
            self.lane._wire._late(asked[0])
        self.turn()

    @rule()
    def hang_up(self):
        if self.lane.connected:
            self.lane._wire.connection_lost(None)
        self.turn()

    @invariant()
    def only_right_answers_are_values(self):
        for transaction, task in getattr(self, "reads", {}).items():
            if task.done():
                answer = task.result()
                good = answer.outcome is Outcome.ACKNOWLEDGED
                assert answer.registers == (self.told[transaction] if good else ())

    @invariant()
    def nobody_waits_on_an_ended_connection(self):
        if hasattr(self, "lane") and not self.lane.connected:
            assert all(task.done() for task in self.reads.values())
            assert self.pipe.aborted or self.lane._wire is None

    def teardown(self):
        if hasattr(self, "lane"):
            self.lane.close()
            self.turn()
            assert all(task.done() for task in self.reads.values())
            self.outcomes.update(task.result().outcome for task in self.reads.values())
            self.loop.close()


def come(examples, steps):
    """Run the machine; how its reads ended."""
    AnythingComes.outcomes.clear()
    how = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(AnythingComes, settings=how)
    return set(AnythingComes.outcomes)


ENDS = {Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.WRONG}


def test_whatever_comes_in_any_order_only_right_answers_are_values():
    assert {Outcome.ACKNOWLEDGED, Outcome.UNKNOWN} <= come(60, 30) <= ENDS


@pytest.mark.soak
def test_a_hundred_thousand_steps_of_anything():
    assert come(1000, 100) == ENDS
