"""Whether a process of a run answers: asked from outside, as its users would."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from vpp.clock import Clock
from vpp.errors import DeviceFailure
from vpp.types import Endpoint

TRY_S = 1.0
"""True seconds that one attempt may take."""
PAUSE_S = 0.1


async def wait_for(answers: Callable[[], Awaitable[bool]], clock: Clock, deadline_s: float) -> bool:
    """Ask again and again until the answer is yes (True) or the deadline has passed (False)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not await _ask(answers):
                await clock.sleep_true(PAUSE_S)
            return True
    return False


async def _ask(answers: Callable[[], Awaitable[bool]]) -> bool:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, DeviceFailure):
        async with asyncio.timeout(TRY_S):
            return await answers()
    return False


async def listens(endpoints: Iterable[Endpoint]) -> bool:
    """Return whether every endpoint takes a connection; raises OSError where one refuses."""
    for endpoint in endpoints:
        _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        writer.close()
        await writer.wait_closed()
    return True


async def answers_http(host: str, port: int) -> bool:
    """Return whether a web server answers `GET /healthz` with 200."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return b" 200 " in await reader.readuntil(b"\r\n")
    finally:
        writer.close()


def require_free(addresses: Sequence[tuple[str, str, int]]) -> None:
    """Refuse ports that are taken, before anything starts.

    `addresses` are (what for, host, port). Raises DeviceFailure that names every taken one.
    """
    wanted: dict[tuple[str, int], list[str]] = {}
    for what, host, port in addresses:
        wanted.setdefault((host, port), []).append(what)
    taken = [
        f"port {port} on {host} is wanted by {' and '.join(users)}"
        for (host, port), users in wanted.items()
        if len(users) > 1
    ]
    taken += [
        f"port {port} on {host} ({what}) is in use" for what, host, port in addresses if _taken(host, port)
    ]
    if taken:
        raise DeviceFailure(
            "\n".join([*taken, "end what holds it, or choose others with --port-base or --web-port"])
        )


def free_base(host: str, count: int, first: int) -> int:
    """Return the lowest port from `first` on with `count` free ones in a row, in strides of `count`.

    Another program may take them a moment later: whoever binds must still be ready for a refusal.
    Raises DeviceFailure where there are none below 65000.
    """
    for base in range(first, 65000 - count, count):
        if not any(_taken(host, base + k) for k in range(count)):
            return base
    raise DeviceFailure(f"no {count} free ports in a row on {host}")


def _taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
