"""The field over Modbus/TCP: one owner task per endpoint, and a second lane to each shed terminal."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from controllers.acting.modbus import Lane
from controllers.acting.owner import Owner, within
from vpp.clock import Clock
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.points import Block, command_points, decode, encode, read_blocks
from vpp.seeds import generator
from vpp.types import Ack, Move, Outcome, Point, Quality, Reading, Setpoint, Trim

POLL_SHARE = 0.2
"""Greatest share of a cycle that `read` waits for the polls it starts."""
WRITE_SHARE = 0.6
"""Greatest share of a cycle that `write` waits for answers."""
TRIP_S = 1.0
"""True seconds after which a shed goes on without an answer; the lane's own time-outs are shorter."""
KEEP_ALIVE_S = 2.0
"""True seconds between two cheap reads on an idle shed lane."""
MAX_COILS = 16


class ModbusField:
    """Implements `Field`; use `start` and `stop`, or as an async context."""

    def __init__(self, park: Park, clock: Clock) -> None:
        self._clock, self._cycle_s = clock, park.horizon.cycle_s
        self._points: dict[str, tuple[Point, ...]] = {}
        self._owners: dict[str, Owner] = {}
        self._shed: dict[str, Owner] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._kept_alive_s = 0.0
        for name, endpoint in endpoints(park).items():
            points = park.register_maps[endpoint.register_map]
            self._points[name] = points
            blocks = read_blocks(points)
            self._owners[name] = Owner(name, Lane(endpoint), blocks, clock, generator(0, "jitter", name))
            if name in park.loads and any(point.point == "block_1" for point in points):
                cheap = (_first_coil(points),)
                jitter = generator(0, "jitter", name, "shed")
                self._shed[name] = Owner(name, Lane(endpoint), cheap, clock, jitter)

    async def start(self) -> None:
        """Start every owner; returns at once, devices come up as they answer."""
        owners = (*self._owners.values(), *self._shed.values())
        self._tasks = [asyncio.create_task(owner.run(), name=f"owner {owner.name}") for owner in owners]

    async def stop(self) -> None:
        """Close every connection; devices keep their last command and revert by themselves."""
        await end(self._tasks)

    async def __aenter__(self) -> "ModbusField":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def read(self) -> Mapping[str, Reading]:
        """Start a poll of every endpoint and return what is freshest after a bounded wait."""
        self._raise_dead_owner()
        for owner in self._owners.values():
            owner.ask_poll()
        self._keep_alive()
        waiting = [asyncio.ensure_future(owner.polled()) for owner in self._owners.values() if owner.ready]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=POLL_SHARE * self._cycle_s)
            for task in late:
                task.cancel()
        return {name: self._reading(name, owner) for name, owner in self._owners.items()}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        """Write each setpoint and read it back, all devices at once."""
        futures = {s.device: self._command(s.device, command_points(s), self._owners) for s in setpoints}
        return await within(futures, WRITE_SHARE * self._cycle_s, self._clock)

    async def trip(self, masks: Mapping[str, int], drill: bool) -> Mapping[str, Ack]:
        """Write each load's breaker mask on its shed lane, all at once."""
        output = "test" if drill else "block"
        futures = {
            load: self._command(
                load, {f"{output}_{k + 1}": float(mask >> k & 1) for k in range(MAX_COILS)}, self._shed
            )
            for load, mask in masks.items()
        }
        return await within(futures, TRIP_S, self._clock)

    def _command(
        self, name: str, values: Mapping[str, float], lanes: Mapping[str, Owner]
    ) -> "asyncio.Future[Ack]":
        points = self._points[name]
        polled = self._owners[name].latest
        known = decode(points, polled.registers) if polled is not None else {}
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
        return lanes[name].submit(writes)

    def _reading(self, name: str, owner: Owner) -> Reading:
        polled = owner.latest
        if polled is None:
            return Reading(values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
        return Reading(
            values=decode(self._points[name], polled.registers),
            quality=Quality.GOOD if owner.ready else Quality.STALE,
            read_at=polled.at,
            age_s=max((self._clock.plant_now() - polled.at).total_seconds(), 0.0),
        )

    def _keep_alive(self) -> None:
        now = self._clock.true_s()
        if now - self._kept_alive_s >= KEEP_ALIVE_S:
            self._kept_alive_s = now
            for owner in self._shed.values():
                owner.ask_poll()

    def _raise_dead_owner(self) -> None:
        """Let an owner's bug end the process instead of leaving a silent dead task (fault R10)."""
        for task in self._tasks:
            if task.done():
                with suppress(asyncio.CancelledError):
                    task.result()


async def end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks again and again until they are done, for at most 2 true seconds.

    `asyncio.wait_for` of Python 3.11, which pymodbus's connect uses, loses a cancellation that comes
    together with its result.
    """
    left = set(tasks)
    for _ in range(20):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=0.1)


def _first_coil(points: Sequence[Point]) -> Block:
    coil = next(point for point in points if point.point == "block_1")
    return Block(coil.table, coil.address, 1)
