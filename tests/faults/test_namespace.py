"""N3 and N5 of docs/faults.md by the kernel itself: a network namespace whose link goes down.

Needs root and iproute2; where they are missing it is skipped in words, and the proxy's tests stand.
"""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from contextlib import suppress

import pytest

from vpp.types import LinkState, Quality

NAME = f"yw{os.getpid() % 100000}"
NEAR, FAR = "10.213.77.1", "10.213.77.2"
CLONE_NEWNET = 0x40000000


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@pytest.fixture
def far_socket():
    """A listening socket on the other end of a virtual cable."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    try:
        ip("netns", "add", NAME)
    except subprocess.CalledProcessError as refused:
        pytest.skip(f"the kernel gives no namespace: {refused.stderr.decode().strip()}")
    try:
        ip("link", "add", NAME, "type", "veth", "peer", "name", "far0", "netns", NAME)
        ip("addr", "add", f"{NEAR}/30", "dev", NAME)
        ip("link", "set", NAME, "up")
        ip("-n", NAME, "addr", "add", f"{FAR}/30", "dev", "far0")
        ip("-n", NAME, "link", "set", "far0", "up")
        made: list[socket.socket] = []
        # a socket belongs to the namespace of the thread that makes it
        thread = threading.Thread(target=lambda: made.append(_listening()))
        thread.start()
        thread.join(10)
        with made[0] as server:
            yield server
    except subprocess.CalledProcessError as refused:
        pytest.skip(f"no virtual cable: {refused.stderr.decode().strip()}")
    finally:
        subprocess.run(["ip", "netns", "del", NAME], check=False, capture_output=True, timeout=10)


def _listening() -> socket.socket:
    handle = os.open(f"/run/netns/{NAME}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)
    server = socket.create_server((FAR, 0))
    server.setblocking(False)
    return server


async def carry(reader, writer):
    with suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


async def test_n3_n5_a_host_that_drops_every_packet_is_told_and_comes_back(site, far_socket):
    ends = []

    async def forward(reader, writer):
        there_reader, there = await asyncio.open_connection("127.0.0.1", ends[0])
        await asyncio.gather(carry(reader, there), carry(there_reader, writer))

    bridge = await asyncio.start_server(forward, sock=far_socket)
    port = far_socket.getsockname()[1]
    reached = {"hosts": {"WF": FAR}, "ports": {"WF": port}}
    async with site(**reached, settle=False) as here:
        ends.append(here.ports["WF"])
        await here.until(lambda s: here.quality("WF") is Quality.GOOD, 40)
        ip("-n", NAME, "link", "set", "far0", "down")
        within = await here.until(lambda s: s.links["WF"].state is not LinkState.CLOSED, 8)
        assert within <= 3, "one time-out is shorter than a cycle"
        await here.until(lambda s: here.alarm("silent:WF"), 8)
        assert here.quality("TIE") is Quality.GOOD
        here.log.clear()
        ip("-n", NAME, "link", "set", "far0", "up")
        await here.until(lambda s: here.quality("WF") is Quality.GOOD and not here.alarm("silent:WF"), 60)
        back = here.events("WF", "write", "first_frame")
        assert (back[0]["event"], back[0]["kind"]) == ("first_frame", "read")
    bridge.close()
