"""A simulated device's Modbus/TCP server: right answers, refusals in code, and nothing that hangs."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
import pytest_asyncio

from hil import server
from hil.rig import registers_of
from hil.server import Listener
from vpp.clock import RealClock, Schedule, monotonic_s, wall_now
from vpp.errors import DeviceFailure
from vpp.park import Park

UNIT = 4


@dataclass
class Told:
    """A terminal with fixed values."""

    held: dict[str, float]
    commands: list[Mapping[str, float]] = field(default_factory=list)
    notes: list[Mapping[str, object]] = field(default_factory=list)
    mute: bool = False

    async def values(self) -> Mapping[str, float] | None:
        return None if self.mute else dict(self.held)

    async def command(self, values: Mapping[str, float]) -> None:
        self.commands.append(values)
        self.held |= values

    async def note(self, record: Mapping[str, object]) -> None:
        self.notes.append(record)


@dataclass
class Wire:
    """One TCP connection to a listener, speaking bytes."""

    listener: Listener
    terminal: Told
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, sent: bytes, expected_bytes: int) -> bytes:
        """Send bytes on a fresh connection; return the answer, shorter where the server hangs up."""
        reader, writer = await self.connect()
        try:
            writer.write(sent)
            async with asyncio.timeout(3):
                return await reader.readexactly(expected_bytes)
        except asyncio.IncompleteReadError as end:
            return end.partial
        finally:
            writer.close()


def frame(transaction: int, pdu: str, unit: int) -> bytes:
    body = bytes.fromhex(pdu)
    head = f"{transaction:04x} 0000 {len(body) + 1:04x} {unit:02x}"
    return bytes.fromhex(head) + body


def real_clock() -> RealClock:
    return RealClock(Schedule(origin_true_s=monotonic_s(), segments=((wall_now(), 1.0),)))


@pytest_asyncio.fixture
async def caes_wire(park: Park) -> AsyncIterator[Wire]:
    registers = registers_of(park, "CAES1")
    held = dict.fromkeys((p.point for p in registers.points), 0.0)
    terminal = Told(held | {"p_mw": -29.872, "mode_code": 1.0, "status": 1.0})
    endpoint = replace(park.resources["CAES1"].endpoint, port=0)
    listener = Listener("CAES1", endpoint, registers, terminal)
    port = await listener.start()
    yield Wire(listener, terminal, port)
    await listener.close()


def p_mw_answer(transaction: int) -> bytes:
    # -29 872 kW as two's complement of 32 bits
    return bytes.fromhex(f"{transaction:04x} 0000 0007 04 04 04") + struct.pack(">i", -29_872)


async def test_five_requests_in_one_segment_get_five_right_answers(caes_wire: Wire) -> None:
    sent = b"".join(frame(n, "04 03ea 0002", UNIT) for n in range(1, 6))
    answer = await caes_wire.ask(sent, 5 * 13)
    assert answer == b"".join(p_mw_answer(n) for n in range(1, 6))


async def test_pipelined_reads_of_different_points_are_not_mixed_up(caes_wire: Wire) -> None:
    sent = frame(1, "04 03ea 0002", UNIT) + frame(2, "04 03e9 0001", UNIT) + frame(3, "04 03ea 0002", UNIT)
    answer = await caes_wire.ask(sent, 13 + 11 + 13)
    assert answer == p_mw_answer(1) + bytes.fromhex("0002 0000 0005 04 04 02 0001") + p_mw_answer(3)


async def test_a_frame_that_comes_byte_by_byte_is_answered(caes_wire: Wire) -> None:
    reader, writer = await caes_wire.connect()
    for byte in frame(7, "04 03ea 0002", UNIT):
        writer.write(bytes([byte]))
        await writer.drain()
    async with asyncio.timeout(3):
        assert await reader.readexactly(13) == p_mw_answer(7)
    writer.close()


async def test_a_command_group_is_written_whole_and_read_back(caes_wire: Wire) -> None:
    registers = struct.pack(">iiIIIiI", -40_000, 0, 3, 17, 60, 0, 60)
    write = frame(1, "10 07d0 000e 1c" + registers.hex(), UNIT)
    back = frame(2, "03 07d0 000e", UNIT)
    answer = await caes_wire.ask(write + back, 12 + 9 + 28)
    assert answer[:12] == bytes.fromhex("0001 0000 0006 04 10 07d0 000e")
    assert answer[12 + 9 :] == registers
    assert caes_wire.terminal.commands == [
        {
            "setpoint_mw": -40.0,
            "setpoint_mvar": 0.0,
            "epoch": 3.0,
            "sequence": 17.0,
            "ttl_s": 60.0,
            "reversion_mw": 0.0,
            "reversion_s": 60.0,
        }
    ]


REFUSALS = [
    ("04 03e7 0002", "84 02"),  # one before the first address
    ("04 0410 0010", "84 02"),  # runs past the last one
    ("01 0000 0001", "81 02"),  # a table that the map lacks
    ("06 03ea 0001", "86 02"),  # holding address that holds nothing
    ("06 07d0 0001", "86 02"),  # half of a 32-bit value
    ("2b 0e 01 00", "ab 01"),
]


@pytest.mark.parametrize(("asked", "answer"), REFUSALS)
async def test_a_wrong_request_is_refused_by_its_exception_code(
    caes_wire: Wire, asked: str, answer: str
) -> None:
    got = await caes_wire.ask(frame(9, asked, UNIT), 9)
    assert got == bytes.fromhex("0009 0000 0003 04" + answer)
    assert caes_wire.terminal.commands == []


async def test_another_unit_is_no_target(caes_wire: Wire) -> None:
    assert await caes_wire.ask(frame(9, "04 03ea 0002", 77), 9) == bytes.fromhex("0009 0000 0003 4d 84 0b")


@pytest.mark.parametrize(
    "garbage",
    [
        bytes.fromhex("0001 0000 0000 04 04"),
        bytes.fromhex("0001 0000 0001 04 04"),
        bytes.fromhex("0001 0000 00ff 04 04"),
        bytes.fromhex("0001 0000 ffff 04 04"),
        bytes.fromhex("0001 0007 0006 04 04 03ea 0002"),
        b"GET / HTTP/1.1\r\nHost: device\r\n\r\n",
    ],
)
async def test_a_malformed_frame_closes_its_connection_and_no_other(caes_wire: Wire, garbage: bytes) -> None:
    reader, writer = await caes_wire.connect()
    assert await caes_wire.ask(garbage, 9) == b""
    writer.write(frame(1, "04 03ea 0002", UNIT))
    async with asyncio.timeout(3):
        assert await reader.readexactly(13) == p_mw_answer(1)
    writer.close()


async def test_half_a_frame_ends_at_its_deadline(caes_wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FRAME_DEADLINE_S", 0.05)
    assert await caes_wire.ask(frame(1, "04 03ea 0002", UNIT)[:8], 1) == b""
    assert caes_wire.listener.served.broken_frames == 1


async def test_connections_beyond_the_bound_are_turned_away(
    caes_wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    reader, writer = await caes_wire.connect()
    writer.write(frame(1, "04 03ea 0002", UNIT))
    assert await reader.readexactly(13) == p_mw_answer(1)
    with suppress(ConnectionResetError):
        assert await caes_wire.ask(frame(2, "04 03ea 0002", UNIT), 13) == b""
    assert caes_wire.listener.served.turned_away == 1
    writer.close()


async def test_a_mute_endpoint_takes_requests_and_answers_none(caes_wire: Wire) -> None:
    caes_wire.terminal.mute = True
    reader, writer = await caes_wire.connect()
    writer.write(frame(1, "04 03ea 0002", UNIT))
    while caes_wire.listener.served.requests == 0:
        await real_clock().sleep_true(0)
    caes_wire.terminal.mute = False
    writer.write(frame(2, "04 03ea 0002", UNIT))
    async with asyncio.timeout(3):
        assert await reader.readexactly(13) == p_mw_answer(2)
    writer.close()


async def test_the_first_frame_of_each_connection_is_noted(caes_wire: Wire) -> None:
    await caes_wire.ask(frame(1, "04 03ea 0002", UNIT), 13)
    await caes_wire.ask(frame(1, "10 07d0 0002 04 0000 0000", UNIT), 12)
    assert [(n["connection"], n["kind"]) for n in caes_wire.terminal.notes] == [(1, "read"), (2, "write")]


async def test_a_port_in_use_is_told_with_device_and_port(caes_wire: Wire, park: Park) -> None:
    endpoint = replace(park.resources["WF"].endpoint, port=caes_wire.port)
    second = Listener("WF", endpoint, registers_of(park, "WF"), Told({}))
    with pytest.raises(DeviceFailure, match=rf"WF: cannot listen on 127.0.0.1:{caes_wire.port}") as failure:
        await second.start()
    assert failure.value.exit_code == 6
