"""Who the field driver is measured against: a server of devices, raw asyncio, pymodbus, libmodbus in C.

`python benchmarks/peers/modbus.py ...` serves devices; see `serving`.
"""

import asyncio
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from vpp.clock import monotonic_s

HEAD = struct.Struct(">HHHB")
ADDRESS, COUNT = 1000, 40
C_CLIENT = r"""
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double s(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(int n, char **a) {
  int polls = atoi(a[2]), peers = n - 3; uint16_t r[125]; modbus_t *c[128];
  for (int k = 0; k < peers; k++) {
    c[k] = modbus_new_tcp("127.0.0.1", atoi(a[3 + k])); modbus_set_slave(c[k], 1);
    if (modbus_connect(c[k])) return 1;
  }
  double w = s(CLOCK_MONOTONIC), u = s(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < polls; i++)
    if (modbus_read_registers(c[i % peers], 1000, atoi(a[1]), r) != atoi(a[1])) return 2;
  printf("%.9f %.9f\n", s(CLOCK_MONOTONIC) - w, s(CLOCK_PROCESS_CPUTIME_ID) - u);
  return 0;
}
"""


class Device(asyncio.Protocol):
    """One connection to a device whose registers are all 0: reads alone."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 12:
            tid, _, _, unit, code, _, count = struct.unpack_from(">HHHBBHH", self.buffer)
            self.buffer = self.buffer[12:]
            answer = bytes((code, 2 * count)) + bytes(2 * count)
            self.transport.write(HEAD.pack(tid, 0, len(answer) + 1, unit) + answer)


async def serve(devices: int) -> None:
    """Listen for so many devices, print their ports, end with stdin."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Device, "127.0.0.1", 0) for _ in range(devices)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def serving(devices: int) -> Iterator[list[int]]:
    """Run devices in a process of their own; yields their ports."""
    command = [sys.executable, __file__, str(devices)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


class Raw(asyncio.Protocol):
    """The least that asyncio can do: a future per request, one frame per segment, nothing checked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.answer.set_result(struct.unpack_from(f">{COUNT}H", data, 9))

    def ask(self, tid: int) -> "asyncio.Future[tuple[int, ...]]":
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(struct.pack(">HHHBBHH", tid, 0, 6, 1, 3, ADDRESS, COUNT))
        return self.answer


async def raw(ports: list[int], polls: int) -> float:
    """Poll by raw asyncio; returns true seconds, without connecting."""
    loop = asyncio.get_running_loop()
    peers = [(await loop.create_connection(Raw, "127.0.0.1", port))[1] for port in ports]

    async def one(peer: Raw) -> None:
        for i in range(polls // len(ports)):
            await peer.ask(i & 0xFFFF)

    start = monotonic_s()
    await asyncio.gather(*map(one, peers))
    return monotonic_s() - start


async def pymodbus(ports: list[int], polls: int) -> float:
    """Poll by pymodbus's own client; returns true seconds, without connecting."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0) for port in ports]
    for client in clients:
        assert await client.connect()

    async def one(client: AsyncModbusTcpClient) -> None:
        for _ in range(polls // len(ports)):
            reply = await client.read_holding_registers(ADDRESS, count=COUNT, device_id=1)
            assert len(reply.registers) == COUNT

    start = monotonic_s()
    await asyncio.gather(*map(one, clients))
    seconds = monotonic_s() - start
    for client in clients:
        client.close()
    return seconds


def libmodbus(ports: list[int], polls: int) -> tuple[float, float] | str:
    """Poll by a C client one peer after the other; (true seconds, CPU seconds), or why there is none."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return "no gcc"
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "poll.c", Path(folder) / "poll"
        source.write_text(C_CLIENT)
        build = [gcc, "-O2", str(source), "-I/usr/include/modbus", "-o", str(program), "-lmodbus"]
        if subprocess.run(build, capture_output=True, check=False).returncode:
            return "no libmodbus-dev"
        command = [str(program), str(COUNT), str(polls), *map(str, ports[:128])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
