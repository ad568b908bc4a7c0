"""Foreign eyes: our client reads and writes servers that nobody here wrote."""

import asyncio
import os
import shutil
import subprocess

import pytest

from controllers.acting.modbus import Lane
from vpp.clock import monotonic_s
from vpp.points import Block, Write
from vpp.types import Endpoint, Outcome

C_SERVER = r"""
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
  modbus_t *c = modbus_new_tcp("127.0.0.1", 0);
  modbus_mapping_t *m = modbus_mapping_new(100, 100, 200, 200);
  for (int k = 0; k < 200; k++) { m->tab_registers[k] = 1000 + k; m->tab_input_registers[k] = 2000 + k; }
  for (int k = 0; k < 100; k++) m->tab_input_bits[k] = k % 3 == 0;
  int s = modbus_tcp_listen(c, 4);
  struct sockaddr_in a; socklen_t n = sizeof a;
  if (s < 0 || getsockname(s, (struct sockaddr *)&a, &n)) return 1;
  printf("%d\n", ntohs(a.sin_port)); fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(c, &s) < 0) return 2;
    uint8_t q[MODBUS_TCP_MAX_ADU_LENGTH]; int r;
    while ((r = modbus_receive(c, q)) >= 0) if (r > 0) modbus_reply(c, q, r, m);
    modbus_close(c);
  }
}
"""


def missing(what):
    """Skip, or fail where peers are asked for."""
    if os.environ.get("VPP_REQUIRE_PEERS") == "1":
        pytest.fail(f"{what} is missing, and VPP_REQUIRE_PEERS=1 asks for it")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="module")
def c_server(tmp_path_factory):
    """A libmodbus server, compiled here; yields its port."""
    gcc = shutil.which("gcc") or missing("gcc")
    folder = tmp_path_factory.mktemp("libmodbus")
    (folder / "server.c").write_text(C_SERVER.replace("#include <errno.h>", "#include <arpa/inet.h>"))
    build = [gcc, "server.c", "-I/usr/include/modbus", "-o", "server", "-lmodbus"]
    built = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    if built.returncode:
        missing("libmodbus-dev")
    with subprocess.Popen([folder / "server"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def tk_server():
    """A modbus-tk server in a thread; yields its port."""
    try:
        from modbus_tk import defines, modbus_tcp
    except ImportError:
        missing("modbus-tk")
    server = modbus_tcp.TcpServer(port=0, address="127.0.0.1")
    # port 0 counts as unset there
    server._sa = ("127.0.0.1", 0)
    device = server.add_slave(4)
    device.add_block("holding", defines.HOLDING_REGISTERS, 0, 200)
    device.add_block("input", defines.ANALOG_INPUTS, 0, 200)
    device.add_block("coil", defines.COILS, 0, 100)
    device.add_block("discrete", defines.DISCRETE_INPUTS, 0, 100)
    device.set_values("holding", 0, [1000 + k for k in range(200)])
    device.set_values("input", 0, [2000 + k for k in range(200)])
    device.set_values("discrete", 0, [k % 3 == 0 for k in range(100)])
    server.start()
    try:
        ends_s = monotonic_s() + 10
        while (listening := server._sock) is None or not listening.getsockname()[1]:
            assert monotonic_s() < ends_s
        yield listening.getsockname()[1]
    finally:
        server.stop()


@pytest.fixture(params=["c_server", "tk_server"])
def port(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def lane(port):
    lane = Lane(Endpoint(register_map="x", host="127.0.0.1", port=port, unit=4))
    async with asyncio.timeout(10):
        while not await lane.open():
            pass
    yield lane
    lane.close()


async def test_every_table_is_read_right(lane):
    tables = {
        "holding": tuple(range(1003, 1128)),
        "input": tuple(range(2003, 2128)),
        "discrete": tuple(int(k % 3 == 0) for k in range(3, 64)),
        "coil": (0,) * 61,
    }
    for table, values in tables.items():
        answer = await lane.read(Block(table, 3, len(values)))
        assert (answer.outcome, answer.registers) == (Outcome.ACKNOWLEDGED, values), answer


async def test_what_is_written_is_read_back(lane):
    for write in (
        Write("holding", 150, tuple(range(60000, 60030))),
        Write("coil", 20, (1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1)),
    ):
        assert (await lane.write(write)).outcome is Outcome.ACKNOWLEDGED
        back = await lane.read(Block(write.table, write.address, len(write.registers)))
        assert back.registers == write.registers


async def test_what_it_refuses_is_a_refusal_and_keeps_the_connection(lane):
    answer = await lane.read(Block("holding", 190, 50))
    assert (answer.outcome, answer.detail) == (Outcome.REFUSED, "exception 2")
    assert (await lane.write(Write("holding", 199, (1, 2)))).detail == "exception 2"
    assert (await lane.read(Block("holding", 5, 1))).registers == (1005,)


async def test_requests_in_one_segment_get_their_own_answers(lane):
    answers = await asyncio.gather(*(lane.read(Block("input", k, 2)) for k in range(12)))
    assert [answer.registers for answer in answers] == [(2000 + k, 2001 + k) for k in range(12)]
