"""The task that owns one connection: connects, polls, writes; writes go first."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from controllers.acting.modbus import Answer, Lane
from vpp.clock import Clock
from vpp.points import Block, Write
from vpp.types import Ack, Outcome

BACKOFF_S = (0.1, 5.0)
"""First and greatest true seconds between two connects; doubled, with jitter (design, section 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """The last complete poll of an endpoint."""

    registers: Mapping[tuple[str, int], int]
    at: datetime


@dataclass(slots=True)
class _Job:
    writes: Sequence[Write]
    done: asyncio.Future[Ack]


class Owner:
    """Owns the lane of one endpoint.

    `ready` is true after the first valid answer of a connection, which is always to a read. At
    most one write waits: a newer one takes its place, since setpoints are absolute values.
    """

    def __init__(
        self, name: str, lane: Lane, blocks: Sequence[Block], clock: Clock, jitter: np.random.Generator
    ) -> None:
        self.name = name
        self._lane, self._blocks, self._clock, self._jitter = lane, blocks, clock, jitter
        self._job: _Job | None = None
        self._wake = asyncio.Event()
        self._poll_due = True
        self._polled = asyncio.Event()
        self.latest: Polled | None = None
        self.ready = False
        self.connects = 0
        self.refused_polls = 0

    def ask_poll(self) -> None:
        """Ask for a poll; nothing happens twice while one is due."""
        if self.ready:
            self._polled.clear()
        self._poll_due = True
        self._wake.set()

    async def polled(self) -> None:
        """Wait for the poll that was asked for; returns at once while nobody answers."""
        await self._polled.wait()

    def submit(self, writes: Sequence[Write]) -> "asyncio.Future[Ack]":
        """Hand over writes that belong together; the future never raises."""
        done: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        now = self._clock.true_s()
        if not self.ready:
            done.set_result(self._ack(Answer(outcome=Outcome.DISCONNECTED, detail="not connected"), now))
            return done
        if self._job is not None and not self._job.done.done():
            late = Answer(outcome=Outcome.DISCONNECTED, detail="not sent: a newer command took its place")
            self._job.done.set_result(self._ack(late, now))
        self._job = _Job(writes, done)
        self._wake.set()
        return done

    async def run(self) -> None:
        """Serve for ever: connect, first a read, then whatever is asked; cancel to end."""
        pause_s = BACKOFF_S[0]
        try:
            while True:
                self.connects += 1
                if await self._lane.open() and await self._poll():
                    self.ready, pause_s = True, BACKOFF_S[0]
                    await self._serve()
                self._down()
                await self._clock.sleep_true(pause_s * float(self._jitter.uniform(0.5, 1.0)))
                pause_s = min(pause_s * 2, BACKOFF_S[1])
        finally:
            self._down()
            self._lane.close()

    def _down(self) -> None:
        self.ready = False
        self._polled.set()
        job, self._job = self._job, None
        if job is not None and not job.done.done():
            lost = Answer(outcome=Outcome.DISCONNECTED, detail="the connection was lost before it was sent")
            job.done.set_result(self._ack(lost, self._clock.true_s()))

    async def _serve(self) -> None:
        while self._lane.connected:
            await self._wake.wait()
            self._wake.clear()
            while self._lane.connected and (self._job is not None or self._poll_due):
                if self._job is not None:
                    job, self._job = self._job, None
                    await self._perform(job)
                else:
                    await self._poll()

    async def _poll(self) -> bool:
        """Poll every block; a waiting write goes in between. True after a complete poll."""
        self._poll_due = False
        registers: dict[tuple[str, int], int] = {}
        try:
            for block in self._blocks:
                if self._job is not None and self.ready:
                    job, self._job = self._job, None
                    await self._perform(job)
                answer = await self._lane.read(block)
                if answer.outcome is not Outcome.ACKNOWLEDGED:
                    self.refused_polls += answer.outcome is Outcome.REFUSED
                    return False
                registers |= {(block.table, block.address + i): x for i, x in enumerate(answer.registers)}
            self.latest = Polled(registers=registers, at=self._clock.plant_now())
            return True
        finally:
            self._polled.set()

    async def _perform(self, job: _Job) -> None:
        sent_s = self._clock.true_s()
        answer = Answer(outcome=Outcome.UNKNOWN, detail="interrupted")
        try:
            for write in job.writes:
                answer = await self._one(write)
                if answer.outcome is not Outcome.ACKNOWLEDGED:
                    break
        finally:
            if not job.done.done():
                job.done.set_result(self._ack(answer, sent_s))

    async def _one(self, write: Write) -> Answer:
        """Write, then read back; a write without an answer may have been executed, so look."""
        answer = await self._lane.write(write)
        unknown = answer.outcome is Outcome.UNKNOWN
        if answer.outcome is not Outcome.ACKNOWLEDGED and not (unknown and await self._lane.open()):
            return answer
        back = await self._lane.read(Block(write.table, write.address, len(write.registers)))
        if back.outcome is not Outcome.ACKNOWLEDGED:
            return Answer(outcome=Outcome.UNKNOWN, detail=f"not read back: {back.detail or back.outcome}")
        if back.registers != tuple(write.registers):
            if unknown:
                return Answer(outcome=Outcome.UNKNOWN, detail="no answer, and reads back differently")
            return Answer(outcome=Outcome.WRONG, detail="acknowledged, but reads back differently")
        return Answer(outcome=Outcome.ACKNOWLEDGED, detail="confirmed by read-back" if unknown else "")

    def _ack(self, answer: Answer, sent_s: float) -> Ack:
        return Ack(
            device=self.name,
            outcome=answer.outcome,
            detail=answer.detail,
            sent_true_s=sent_s,
            done_true_s=self._clock.true_s(),
        )


async def within(
    futures: Mapping[str, "asyncio.Future[Ack]"], seconds: float, clock: Clock
) -> dict[str, Ack]:
    """Return every ack that comes in so many true seconds; UNKNOWN for the others."""
    if not futures:
        return {}
    started = clock.true_s()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.wait(futures.values())
    return {
        name: future.result()
        if future.done()
        else Ack(
            device=name,
            outcome=Outcome.UNKNOWN,
            detail=f"no answer yet after {seconds:g} s",
            sent_true_s=started,
            done_true_s=clock.true_s(),
        )
        for name, future in futures.items()
    }
