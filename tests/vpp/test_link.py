"""The stream between control and its peers: refuses what is malformed, fails at once when alone."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.errors import DeviceFailure, Mismatch, TimedOut
from vpp.link import KINDS, LinkClient, LinkServer, Note, StatusRequest, Subscribe, ask, pack, unpack
from vpp.types import (
    Alarm,
    DispatchOrder,
    Following,
    Forecast,
    ParkMode,
    Quality,
    Reading,
    Reply,
    RestoreOrder,
    Severity,
    ShedOrder,
    Snapshot,
    wire,
)

AT = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
ORDER = DispatchOrder(
    id="o", import_max_mw=90.0, export_max_mw=None, start=AT, end=AT + timedelta(hours=1), expires_at=AT
)


def snapshot(cycle=1):
    reading = Reading(values={"p_mw": 1.5}, quality=Quality.GOOD, read_at=AT, age_s=0.0)
    silent = Reading(values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
    return Snapshot(
        cycle=cycle,
        at=AT,
        true_s=1.0,
        rate=60.0,
        epoch=1,
        readings={"WF": reading, "PV": silent},
        setpoints={},
        modes={},
        park_mode=ParkMode.CONNECTED,
        following=Following.PLAN,
        plan_id="p",
        plan_made_at=AT,
        next_replan_at=None,
        tie_mean_mw=float("nan"),
        tie_limit_mw=150.0,
        orders=(ORDER,),
        open_blocks={"LD": 3},
        calls={"LD": {"rest_min": 1.0}},
        starts={},
        month_peak_mw=95.0,
        alarms=(Alarm(id="a", severity=Severity.ALARM, source="x", text="x", since=AT),),
        missed_ticks=0,
        dropped_plans=0,
    )


MESSAGES = [
    ORDER,
    ShedOrder(id="s", mw=20.0, drill=True, expires_at=AT),
    RestoreOrder(id="r", loads=("A", "B"), expires_at=AT),
    Reply(id="x", accepted=False, reason="因为"),
    Note(id="n", source="s", severity=Severity.ACTION, text="t", raised=True),
    Subscribe(role="planner"),
    StatusRequest(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_comes_out_as_it_went_in(message):
    assert unpack(pack(message, 7)[4:]) == (7, message)


def test_a_snapshot_keeps_what_is_not_a_number_where_that_has_a_meaning():
    _, back = unpack(pack(snapshot())[4:])
    assert np.isnan(back.tie_mean_mw)
    assert back.readings["PV"].age_s == float("inf")
    assert back.readings["WF"] == snapshot().readings["WF"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_arrays_cross_bit_by_bit(numbers):
    sent = Forecast(
        made_at=AT, start=AT, step_min=15, available_mw={"WF": np.array(numbers)}, load_mw={}, source="csv"
    )
    back = wire.decode(wire.encode(sent), Forecast)
    assert back.available_mw["WF"].dtype == np.float64
    assert back.available_mw["WF"].tobytes() == np.array(numbers, dtype="<f8").tobytes()


def body(kind, payload):
    return struct.pack("<BI", len(kind), 1) + kind + payload


good = msgspec.to_builtins(MESSAGES[1], builtin_types=(datetime,))
MALFORMED = {
    "empty": b"",
    "short": b"\x01",
    "unknown kind": body(b"reboot", b"\x80"),
    "no payload": body(b"shed_order", b""),
    "not msgpack": body(b"shed_order", b"\xc1\xc1"),
    "missing field": body(b"shed_order", msgspec.msgpack.encode({"id": "s"})),
    "unknown field": body(b"shed_order", msgspec.msgpack.encode(good | {"force": True})),
    "nan": body(b"shed_order", msgspec.msgpack.encode(good | {"mw": float("nan")})),
    "infinite": body(b"shed_order", msgspec.msgpack.encode(good | {"mw": float("inf")})),
    "text for a number": body(b"shed_order", msgspec.msgpack.encode(good | {"mw": "20"})),
    "naive time": body(b"shed_order", msgspec.msgpack.encode(good | {"expires_at": "2026-03-17T04:00:00"})),
    "trailing bytes": body(b"shed_order", msgspec.msgpack.encode(good) + b"\x00"),
    "deep nesting": body(b"shed_order", b"\x91" * 100_000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_frame_is_refused_in_words(name):
    with pytest.raises(ValueError, match=r"\w"):
        unpack(MALFORMED[name])


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(sorted(KINDS)))
def test_no_bytes_do_anything_but_decode_or_be_refused(payload, kind):
    assert same_or_refused(body(kind.encode(), payload))


@given(data=st.data())
def test_a_flipped_byte_is_refused_or_another_message(data):
    raw = bytearray(pack(snapshot(), 1)[4:])
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert same_or_refused(bytes(raw))


def same_or_refused(raw):
    """Return whether a frame is refused in words, or is what its message is packed to; 1 and 1.0 agree."""
    try:
        serial, message = unpack(raw)
    except ValueError as refused:
        return bool(str(refused))
    again = pack(message, serial)[4:]
    head = struct.calcsize("<BI") + raw[0]
    return again == raw or (again[:head], wire.plain(again[head:])) == (raw[:head], wire.plain(raw[head:]))


def test_a_whole_number_is_taken_for_a_power():
    _, order = unpack(body(b"shed_order", msgspec.msgpack.encode(good | {"mw": 20})))
    assert (order.mw, type(order.mw)) == (20.0, float)


async def echo(message):
    if isinstance(message, RestoreOrder):
        await asyncio.Event().wait()
    return Reply(id=getattr(message, "id", ""), accepted=True, reason="")


@asynccontextmanager
async def serving(path):
    server = LinkServer(path, echo)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_request_gets_its_own_answer_and_snapshots_come_in_between(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path) as server, await LinkClient.connect(path, "planner", 2.0) as client:
        assert path.stat().st_mode & 0o777 == 0o600
        assert server.roles == {"planner"}
        server.publish(snapshot(5))
        answers = await asyncio.gather(
            *(client.request(ShedOrder(id=str(k), mw=1.0, drill=True, expires_at=AT), 2.0) for k in range(5))
        )
        assert [answer.id for answer in answers] == list("01234")
        async for got in client:
            assert got.cycle == 5
            break


async def test_a_peer_of_another_version_or_park_is_refused_in_words(tmp_path):
    path = tmp_path / "c.sock"
    server = LinkServer(path, echo, lambda: "a" * 32)
    await server.start()
    async with await LinkClient.connect(path, "planner", 2.0, "a" * 32) as client:
        answer = await client.request(Subscribe(role="old", version="0.0.1"), 2.0)
        assert not answer.accepted
        assert "of version 0.0.1" in answer.reason
        with pytest.raises(Mismatch, match="another park than control, or other register maps"):
            await LinkClient.connect(path, "service", 2.0, "b" * 32)
        assert server.roles == {"planner"}
    await server.stop()


async def test_a_peer_that_rests_on_the_old_park_is_let_go_when_control_reads_another(tmp_path):
    path, reads = tmp_path / "c.sock", ["a" * 32]
    server = LinkServer(path, echo, lambda: reads[0])
    await server.start()
    async with (
        await LinkClient.connect(path, "planner", 2.0, reads[0]) as old,
        await LinkClient.connect(path, "cli", 2.0) as any_park,
    ):
        reads[0] = "b" * 32
        server.publish(snapshot(1))
        assert (await anext(any_park.snapshots())).cycle == 1
        with pytest.raises(DeviceFailure):
            await anext(old.snapshots())
        assert server.roles == {"cli"}
    await server.stop()


async def test_a_slow_subscriber_sees_the_newest_and_the_rest_is_counted(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path) as server, await LinkClient.connect(path, "service", 2.0) as client:
        for cycle in range(1, 6):
            server.publish(snapshot(cycle))
        async for got in client:
            assert got.cycle == 5
            break
        assert server.skipped == 4


async def test_a_peer_that_never_reads_is_dropped_and_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr("vpp.link.server.DRAIN_S", 0.05)
    path = tmp_path / "c.sock"
    reading = Reading(values={"p_mw": 1.5}, quality=Quality.GOOD, read_at=AT, age_s=0.0)
    large = replace(snapshot(), readings={f"D{i}": reading for i in range(3000)})
    async with serving(path) as server:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(pack(Subscribe(role="stuck"), 1))
        await reader.readexactly(4)
        reader._transport.pause_reading()
        async with await LinkClient.connect(path, "service", 2.0) as client, asyncio.timeout(10):
            cycle = 0
            while server.dropped == 0:
                cycle += 1
                server.publish(replace(large, cycle=cycle))
                assert (await client.request(StatusRequest(), 2.0)).cycle == cycle
            assert server.roles == {"service"}
        writer.close()


async def test_a_peer_that_ends_fails_the_others_at_once(tmp_path):
    path = tmp_path / "c.sock"
    server = LinkServer(path, echo)
    await server.start()
    client = await LinkClient.connect(path, "planner", 2.0)
    waiting = asyncio.create_task(client.request(RestoreOrder(id="r", loads=(), expires_at=AT), 60.0))
    await client.request(ShedOrder(id="s", mw=1.0, drill=True, expires_at=AT), 2.0)
    await server.stop()
    with pytest.raises(DeviceFailure, match="closed the connection"):
        await asyncio.wait_for(waiting, 2.0)
    with pytest.raises(DeviceFailure):
        await client.request(StatusRequest(), 2.0)
    with pytest.raises(DeviceFailure):
        async for _ in client:
            pass
    await client.close()


async def test_an_answer_that_does_not_come_ends_at_its_deadline(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path), await LinkClient.connect(path, "cli", 2.0) as client:
        with pytest.raises(TimedOut, match=r"0\.05 s"):
            await client.request(RestoreOrder(id="r", loads=(), expires_at=AT), 0.05)
        assert (await client.request(ShedOrder(id="s", mw=1.0, drill=True, expires_at=AT), 2.0)).id == "s"


async def test_nobody_there_is_said_at_once(tmp_path):
    with pytest.raises(DeviceFailure, match="control does not answer"):
        await LinkClient.connect(tmp_path / "none.sock", "cli", 2.0)
    with pytest.raises(DeviceFailure, match="control does not answer"):
        ask(tmp_path / "none.sock", StatusRequest(), 2.0)


@pytest.mark.parametrize(
    "raw", [struct.pack("<I", 2**31), struct.pack("<I", 0), struct.pack("<I", 9) + b"\x03\0\0\0\0abcd"]
)
async def test_a_malformed_peer_is_cut_off_and_counted(tmp_path, raw):
    path = tmp_path / "c.sock"
    async with serving(path) as server:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(raw)
        assert await reader.read() == b""
        assert server.refused == 1
        writer.close()


async def test_the_command_line_needs_no_loop(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path) as server:
        assert not (await asyncio.to_thread(ask, path, StatusRequest(), 2.0)).accepted
        server.publish(snapshot(3))
        assert (await asyncio.to_thread(ask, path, StatusRequest(), 2.0)).cycle == 3
        with pytest.raises(TimedOut):
            await asyncio.to_thread(ask, path, RestoreOrder(id="r", loads=(), expires_at=AT), 0.05)


async def test_a_dead_socket_file_is_taken_over_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path):
        with pytest.raises(DeviceFailure, match="another control"):
            await LinkServer(path, echo).start()
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(path))
    leftover.close()
    assert path.is_socket()
    async with serving(path) as server:
        assert server.roles == frozenset()
