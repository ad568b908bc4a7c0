"""What stands behind the listeners of the rig's own process, and answers those of other processes."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.device_log import Note
from hil.front import LINE_DEADLINE_S, LINE_LIMIT
from hil.manner import Manner
from hil.rig import Rig
from vpp.clock import Clock


class RigTerminal:
    """One endpoint of the rig in this process."""

    def __init__(self, rig: Rig, clock: Clock, note: Note, name: str) -> None:
        self._rig = rig
        self._clock = clock
        self._note = note
        self._name = name

    async def values(self) -> Mapping[str, float] | None:
        """Return every point now; None while mute; ConnectionAbortedError while it drops connections."""
        late_s = self._rig.manner(self._name, self._clock.plant_now()).latency_s
        if late_s > 0:
            await self._clock.sleep_true(late_s)
        now = self._clock.plant_now()
        self._rig.advance(now)
        how = self._rig.manner(self._name, now).silence
        if how == "close":
            raise ConnectionAbortedError(f"{self._name} drops connections by scenario")
        return None if how == "mute" else self._rig.image(self._name)

    def manner(self) -> Manner:
        """Return how it treats its clients now."""
        return self._rig.manner(self._name, self._clock.plant_now())

    async def command(self, values: Mapping[str, float]) -> None:
        """Write points, stamped with plant time now."""
        self._rig.command(self._name, values, self._clock.plant_now())

    async def note(self, record: Mapping[str, object]) -> None:
        """Add a line to the device log."""
        self._note(self._clock.plant_now(), {"device": self._name, **record})


async def serve_lines(path: Path, terminals: Mapping[str, RigTerminal]) -> asyncio.Server:
    """Answer remote terminals on a Unix socket that only the owner may open."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _obey(terminals, json.loads(line))).encode() + b"\n")
                async with asyncio.timeout(LINE_DEADLINE_S):
                    await writer.drain()
        except (OSError, TimeoutError):
            pass  # a front that died; its next one connects anew
        finally:
            writer.transport.abort()

    return await asyncio.start_unix_server(talk, sock=_own_socket(path), limit=LINE_LIMIT)


def _own_socket(path: Path) -> socket.socket:
    """Bind a socket that only the owner may open; one left by a killed run is taken over."""
    path.unlink(missing_ok=True)
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(path))
    path.chmod(0o600)
    return own


async def _obey(terminals: Mapping[str, RigTerminal], question: Mapping[str, Any]) -> object:
    terminal = terminals[question["endpoint"]]
    match question["op"]:
        case "values":
            try:
                values = await terminal.values()
            except ConnectionAbortedError:
                return "close"
            return {"values": values, "manner": asdict(terminal.manner())}
        case "command":
            await terminal.command(question["values"])
        case "note":
            await terminal.note(question["record"])
        case op:
            raise ValueError(f"unknown question {op!r}")
    return True
