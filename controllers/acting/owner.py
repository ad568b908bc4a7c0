"""The task that owns one connection and serves every unit behind it; writes go before polls."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from controllers.acting.circuit import BACKOFF_S, SLAM_S, Circuit
from controllers.acting.mbap import CLOSED
from controllers.acting.modbus import Answer, Lane
from controllers.acting.unit import SLOW_EVERY, Job, Unit
from vpp.clock import Clock
from vpp.points import Block, Write
from vpp.types import Ack, LinkState, Outcome

OWED_S = 0.5
"""Longest pause in true seconds after which an owed read-back is still worth waiting for."""
PROBE_GAP_S = 2.0
"""Least true seconds between two tries of units that failed behind a connection that lives: each may
cost the others a time-out; assumption."""


class Owner:
    """Owns one lane: connects, tries, serves; `units` may change only while it does not run.

    A unit that fails closes the connection (a late answer could be taken for the next one), rests by
    its own circuit, and does not keep the others from their next answer.
    """

    def __init__(self, lane: Lane, units: Sequence[Unit], clock: Clock, circuit: Circuit) -> None:
        self.units = tuple(units)
        self.lane, self.circuit, self._clock = lane, circuit, clock
        gaps_s = [unit.endpoint.gap_ms * 1e-3 for unit in units]
        self._gap_s = max(gaps_s)
        self._in_flight = 1 if self._gap_s else min(unit.endpoint.max_in_flight for unit in units)
        self._jobs: deque[Unit] = deque()
        self._polls: deque[Unit] = deque()
        self._wake = asyncio.Event()
        self._heard = self._spoilt = False
        self._why = ""
        self._free_s = self._probe_s = 0.0
        self._turn = 0
        self.connects = 0
        lane.lost = self._wake.set
        for unit in units:
            unit.wake = self._queue

    def _queue(self, unit: Unit, job: bool) -> None:
        (self._jobs if job else self._polls).append(unit)
        self._wake.set()

    async def run(self) -> None:
        """Serve for ever: connect, first a read, then whatever is asked; cancel to end."""
        try:
            while True:
                self.connects += 1
                self.circuit.attempt()
                self._heard, self._spoilt, self._why, least_s = False, False, "", 0.0
                if await self.lane.open():
                    await self._try_one()
                    if self._heard:
                        await self._serve()
                    else:
                        least_s = SLAM_S
                self.lane.close()
                pause_s = self._failed(least_s)
                self._down(self.circuit.reason, soon=pause_s <= OWED_S)
                await self._clock.sleep_true(pause_s)
        finally:
            self._down("control is ending", soon=False)
            self.lane.close()

    def _failed(self, least_s: float) -> float:
        """Open the circuit and return the pause; what one unit spoilt costs the others a short one."""
        if self._spoilt and any(unit.circuit.closed for unit in self.units):
            self.circuit.pause_s = BACKOFF_S[0]
        elif any(unit.circuit.state is LinkState.CONNECTING for unit in self.units[1:]):
            # behind a gateway whose first units are dead others have not been tried yet
            self.circuit.pause_s = min(self.circuit.pause_s, SLAM_S)
        reason = self.lane.trouble or self._why or CLOSED
        return self.circuit.failed(reason, self._clock.true_s(), least_s=least_s)

    def _down(self, why: str, *, soon: bool) -> None:
        self._jobs.clear()
        self._polls.clear()
        for unit in self.units:
            unit.down(why, soon=soon)

    async def _try_one(self) -> None:
        """Poll one unit before anybody else: only a valid answer shows that somebody is there.

        Those that answered last come first, then those never tried, then those that failed, in turn.
        """
        rank = {LinkState.CLOSED: 0, LinkState.CONNECTING: 1}
        best = min(rank.get(unit.circuit.state, 2) for unit in self.units)
        able = [unit for unit in self.units if rank.get(unit.circuit.state, 2) == best]
        unit = able[self._turn % len(able)]
        self._turn += 1
        unit.circuit.attempt()
        await self._poll(unit)

    async def _serve(self) -> None:
        self.circuit.answered(self._clock.true_s())
        for unit in self.units:
            if unit.job is not None:
                self._jobs.append(unit)
            if not unit.ready:
                unit.ask_poll()
        if self._in_flight == 1 or len(self.units) == 1:
            await self._work()
            return
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(self._in_flight, len(self.units))):
                workers.create_task(self._work())

    async def _work(self) -> None:
        """Do what waits, one thing after the other, until the connection ends."""
        while self.lane.connected:
            if self._jobs:
                await self._perform(self._jobs.popleft())
            elif self._polls:
                await self._poll_in_turn(self._polls.popleft())
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _poll_in_turn(self, unit: Unit) -> None:
        """Poll a unit; one that failed only when its pause is over, and seldom for all of them."""
        if not unit.due:
            return
        circuit = unit.circuit
        if circuit.state is LinkState.OPEN:
            now_s = self._clock.true_s()
            if now_s < max(circuit.retry_s, self._probe_s):
                unit.due = False
                unit.told(unit)
                return
            self._probe_s = now_s + PROBE_GAP_S
            circuit.attempt()
        await self._poll(unit)

    async def _poll(self, unit: Unit) -> None:
        """Poll every block; a waiting write goes in between."""
        brief = unit.brief and unit.ready and bool(unit.plan.measured)
        whole = not brief and (not unit.ready or unit.polls % SLOW_EVERY == 0)
        blocks = unit.plan.measured if brief else unit.plan.whole if whole else unit.plan.fast
        unit.polls += not brief
        unit.due = False
        answers: dict[Block, tuple[int, ...]] = {}
        width = self._in_flight if len(self.units) == 1 else 1
        try:
            await self._write_first()
            asked_at = self._clock.plant_now()
            for at in range(0, len(blocks), width):
                if self._jobs:
                    await self._write_first()
                chunk = blocks[at : at + width]
                found = (
                    [await self._read(unit, chunk[0])]
                    if width == 1
                    else await asyncio.gather(*(self._read(unit, block) for block in chunk))
                )
                for block, answer in zip(chunk, found, strict=True):
                    if answer.outcome is not Outcome.ACKNOWLEDGED:
                        unit.ready = unit.ready and unit.circuit.closed
                        return
                    answers[block] = answer.registers
            unit.keep(answers, asked_at, whole=whole)
            unit.ready = True
        finally:
            unit.told(unit)

    async def _write_first(self) -> None:
        """Carry out every write that waits."""
        while self._jobs and self.circuit.closed:
            await self._perform(self._jobs.popleft())

    async def _perform(self, unit: Unit) -> None:
        job, unit.job = unit.job, None
        if job is None:
            return
        unit.working = True
        answer: Answer | None = Answer(outcome=Outcome.UNKNOWN, detail="interrupted")
        try:
            answer = await self._carry_out(unit, job)
        finally:
            unit.working = False
            self._settle(unit, job, answer)

    def _settle(self, unit: Unit, job: Job, answer: Answer | None) -> None:
        """Give the answer away; without one the job stays for the next connection, where none newer waits."""
        if answer is not None:
            unit.finish(job, answer)
        elif unit.job is not None:
            unit.give_up(job, "a newer command took its place")
        else:
            unit.job = job
            return
        if unit.job is not None:
            self._queue(unit, True)

    async def _carry_out(self, unit: Unit, job: Job) -> Answer | None:
        """Return what became of a job; None where a read-back is owed on the next connection."""
        for position in range(job.position, len(job.writes)):
            write = job.writes[position]
            unanswered = job.owed
            if not unanswered:
                if self._clock.true_s() > job.deadline_s:
                    return Answer(outcome=Outcome.DISCONNECTED, detail="not sent: it is too late for it")
                job.position = position
                job.sent_s = job.sent_s if job.sent_s is not None else self._clock.true_s()
                answer = await self._write(unit, write)
                if answer.outcome is Outcome.UNKNOWN:
                    # it may have been executed: look, on the next connection
                    job.owed = True
                    return None
                if answer.outcome is not Outcome.ACKNOWLEDGED:
                    return answer
            back = await self._read(unit, Block(write.table, write.address, len(write.registers)))
            if back.outcome is not Outcome.ACKNOWLEDGED:
                return Answer(outcome=Outcome.UNKNOWN, detail=f"not read back: {back.detail or back.outcome}")
            if back.registers != tuple(write.registers):
                return (
                    Answer(outcome=Outcome.UNKNOWN, detail="no answer, and reads back differently")
                    if unanswered
                    else Answer(outcome=Outcome.WRONG, detail="acknowledged, but reads back differently")
                )
            job.owed = False
            confirmed = "confirmed by read-back" if unanswered else ""
        return Answer(outcome=Outcome.ACKNOWLEDGED, detail=confirmed if job.writes else "")

    async def _read(self, unit: Unit, block: Block) -> Answer:
        if self._gap_s:
            await self._rest()
        return self._heed(unit, await self.lane.read(block, unit.endpoint))

    async def _write(self, unit: Unit, write: Write) -> Answer:
        if self._gap_s:
            await self._rest()
        return self._heed(unit, await self.lane.write(write, unit.endpoint))

    async def _rest(self) -> None:
        """Leave the device the time between two requests that its row asks for."""
        if (wait_s := self._free_s - self._clock.true_s()) > 0:
            await self._clock.sleep_true(wait_s)

    def _heed(self, unit: Unit, answer: Answer) -> Answer:
        if self._gap_s:
            self._free_s = self._clock.true_s() + self._gap_s
        unit.count(answer)
        if answer.outcome in (Outcome.ACKNOWLEDGED, Outcome.REFUSED):
            self._heard = True
        else:
            self._why = self._why or answer.detail
            if unit.at_fault(answer):
                self._spoilt = True
                unit.circuit.failed(answer.detail, self._clock.true_s())
        return answer


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
