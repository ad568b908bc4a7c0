"""One Modbus/TCP connection that believes nothing: the only file that uses pymodbus's client.

Facts behind it were measured on pymodbus 3.16.1: its own reconnect never starts after a refused
first connect, retries multiply time-outs, a lost connection is noticed only at the time-out, an
answer with transaction 0 is accepted for any request, and neither count nor echo is checked.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from vpp.points import Block, Write
from vpp.types import Endpoint, Outcome

TIMEOUT_S = 0.4
"""True seconds for a connect or an answer (design, section 6: 0.3 to 0.5)."""
READS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
"""MODBUS Application Protocol V1.1b3, section 6: function codes."""
WRITE_COILS, WRITE_REGISTERS = 15, 16

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one request."""

    outcome: Outcome
    detail: str = ""
    registers: tuple[int, ...] = ()
    """Registers or bits of a read."""


class Lane:
    """One connection to one endpoint; exactly one task may use it at a time.

    `wrong` counts answers that did not fit, `timeouts` those that did not come. The connection is
    closed after either, since a late answer could be taken for the next one.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: AsyncModbusTcpClient | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self.wrong = self.timeouts = 0

    @property
    def connected(self) -> bool:
        """True while TCP stands; only a valid answer shows that somebody is there."""
        return self._client is not None and not self._lost.is_set()

    async def open(self) -> bool:
        """Connect anew; False where nobody accepts within the time-out."""
        self.close()
        self._lost = lost = asyncio.Event()

        def trace(connected: bool) -> None:
            if not connected:
                lost.set()

        client = AsyncModbusTcpClient(
            self._endpoint.host,
            port=self._endpoint.port,
            timeout=TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=trace,
        )
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                accepted = await client.connect()
        except (TimeoutError, OSError, ModbusException):
            accepted = False
        if not accepted:
            client.close()
            return False
        self._client = client
        return True

    def close(self) -> None:
        """Drop the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, block: Block) -> Answer:
        """Read a block; ACKNOWLEDGED with exactly `block.count` registers or bits."""
        client = self._client
        if client is None:
            return Answer(outcome=Outcome.DISCONNECTED, detail="not connected")
        call = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }[block.table]
        unit = self._endpoint.unit
        code = READS[block.table]
        answer, reply = await self._ask(call(block.address, count=block.count, device_id=unit), code)
        if reply is None:
            return answer
        if code in (1, 2):
            got = tuple(int(bit) for bit in reply.bits)
            fits = len(got) == (block.count + 7) // 8 * 8
        else:
            got = tuple(reply.registers)
            fits = len(got) == block.count
        if not fits:
            return self._distrust(f"{len(got)} values came, {block.count} were asked for")
        return Answer(outcome=Outcome.ACKNOWLEDGED, registers=got[: block.count])

    async def write(self, write: Write) -> Answer:
        """Write consecutive registers or coils in one request; the echo must fit."""
        client, unit, count = self._client, self._endpoint.unit, len(write.registers)
        if client is None:
            return Answer(outcome=Outcome.DISCONNECTED, detail="not connected")
        if write.table == "coil":
            bits = [bool(bit) for bit in write.registers]
            request, code = client.write_coils(write.address, bits, device_id=unit), WRITE_COILS
        else:
            registers = list(write.registers)
            request, code = client.write_registers(write.address, registers, device_id=unit), WRITE_REGISTERS
        answer, reply = await self._ask(request, code)
        if reply is None:
            return answer
        if (reply.address, reply.count) != (write.address, count):
            return self._distrust(f"echo {reply.address}+{reply.count} for {write.address}+{count}")
        return answer

    async def _ask(self, request: Any, code: int) -> tuple[Answer, Any]:
        """Return (answer, reply); the reply is None unless it is sound and no exception reply."""
        sent = asyncio.ensure_future(request)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({sent, lost}, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not sent.done():
                return self._unknown(
                    "the connection was closed" if lost.done() else "no answer in time"
                ), None
            reply = sent.result()
        except ModbusException as failed:
            if "No response" in str(failed):
                return self._unknown("no answer in time"), None
            return self._distrust(str(failed)), None
        except OSError as failed:
            return self._unknown(str(failed)), None
        finally:
            for task in (sent, lost):
                task.cancel()
        if reply is None or reply.transaction_id == 0:
            return self._distrust("an answer without a transaction number"), None
        if reply.function_code & 0x7F != code:
            return self._distrust(f"function {reply.function_code} answers function {code}"), None
        if reply.isError():
            detail = f"exception {getattr(reply, 'exception_code', '?')}"
            return Answer(outcome=Outcome.REFUSED, detail=detail), None
        return Answer(outcome=Outcome.ACKNOWLEDGED), reply

    def _unknown(self, detail: str) -> Answer:
        self.timeouts += 1
        self.close()
        return Answer(outcome=Outcome.UNKNOWN, detail=detail)

    def _distrust(self, detail: str) -> Answer:
        self.wrong += 1
        self.close()
        return Answer(outcome=Outcome.WRONG, detail=detail)
