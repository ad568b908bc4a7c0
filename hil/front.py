"""The Modbus server of one device in a process of its own, so that it can die alone.

The device itself stays in the rig's process and runs on (and reverts) meanwhile.
`python -m hil.front --state DIR --endpoint ID` is started by `hil.process`, and ends with it.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hil.rig import registers_of
from hil.server import Listener
from hil.terminal import LINE_LIMIT, RemoteTerminal
from vpp.clock import Clock, RealClock
from vpp.errors import DeviceFailure, YuanwangError
from vpp.park import endpoints, load_park, with_port_base
from vpp.state_dir import StateDir

RESTART_PAUSE_S = 5.0
"""True seconds between a front's death and its next start."""
START_DEADLINE_S = 15.0
"""True seconds within which a front listens."""
READY = b"listening\n"


def socket_path(state: StateDir) -> Path:
    """Return the rig's Unix socket."""
    return state.root / "hil.sock"


async def keep_front(
    state: StateDir, endpoint: str, clock: Clock, note: Callable[[dict[str, object]], None]
) -> None:
    """Start a front and start it anew after each death, until cancelled.

    DeviceFailure when the first start fails.
    """
    starts = 0
    while True:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hil.front",
            "--state",
            str(state.root),
            "--endpoint",
            endpoint,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert child.stdout is not None
            async with asyncio.timeout(START_DEADLINE_S):
                ready = await child.stdout.readline() == READY
            starts += 1
            if not ready and starts == 1:
                raise DeviceFailure(f"{endpoint}: its own server process did not start")
            note({"event": "front_started", "device": endpoint, "pid": child.pid, "starts": starts})
            code = await child.wait()
            note({"event": "front_died", "device": endpoint, "code": code})
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        await clock.sleep_true(RESTART_PAUSE_S)


async def _serve(state: StateDir, endpoint: str) -> None:
    settings = state.read_settings()
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    reader, writer = await asyncio.open_unix_connection(socket_path(state), limit=LINE_LIMIT)
    listener = Listener(
        endpoint,
        endpoints(park)[endpoint],
        registers_of(park, endpoint),
        RemoteTerminal(reader, writer, endpoint),
        RealClock(settings.schedule),
    )
    await listener.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await _parent_gone()
    await listener.close()


async def _parent_gone() -> None:
    """Return when the parent's end of our stdin closes."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()


def main() -> int:
    """Serve one endpoint until the parent ends; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hil.front")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    options = parser.parse_args()
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(StateDir(options.state), options.endpoint))
    except YuanwangError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
