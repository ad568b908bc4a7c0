"""The field over Modbus/TCP: one owner task per connection, and a second lane to each shed terminal."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from controllers.acting.field import unheard
from controllers.acting.owner import Owner, within
from controllers.acting.unit import Unit
from controllers.acting.wiring import rewired, wire
from vpp.clock import Clock
from vpp.park.model import Park
from vpp.points import Write, command_points, decode, encode, safest_first
from vpp.types import Ack, Link, Move, Outcome, Point, Quality, Reading, Setpoint, Trim

POLL_SHARE = 0.2
"""Greatest share of a cycle that `read` waits for the polls it starts."""
LOOK_S = 0.1
"""True seconds that `look` waits at most: cut feeders are metered at 10 Hz."""
WRITE_SHARE, LEAST_SHARE = 0.6, 0.1
"""Greatest share of a cycle that `write` waits for answers, and what it is given however late it is."""
READY_SHARE = 0.9
"""Share of a cycle after whose end nothing is waited for: the rest is control's own, to judge and record;
assumption: three times what it takes with 500 devices."""
TRIP_S = 0.9
"""True seconds after which a shed goes on without an answer, so that all is settled within one second; the
lane's own time-outs are shorter."""
KEEP_ALIVE_S = 2.0
"""True seconds between two cheap reads on an idle shed lane."""
MAX_COILS = 16


