"""The Modbus server of one device in a process of its own, so that it can die alone.

The device itself stays in the rig's process and runs on (and reverts) meanwhile.
`python -m hil.front --state DIR --endpoint ID` is started by `hil.process` and ends with it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import convert

from hil.guard import guard_of
from hil.manner import HEALTHY, Manner
from hil.registers import registers_of
from hil.server import Listener
from vpp.errors import YuanwangError
from vpp.park import endpoints, load_park, with_port_base
from vpp.state_dir import StateDir

LINE_DEADLINE_S = 70.0
"""True seconds that a front waits for the rig's answer; longer than any scenario delays one."""
LINE_LIMIT = 1 << 16
"""Bytes of one line."""
READY = b"listening\n"


def socket_path(state: StateDir) -> Path:
    """Return the rig's Unix socket."""
    return state.root / "hil.sock"


class RemoteTerminal:
    """One endpoint of the rig in another process: JSON lines, one answer per question, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name
        self._one = asyncio.Lock()
        self._manner = HEALTHY
        self.gone = asyncio.Event()
        """Set when the line broke: a late answer must never pass for the next question's."""

    async def _ask(self, question: Mapping[str, object]) -> Any:
        line = json.dumps({"endpoint": self._name, **question}, allow_nan=False) + "\n"
        async with self._one:
            try:
                async with asyncio.timeout(LINE_DEADLINE_S):
                    self._writer.write(line.encode())
                    answer = await self._reader.readline()
            except (OSError, TimeoutError):
                answer = b""
            if not answer:
                self.gone.set()
                self._writer.transport.abort()
                raise ConnectionAbortedError("the simulated plant is gone")
            return json.loads(answer)

    async def values(self) -> Mapping[str, float] | None:
        """Return every point now; None while mute; ConnectionAbortedError while it drops connections."""
        answer = await self._ask({"op": "values"})
        if answer == "close":
            raise ConnectionAbortedError(f"{self._name} drops connections by scenario")
        self._manner = convert(answer["manner"], Manner)
        values: Mapping[str, float] | None = answer["values"]
        return values

    def manner(self) -> Manner:
        """Return how it treats its clients, as the rig said with the last values."""
        return self._manner

    async def command(self, values: Mapping[str, float]) -> None:
        """Write points."""
        await self._ask({"op": "command", "values": dict(values)})

    async def note(self, record: Mapping[str, object]) -> None:
        """Add a line to the device log."""
        await self._ask({"op": "note", "record": dict(record)})


async def _serve(state: StateDir, endpoint: str) -> None:
    settings = state.read_settings()
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    reader, writer = await asyncio.open_unix_connection(socket_path(state), limit=LINE_LIMIT)
    terminal = RemoteTerminal(reader, writer, endpoint)
    listener = Listener(
        endpoint,
        endpoints(park)[endpoint],
        registers_of(park, endpoint),
        terminal,
        guard_of(park),
        manner=terminal.manner,
    )
    await listener.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    ends = [asyncio.create_task(_parent_gone()), asyncio.create_task(terminal.gone.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in ends:
        task.cancel()
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
