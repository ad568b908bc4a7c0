"""Frames written by hand from the maps: the servers give and take exactly these bytes."""

import asyncio
import tomllib
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hil.registers import registers_of
from hil.server import Listener
from vpp.park import Park, endpoints

FRAMES = Path(__file__).parents[1] / "cases" / "frames"
CASES = {path.stem: tomllib.loads(path.read_text()) for path in sorted(FRAMES.glob("*.toml"))}
READS = [(name, case) for name, table in CASES.items() for case in table.get("read", [])]
WRITES = [(name, case) for name, table in CASES.items() for case in table.get("write", [])]


@dataclass
class Told:
    held: dict[str, float]
    commands: dict[str, float] = field(default_factory=dict)

    async def values(self) -> Mapping[str, float]:
        return self.held

    async def command(self, values: Mapping[str, float]) -> None:
        self.commands |= values

    async def note(self, record: Mapping[str, object]) -> None:
        assert record["event"] == "first_frame"


@asynccontextmanager
async def wire(park: Park, name: str, values: Mapping[str, float]) -> Any:
    registers = registers_of(park, name)
    terminal = Told(dict.fromkeys((p.point for p in registers.points), 0.0) | dict(registers.scales) | values)
    listener = Listener(name, replace(endpoints(park)[name], port=0), registers, terminal)
    port = await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(request: bytes, size: int) -> bytes:
        writer.write(request)
        async with asyncio.timeout(3):
            return await reader.readexactly(size)

    yield terminal, ask
    writer.close()
    await listener.close()


def test_there_are_frames_of_every_kind_of_endpoint() -> None:
    assert {CASES[name]["endpoint"] for name, _ in (*READS, *WRITES)} >= {"CAES1", "BESS1", "ALK1", "LD_ZN"}


@pytest.mark.parametrize(("name", "case"), READS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(READS)])
async def test_a_read_is_answered_by_these_bytes(park: Park, name: str, case: dict[str, Any]) -> None:
    expected = bytes.fromhex(case["response"])
    async with wire(park, CASES[name]["endpoint"], case["values"]) as (_, ask):
        assert await ask(bytes.fromhex(case["request"]), len(expected)) == expected


@pytest.mark.parametrize(("name", "case"), WRITES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRITES)])
async def test_these_bytes_are_taken_as_this_command(park: Park, name: str, case: dict[str, Any]) -> None:
    async with wire(park, CASES[name]["endpoint"], {}) as (terminal, ask):
        for request, response in zip(case["requests"], case["responses"], strict=True):
            expected = bytes.fromhex(response)
            assert await ask(bytes.fromhex(request), len(expected)) == expected
    scales = {"wset_sf"}
    assert terminal.commands == {k: v for k, v in case["values"].items() if k not in scales}
