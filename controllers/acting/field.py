"""What control needs of the field, whatever carries it: Modbus/TCP, or memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from vpp.types import Ack, Link, Move, Reading, Setpoint, Trim


def unheard(_ack: Ack) -> None:
    """Do nothing with an answer before all have come."""


class Field(Protocol):
    """The plant as control sees it; outcomes are values, nothing here raises for a dead device."""

    async def read(self) -> Mapping[str, Reading]:
        """Return the freshest reading of every endpoint (devices, loads, meters) without waiting."""

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        """Poll these endpoints alone, at once, and return their freshest readings after a bounded wait."""

    def links(self) -> Mapping[str, Link]:
        """Return how each endpoint's circuit stands, a load's shed lane as `ID/shed`; empty in memory."""

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Write each setpoint or move in one request per sync group and read it back; by device.

        All devices at once; a slow one delays nobody. ACKNOWLEDGED means that the read-back is equal.
        """

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = unheard
    ) -> Mapping[str, Ack]:
        """Set the breakers of each load to its mask (bit k set: block k+1 open), all in parallel.

        The mask is the whole state, so a repeat has no second effect and 0 closes everything.
        With `drill` the test outputs are written instead; nothing moves. `heard` is called with each
        answer as it comes; whoever has not answered in a bounded time is UNKNOWN in the result alone.
        """
