"""What an earlier run left on a state folder: its last processes, its socket, its files."""

import asyncio
import shutil

from vpp.clock import Clock
from vpp.errors import DeviceFailure
from vpp.link import LinkClient, StatusRequest
from vpp.service import ready
from vpp.service.request import RunRequest, addresses
from vpp.state_dir import StateDir
from vpp.types import Snapshot

LEFTOVER_S = 6.0
"""True seconds that processes of a killed run may take to end."""


async def take_over(request: RunRequest, clock: Clock) -> None:
    """Wait for the rest of a killed run, clear its socket, and set a simulated plant's files aside.

    Raises DeviceFailure where a port stays taken or an earlier control does not end.
    """
    state, killed = request.state, request.state.socket.exists()

    async def is_clear() -> bool:
        if await _is_held(state):
            return False
        ready.require_free(addresses(request))
        return True

    clear = await ready.wait_for(is_clear, clock, LEFTOVER_S if killed else 0.0)
    if not clear:
        ready.require_free(addresses(request))
        if await _is_held(state):
            raise DeviceFailure(f"control of an earlier run still holds {state.socket}: end it first")
    state.socket.unlink(missing_ok=True)
    if request.settings.simulated:
        set_aside(state)


def set_aside(state: StateDir) -> None:
    """Move what the last simulated plant left to `earlier`, in place of what lies there.

    A simulated plant starts anew, so its plan, memory and journal belong to another course of time;
    a real plant goes on, and so do they.
    """
    earlier = state.root / "earlier"
    shutil.rmtree(earlier, ignore_errors=True)
    earlier.mkdir(mode=0o700)
    memory = state.root / "control.memory"
    for path in (state.journal, state.logs, state.device_log, state.current_plan, memory):
        if path.exists():
            path.rename(earlier / path.name)
    state.prepare()


async def _is_held(state: StateDir) -> bool:
    """Return whether a process, even a stopped one, accepts there; a power cut leaves but the file."""
    try:
        _, writer = await asyncio.open_unix_connection(state.socket)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    writer.close()
    return True


async def answers(state: StateDir) -> bool:
    """Return whether control answers on its socket with a snapshot; raises DeviceFailure, OSError."""
    async with await LinkClient.connect(state.socket, "supervisor", ready.TRY_S) as client:
        return isinstance(await client.request(StatusRequest(), ready.TRY_S), Snapshot)
