"""Parks and servers by the hundred: a generated park is sound, and pipelined requests stay apart."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from hil.garble import framed
from hil.many import write_park
from hil.registers import registers_of
from hil.server import Listener
from vpp.park import endpoints, load_park
from vpp.types import Endpoint

COUNT = 500
PIPELINED = 10


def test_a_park_of_hundreds_is_a_park(tmp_path: Path) -> None:
    park = load_park(write_park(tmp_path / "many", 60))
    assert len(park.resources) == 60
    assert len(endpoints(park)) == 70
    assert {r.kind for r in park.resources.values()} >= {"bess", "pv", "wind", "caes", "electrolyzer"}
    with pytest.raises(ValueError, match="smallest park has 7"):
        write_park(tmp_path / "few", 3)


class Numbered:
    """A terminal that shows its own number and how often it was asked."""

    def __init__(self, number: int, points: tuple[str, ...]) -> None:
        self._values = dict.fromkeys(points, 0.0) | {"p_mw": number / 1000}
        self._asked = 0

    async def values(self) -> Mapping[str, float]:
        self._asked += 1
        return self._values | {"heartbeat": float(self._asked)}

    async def command(self, values: Mapping[str, float]) -> None:
        """Take it."""

    async def note(self, record: Mapping[str, object]) -> None:
        """Forget it."""


@pytest_asyncio.fixture
async def ports() -> AsyncIterator[list[int]]:
    registers = registers_of(load_park("small10"), "CAES1")
    points = tuple(p.point for p in registers.points)
    endpoint = Endpoint(register_map="caes", host="127.0.0.1", port=0, unit=4)
    listeners = [Listener(f"C{k}", endpoint, registers, Numbered(k, points)) for k in range(COUNT)]
    yield [await listener.start() for listener in listeners]
    for listener in listeners:
        await listener.close()


async def test_500_connections_get_their_own_answers_to_ten_requests_at_once(ports: list[int]) -> None:
    """Reads of power and heartbeat in turn, sent in one go to each server, by a raw client."""
    power, heartbeat = bytes.fromhex("04 03ea 0002"), bytes.fromhex("04 03f4 0002")

    async def talk(number: int, port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = (power if k % 2 == 0 else heartbeat for k in range(PIPELINED))
        writer.write(b"".join(framed(number + k & 0xFFFF, 4, pdu) for k, pdu in enumerate(asked)))
        answers = [await reader.readexactly(13) for _ in range(PIPELINED)]
        writer.close()
        return answers

    async with asyncio.timeout(60):
        heard = await asyncio.gather(*(talk(number, port) for number, port in enumerate(ports)))
    for number, answers in enumerate(heard):
        for k, answer in enumerate(answers):
            shown = struct.pack(">i", number) if k % 2 == 0 else struct.pack(">I", k + 1)
            assert answer == framed(number + k & 0xFFFF, 4, bytes.fromhex("04 04") + shown)
