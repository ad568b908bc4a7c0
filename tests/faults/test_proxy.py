"""The fault proxy itself: each condition does what it says to bytes on loopback, and nothing else."""

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from hil.line import CUT, DEAF, GOOD, RETRY_S, Line, Way
from hil.proxy import Proxy, frames, slices
from vpp.clock import RealClock


def frame(tid: int, size: int = 4) -> bytes:
    return struct.pack(">HHHB", tid, 0, size + 1, 1) + bytes(size)


@asynccontextmanager
async def echoing(clock: RealClock, line: Line = GOOD, seed: int = 1):
    """Yield (proxy, reader, writer) of a client whose bytes come back from behind the proxy."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1], clock, seed=seed, line=line)
    port = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield proxy, reader, writer
    finally:
        writer.close()
        await proxy.close()
        server.close()


async def said(reader: asyncio.StreamReader, size: int, within_s: float = 5.0) -> bytes:
    async with asyncio.timeout(within_s):
        return await reader.readexactly(size)


async def silent(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            return not await reader.read(1)
    except TimeoutError:
        return True


async def test_a_good_line_carries_everything(clock):
    async with echoing(clock) as (proxy, reader, writer):
        sent = b"".join(frame(k, k) for k in range(1, 200))
        writer.write(sent)
        assert await said(reader, len(sent)) == sent
        assert proxy.carried.swallowed == proxy.carried.dropped == 0


async def test_a_late_line_is_late_both_ways_and_in_order(clock):
    late = Line.both(Way(delay_s=0.05, jitter_s=0.05))
    async with echoing(clock, late) as (_, reader, writer):
        start_s = clock.true_s()
        for tid in range(1, 6):
            writer.write(frame(tid))
            await writer.drain()
            await clock.sleep_true(0.005)
        back, _ = frames(await said(reader, 5 * len(frame(1))))
        assert [struct.unpack_from(">H", one)[0] for one in back] == [1, 2, 3, 4, 5]
        assert clock.true_s() - start_s > 0.02


async def test_what_is_lost_is_sent_again_and_late(clock):
    async with echoing(clock, Line(asks=Way(loss=0.3))) as (proxy, reader, writer):
        start_s, sent = clock.true_s(), 0
        while not proxy.carried.lost:
            sent += 1
            writer.write(frame(sent))
            assert await said(reader, len(frame(sent)), 60.0) == frame(sent)
        assert clock.true_s() - start_s >= RETRY_S


@pytest.mark.parametrize(
    ("way", "expected"),
    [(Way(dropped=1.0), []), (Way(doubled=1.0), [1, 1, 2, 2]), (Way(swapped=1.0), [2, 1])],
)
async def test_whole_frames_are_dropped_doubled_or_swapped(clock, way, expected):
    async with echoing(clock, Line(answers=way)) as (_, reader, writer):
        writer.write(frame(1) + frame(2))
        back, rest = frames(await said(reader, len(expected) * len(frame(1))))
        assert [struct.unpack_from(">H", one)[0] for one in back] == expected
        assert rest == b""
        assert await silent(reader)


async def test_a_frame_held_back_comes_even_where_none_follows(clock):
    async with echoing(clock, Line(answers=Way(swapped=1.0))) as (_, reader, writer):
        writer.write(frame(1))
        assert await said(reader, len(frame(1))) == frame(1)


async def test_bytes_come_in_slices(clock):
    slow = Line(answers=Way(slice_bytes=1, slice_gap_s=0.002))
    async with echoing(clock, slow) as (_, reader, writer):
        start_s = clock.true_s()
        writer.write(frame(1))
        assert await said(reader, len(frame(1))) == frame(1)
        assert clock.true_s() - start_s >= 0.002 * (len(frame(1)) - 1)


async def test_a_narrow_line_takes_its_time(clock):
    # 10 frames of 111 bytes and 40 of headers at 100 kbit/s
    async with echoing(clock, Line(answers=Way(bit_per_s=1e5, swapped=1e-9))) as (_, reader, writer):
        start_s = clock.true_s()
        sent = b"".join(frame(tid, 104) for tid in range(1, 11))
        writer.write(sent)
        assert await said(reader, len(sent)) == sent
        assert clock.true_s() - start_s >= 0.9 * 8 * 10 * (111 + 40) / 1e5


async def test_a_dead_line_keeps_its_connections_and_says_nothing(clock):
    async with echoing(clock) as (proxy, reader, writer):
        await proxy.set(CUT)
        writer.write(frame(1))
        assert await silent(reader)
        await proxy.set(DEAF)
        writer.write(frame(2))
        assert await silent(reader)
        await proxy.set(GOOD)
        writer.write(frame(3))
        assert await said(reader, len(frame(3))) == frame(3), "what was swallowed does not come back"


async def test_a_reset_ends_connections_at_once(clock):
    async with echoing(clock) as (proxy, reader, writer):
        writer.write(frame(1))
        await said(reader, len(frame(1)))
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await said(reader, 1)


async def test_a_line_that_refuses_is_there_again_at_the_same_port(clock):
    async with echoing(clock) as (proxy, reader, writer):
        await proxy.set(Line(refuses=True))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(frame(1))
        assert await said(reader, len(frame(1))) == frame(1), "standing connections are left alone"
        await proxy.set(GOOD)
        _, again = await asyncio.open_connection("127.0.0.1", proxy.port)
        again.close()


async def test_the_same_seed_loses_the_same_frames(clock):
    async def passed(seed: int) -> list[int]:
        async with echoing(clock, Line(asks=Way(dropped=0.5)), seed) as (proxy, reader, writer):
            writer.write(b"".join(frame(tid) for tid in range(1, 41)))
            while proxy.carried.frames < 40:
                await clock.sleep_true(0.002)
            back, _ = frames(await said(reader, (40 - proxy.carried.dropped) * len(frame(1))))
            return [struct.unpack_from(">H", one)[0] for one in back]

    assert await passed(1) == await passed(1)
    assert await passed(1) != await passed(2)


def test_slices_and_frames_are_inverse():
    data = frame(1) + frame(2, 9) + b"\0\3"
    assert b"".join(slices(data, 3)) == data
    assert frames(data) == ([frame(1), frame(2, 9)], b"\0\3")