class ModbusField:
    """Implements `Field`; use `start` and `stop`, or as an async context."""

    def __init__(self, park: Park, clock: Clock) -> None:
        self._clock, self._cycle_s = clock, park.horizon.cycle_s
        self._tasks: dict[Owner, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._rounds: list[_Round] = []
        self._coils: dict[tuple[int, str, int], tuple[Write, ...]] = {}
        """Writes of a breaker mask by register map, output and mask: hundreds of loads share a few."""
        self._kept_alive_s = 0.0
        self._began_s: float | None = None
        """True second at which the cycle began whose writes are still to come."""
        self._running = False
        self._wired = wire(park, clock, self._tell)

    @property
    def _points(self) -> Mapping[str, tuple[Point, ...]]:
        return self._wired.points

    @property
    def _units(self) -> Mapping[str, Unit]:
        return self._wired.units

    @property
    def _shed(self) -> Mapping[str, Unit]:
        return self._wired.shed

    def _run(self, owner: Owner) -> None:
        self._tasks[owner] = asyncio.create_task(owner.run(), name=f"owner {owner.units[0].name}")

    def change(self, park: Park) -> None:
        """Connect to what is new or elsewhere, let go of what is gone, leave the rest as it is.

        A connection with a unit that changes is made anew, with all that is behind it.
        """
        self._wired = rewired(self._wired, wire(park, self._clock, self._tell))
        self._coils.clear()
        owners = dict.fromkeys(self._wired.owners.values())
        for owner in [owner for owner in self._tasks if owner not in owners]:
            task = self._tasks.pop(owner)
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for owner in owners:
            if self._running and owner not in self._tasks:
                self._run(owner)

    async def start(self) -> None:
        """Start every owner; returns at once, devices come up as they answer."""
        self._running = True
        for owner in dict.fromkeys(self._wired.owners.values()):
            self._run(owner)

    async def stop(self) -> None:
        """Close every connection; devices keep their last command and revert by themselves."""
        self._running = False
        await end((*self._tasks.values(), *self._ending))
        self._tasks.clear()

    async def __aenter__(self) -> "ModbusField":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def read(self) -> Mapping[str, Reading]:
        """Start a poll of every endpoint and return what is freshest after a bounded wait."""
        self._began_s = self._clock.true_s()
        self._raise_dead_owner()
        self._keep_alive()
        await self._poll(self._units.values(), POLL_SHARE * self._cycle_s)
        return {name: self._reading(name, unit) for name, unit in self._units.items()}

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        """Poll these endpoints alone, at once; what has not answered in `LOOK_S` shows its last reading."""
        units = {name: self._units[name] for name in names}
        await self._poll(units.values(), LOOK_S, brief=True)
        return {name: self._reading(name, unit) for name, unit in units.items()}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Write each setpoint and read it back, all devices at once; after a `read`, inside its cycle."""
        spent_s = 0.0 if self._began_s is None else self._clock.true_s() - self._began_s
        self._began_s, limit_s = None, write_limit_s(self._cycle_s, spent_s)
        futures = {
            s.device: self._command(self._units[s.device], command_points(s), limit_s) for s in setpoints
        }
        return await within(futures, limit_s, self._clock)

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = unheard
    ) -> Mapping[str, Ack]:
        """Write each load's breaker mask on its shed lane, or on its main one where that is down."""
        output = "test" if drill else "block"
        futures = {}
        for load, mask in masks.items():
            lane, main = self._shed[load], self._units[load]
            unit = lane if lane.ready or not main.ready else main
            key = (id(self._points[load]), output, mask)
            if key not in self._coils:
                values = {f"{output}_{k + 1}": float(mask >> k & 1) for k in range(MAX_COILS)}
                self._coils[key] = encode(self._points[load], values)
            futures[load] = unit.submit(self._coils[key], TRIP_S)
            futures[load].add_done_callback(lambda answer: heard(answer.result()))
        return await within(futures, TRIP_S, self._clock)

    def links(self) -> dict[str, Link]:
        """Return how every endpoint's circuit stands, shed lanes as `ID/shed`."""
        return {
            unit.name: unit.link(owner.circuit, owner.connects) for unit, owner in self._wired.owners.items()
        }

    async def _poll(self, units: Iterable[Unit], seconds: float, *, brief: bool = False) -> None:
        """Ask for polls and wait for those that can come, for at most so many true seconds."""
        asked = tuple(units)
        awaited = _Round({unit for unit in asked if unit.ready})
        self._rounds.append(awaited)
        try:
            for unit in asked:
                unit.ask_poll(brief=brief)
            if awaited.left:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await awaited.over.wait()
        finally:
            self._rounds.remove(awaited)

    def _tell(self, unit: Unit) -> None:
        for one in self._rounds:
            one.left.discard(unit)
            if not one.left:
                one.over.set()

    def _command(self, unit: Unit, values: Mapping[str, float], within_s: float) -> "asyncio.Future[Ack]":
        name = unit.device
        points, polled = self._points[name], self._units[name].latest
        scaled = any(point.scale_point is not None for point in points)
        known = decode(points, polled.registers) if scaled and polled is not None else {}
        scales = {p.scale_point: known[p.scale_point] for p in points if p.scale_point in known}
        try:
            writes = encode(points, scales | {k: v for k, v in values.items() if k not in scales})
        except ValueError as wrong:
            now = self._clock.true_s()
            refused: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
            outcome = Outcome.REFUSED if polled is not None else Outcome.DISCONNECTED
            refused.set_result(
                Ack(device=name, outcome=outcome, detail=str(wrong), sent_true_s=now, done_true_s=now)
            )
            return refused
        return unit.submit(safest_first(points, writes), within_s)

    def _reading(self, name: str, unit: Unit) -> Reading:
        polled = unit.latest
        if polled is None:
            return Reading(values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
        return Reading(
            values=decode(self._points[name], polled.registers),
            quality=Quality.GOOD if unit.ready else Quality.STALE,
            read_at=polled.at,
            age_s=max((self._clock.plant_now() - polled.at).total_seconds(), 0.0),
        )

    def _keep_alive(self) -> None:
        now = self._clock.true_s()
        if now - self._kept_alive_s >= KEEP_ALIVE_S:
            self._kept_alive_s = now
            for unit in self._shed.values():
                unit.ask_poll()

    def _raise_dead_owner(self) -> None:
        """Let an owner's bug end the process instead of leaving a silent dead task (fault R10)."""
        for task in self._tasks.values():
            if task.done():
                with suppress(asyncio.CancelledError):
                    task.result()


def write_limit_s(cycle_s: float, spent_s: float) -> float:
    """Return the true seconds that writes may take so long after their cycle began.

    A plant that answers slowly then costs answers, never the next tick.
    """
    return max(min(WRITE_SHARE * cycle_s, READY_SHARE * cycle_s - spent_s), LEAST_SHARE * cycle_s)


class _Round:
    """Units of which a poll is awaited."""

    def __init__(self, left: set[Unit]) -> None:
        self.left, self.over = left, asyncio.Event()


async def end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks again and again until they are done, for at most 2 true seconds.

    asyncio can lose a cancellation that comes together with the result it was waiting for.
    """
    left = set(tasks)
    for _ in range(20):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=0.1)
