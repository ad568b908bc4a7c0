"""Hundreds of shed terminals without a grid, each a Modbus/TCP server: for drills by the thousand.

`python -m hil.feeders COUNT` listens on COUNT free ports of loopback and prints them as a JSON list; each
line on its standard input is a list of feeders (`Feeder` as JSON) to be from now on; the answer is
`true`. The line `"cut"` is answered by the MW that the breakers now keep from each feeder. The registers
are those of the shipped map `load`: coils 0 to 15 are breakers, 100 to 115 test outputs, input registers
0 to 9 heartbeat, breakers, power, reactive power, energy and what is trimmed.
"""

import asyncio
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop

from hil.pdu import Read, Refusal, Request, Write, parse, refuse, reply
from vpp.clock import monotonic_s

ANSWERS = ("ok", "mute", "close", "refuse", "stuck")
"""What a feeder does with a write: as told, no answer to anything, drop the connection, an exception, or an
acknowledgement without a breaker that opens."""
COILS = 16
TEST_FROM = 100
MAX_FRAME = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """One terminal and the feeder behind it."""

    mw: float
    """Demand with every breaker closed."""
    share: float
    """Part of it behind the breakers."""
    blocks: int
    delay_s: float
    """True seconds from a write until the breakers follow."""
    latency_s: float = 0.0
    """True seconds by which every answer is late."""
    how: str = "ok"
    """One of `ANSWERS`."""


class Terminal:
    """The outputs, breakers and meter of one feeder."""

    def __init__(self, feeder: Feeder) -> None:
        self.feeder = feeder
        self._outputs = [0] * COILS
        self._tests = [0] * COILS
        self._before = 0
        self._moves_s = 0.0

    def open_mask(self, now_s: float) -> int:
        """Return the breakers that stand open."""
        if self.feeder.how == "stuck":
            return 0
        asked = sum(bit << k for k, bit in enumerate(self._outputs[: self.feeder.blocks]))
        return asked if now_s >= self._moves_s else self._before

    def cut_mw(self, now_s: float) -> float:
        """Return what the open breakers keep from the feeder."""
        part = self.feeder.mw * self.feeder.share / max(self.feeder.blocks, 1)
        return part * self.open_mask(now_s).bit_count()

    def answer(self, request: Request, now_s: float) -> tuple[int, ...] | Refusal:
        """Return the registers of a read, or nothing after a write."""
        if request.write is not None:
            return self._write(request.write, now_s)
        read = request.read
        assert read is not None
        table, first = self._table(read, now_s)
        begin = read.address - first
        if begin < 0 or begin + read.count > len(table):
            return Refusal.ILLEGAL_ADDRESS
        return tuple(table[begin : begin + read.count])

    def _table(self, read: Read, now_s: float) -> tuple[Sequence[int], int]:
        if read.table == "coil":
            return (self._outputs, 0) if read.address < TEST_FROM else (self._tests, TEST_FROM)
        if read.table == "holding":
            return (0,) * 8, 0
        drawn_kw = round(1000 * (self.feeder.mw - self.cut_mw(now_s)))
        raw = struct.pack(
            ">HHiiIi", int(now_s) % 60_000, self.open_mask(now_s), drawn_kw, drawn_kw // 4, 0, 0
        )
        return (struct.unpack(">10H", raw), 0) if read.table == "input" else ((), 0)

    def _write(self, write: Write, now_s: float) -> tuple[int, ...] | Refusal:
        if self.feeder.how == "refuse":
            return Refusal.DEVICE_FAILURE
        if write.table != "coil":
            return ()
        outputs, first = (self._outputs, 0) if write.address < TEST_FROM else (self._tests, TEST_FROM)
        begin = write.address - first
        if begin + len(write.values) > COILS:
            return Refusal.ILLEGAL_ADDRESS
        before = self.open_mask(now_s)
        changed = list(write.values) != outputs[begin : begin + len(write.values)]
        outputs[begin : begin + len(write.values)] = write.values
        if changed and first == 0:
            self._before, self._moves_s = before, now_s + self.feeder.delay_s
        return ()


class Wire(asyncio.Protocol):
    """One connection to one terminal of the farm."""

    def __init__(self, farm: "Farm", number: int) -> None:
        self._farm, self._number = farm, number
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole frame (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3)."""
        self._buffer += data
        while len(self._buffer) >= 8:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", self._buffer)
            if protocol or not 2 <= length <= MAX_FRAME - 6:
                self._transport.abort()
                return
            if len(self._buffer) < 6 + length:
                return
            pdu, self._buffer = self._buffer[7 : 6 + length], self._buffer[6 + length :]
            self._serve(transaction, unit, pdu)

    def _serve(self, transaction: int, unit: int, pdu: bytes) -> None:
        terminal = self._farm.terminals[self._number]
        if terminal.feeder.how == "mute":
            return
        if terminal.feeder.how == "close":
            self._transport.abort()
            return
        asked = parse(pdu)
        got = asked if isinstance(asked, Refusal) else terminal.answer(asked, monotonic_s())
        answer = refuse(pdu[0], got) if isinstance(got, Refusal) else _reply(asked, got)
        frame = struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer
        if terminal.feeder.latency_s:
            asyncio.get_running_loop().call_later(terminal.feeder.latency_s, self._transport.write, frame)
        else:
            self._transport.write(frame)


def _reply(asked: Request | Refusal, got: tuple[int, ...]) -> bytes:
    assert not isinstance(asked, Refusal)
    return reply(asked, got)


class Farm:
    """All terminals, by number."""

    def __init__(self, count: int) -> None:
        nothing = Feeder(mw=0.0, share=0.0, blocks=0, delay_s=0.0)
        self.terminals = [Terminal(nothing) for _ in range(count)]

    def obey(self, line: str) -> object:
        """Do what a line of the standard input asks, and return the answer."""
        asked = json.loads(line)
        now_s = monotonic_s()
        if asked == "cut":
            return [terminal.cut_mw(now_s) for terminal in self.terminals]
        for number, row in asked:
            feeder = Feeder(**row)
            old = self.terminals[int(number)]
            if feeder.mw == old.feeder.mw and feeder.blocks == old.feeder.blocks:
                old.feeder = feeder
            else:
                self.terminals[int(number)] = Terminal(feeder)
        return True


async def serve(count: int) -> None:
    """Serve until the standard input ends."""
    loop, farm = asyncio.get_running_loop(), Farm(count)
    servers = [await loop.create_server(partial(Wire, farm, n), "127.0.0.1", 0) for n in range(count)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    reader = asyncio.StreamReader(limit=2**22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(farm.obey(line.decode())), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
