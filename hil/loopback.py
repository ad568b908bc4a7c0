"""A field in memory: the rig behind the same registers that Modbus would carry.

Offers what control's `Field` asks (read, look, write, trip) without importing it. Every value passes
through the endpoint's registers, so quantisation equals that of a run over Modbus.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from hil.garble import HARMLESS
from hil.manner import Manner
from hil.pdu import Refusal, Write
from hil.rig import Rig
from vpp import points
from vpp.clock import Clock
from vpp.types import Ack, Link, Move, Outcome, Quality, Reading, Setpoint, Trim

TIMEOUT_S = 0.5
"""True seconds after which an answer is given up, as over Modbus (design §6: 0.3 to 0.5 s)."""


def unheard(manner: Manner) -> bool:
    """Return whether nobody would wait for the answer of an endpoint."""
    return manner.silence is not None or manner.latency_s >= TIMEOUT_S


class LoopbackField:
    """The rig as control sees it, without sockets."""

    def __init__(self, rig: Rig, clock: Clock) -> None:
        self._rig = rig
        self._clock = clock
        self._last: dict[str, tuple[datetime, Mapping[str, float]]] = {}

    async def read(self) -> Mapping[str, Reading]:
        """Bring the plant up to now and read every endpoint; a silent one keeps its last values, stale."""
        return await self.look(tuple(self._rig.endpoints))

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        """Do the same for these endpoints alone."""
        now = self._clock.plant_now()
        self._rig.advance(now)
        for name in names:
            values = self._values(name)
            if values is not None:
                self._last[name] = (now, self._shown(name, values))
        return {name: self._reading(name, now) for name in names}

    def _shown(self, name: str, values: Mapping[str, float]) -> Mapping[str, float]:
        """Pass what the device measures through its registers; commands came through them already."""
        registers = self._rig.registers[name]
        manner = self._rig.manner(name, self._clock.plant_now())
        if manner.void or manner.exponents:
            registers = registers.ailing(manner.void, manner.exponents)
        commands = {p.point: values[p.point] for p in registers.commands if p.point in values}
        return {**registers.scales, **commands, **registers.passed(registers.measured, values)}

    def _values(self, name: str) -> Mapping[str, float] | None:
        manner = self._rig.manner(name, self._clock.plant_now())
        spoilt = manner.garbles_read is not None and manner.garbles_read not in HARMLESS
        mum = unheard(manner) or manner.connections == 0 or manner.refuses_read is not None or spoilt
        return None if mum else self._rig.image(name)

    def _reading(self, name: str, now: datetime) -> Reading:
        kept = self._last.get(name)
        if kept is None:
            return Reading(values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
        at, values = kept
        age_s = (now - at).total_seconds()
        quality = Quality.GOOD if age_s == 0 else Quality.STALE
        return Reading(values=values, quality=quality, read_at=at, age_s=age_s)

    def links(self) -> Mapping[str, Link]:
        """Return nothing: there are no connections."""
        return {}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Write each setpoint to its device."""
        return {s.device: self._command(s.device, points.command_points(s)) for s in setpoints}

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = lambda _ack: None
    ) -> Mapping[str, Ack]:
        """Set each load's breaker outputs to its bit mask (1 = open); drill: the test outputs."""
        output = "test" if drill else "block"
        acks = {}
        for load, mask in masks.items():
            acks[load] = self._command(load, {f"{output}_{k + 1}": float(mask >> k & 1) for k in range(16)})
            heard(acks[load])
        return acks

    def _command(self, name: str, wanted: Mapping[str, float]) -> Ack:
        registers = self._rig.registers[name]
        true_s = self._clock.true_s()
        outcome, detail = Outcome.ACKNOWLEDGED, ""
        manner = self._rig.manner(name, self._clock.plant_now())
        wishes = points.encode(registers.points, {**registers.scales, **wanted})
        for request in points.safest_first(registers.points, wishes):
            if manner.connections == 0:
                outcome, detail = Outcome.DISCONNECTED, "not connected"
                break
            if manner.silence is not None:
                outcome, detail = Outcome.UNKNOWN, "no answer"
                break
            if manner.refuses_write is not None:
                outcome, detail = Outcome.REFUSED, f"exception {manner.refuses_write}"
                break
            write = Write(table=request.table, address=request.address, values=request.registers)
            written = registers.written(write)
            if isinstance(written, Refusal):
                outcome, detail = Outcome.REFUSED, written.name
                break
            self._rig.command(name, written, self._clock.plant_now())
            if unheard(manner):
                outcome, detail = Outcome.UNKNOWN, "no answer"
            elif manner.garbles_write is not None and manner.garbles_write not in HARMLESS:
                outcome, detail = Outcome.WRONG, manner.garbles_write
        return Ack(device=name, outcome=outcome, detail=detail, sent_true_s=true_s, done_true_s=true_s)
