"""The field behind the lease: what is read passes, what is sent passes only while this control may send."""

from collections.abc import Callable, Collection, Mapping, Sequence

from controllers.acting.field import unheard
from controllers.acting.modbus_field import ModbusField
from controllers.acting.seat import Seat
from vpp.clock import Clock
from vpp.park.model import Park
from vpp.types import Ack, Link, Move, Outcome, Reading, Setpoint, Trim


class GuardedField:
    """Implements `Field` for a control with a seat: one that was stopped sends nothing when it wakes."""

    def __init__(self, field: ModbusField, seat: Seat, clock: Clock) -> None:
        self._field, self._seat, self._clock = field, seat, clock
        self.withheld = 0
        """Commands that were not sent."""

    async def read(self) -> Mapping[str, Reading]:
        """Read every endpoint."""
        return await self._field.read()

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        """Read some endpoints at once."""
        return await self._field.look(names)

    def change(self, park: Park) -> None:
        """Connect to what is new or elsewhere, let go of what is gone."""
        self._field.change(park)

    def links(self) -> Mapping[str, Link]:
        """Return how every endpoint's circuit stands."""
        return self._field.links()

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Write, or answer DISCONNECTED for all where this control may not send."""
        if self._seat.may_send:
            return await self._field.write(setpoints)
        return self._withhold([setpoint.device for setpoint in setpoints])

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = unheard
    ) -> Mapping[str, Ack]:
        """Trip, or answer DISCONNECTED for all where this control may not send."""
        if self._seat.may_send:
            return await self._field.trip(masks, drill, heard)
        acks = self._withhold(list(masks))
        for ack in acks.values():
            heard(ack)
        return acks

    def _withhold(self, devices: Sequence[str]) -> Mapping[str, Ack]:
        self.withheld += len(devices)
        now_s, why = self._clock.true_s(), "not sent: this control does not hold the lease"
        return {
            name: Ack(
                device=name, outcome=Outcome.DISCONNECTED, detail=why, sent_true_s=now_s, done_true_s=now_s
            )
            for name in devices
        }
