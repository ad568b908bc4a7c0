"""One endpoint as its connection's owner serves it: what is to be polled, written, and how it stands."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from controllers.acting.circuit import SLAM_S, Circuit
from controllers.acting.mbap import CLOSED
from controllers.acting.modbus import Answer
from vpp.clock import Clock
from vpp.points import Block, Write, read_blocks
from vpp.types import Access, Ack, Endpoint, Link, Outcome, Point

SLOW_EVERY = 10
"""Polls of which one reads the slow points too (issue: status and counters every 10th poll)."""
UNREACHED = ("exception 10", "exception 11")
"""What a gateway answers for a unit that it does not reach (Application Protocol V1.1b3, section 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPlan:
    """The requests of a poll."""

    fast: tuple[Block, ...]
    whole: tuple[Block, ...]
    """Of every tenth poll, and of the first after a connect."""
    measured: tuple[Block, ...] = ()
    """Of a look between polls; empty: as `fast`."""


def poll_plan(points: Sequence[Point]) -> PollPlan:
    """Return the fewest requests for the fast points, and for all; nearby registers share one."""
    whole = read_blocks(points)
    fast = [point for point in points if point.rate == "fast"]
    measured = read_blocks([point for point in fast if point.access is Access.READ])
    return PollPlan(fast=read_blocks(fast) if fast else whole, whole=whole, measured=measured)


def polls_behind(points: Sequence[Point], names: Collection[str]) -> int:
    """Return by how many polls values of these points may be older than the fast ones beside them."""
    plan = poll_plan(points)
    slow = any(point.rate != "fast" for point in points if point.point in names)
    return SLOW_EVERY if slow and plan.fast != plan.whole else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """The last complete poll of an endpoint."""

    answers: Mapping[Block, tuple[int, ...]]
    """Registers by request, newest last; those of slow points are of the last whole poll."""
    at: datetime
    """Plant time at which the first block was asked for; at rate 60 a loop that is busy with a hundred
    answers takes one many plant seconds after the device gave it."""

    @property
    def registers(self) -> dict[tuple[str, int], int]:
        """By table and address, each as it was answered last."""
        found: dict[tuple[str, int], int] = {}
        for block, registers in self.answers.items():
            found.update(zip(_keys(block), registers, strict=True))
        return found


@lru_cache(maxsize=8192)
def _keys(block: Block) -> tuple[tuple[str, int], ...]:
    return tuple((block.table, block.address + k) for k in range(block.count))


@dataclass(slots=True)
class Job:
    """Writes that belong together, on their way."""

    writes: Sequence[Write]
    done: "asyncio.Future[Ack]"
    deadline_s: float
    """True second after which nothing of it is sent any more."""
    position: int = 0
    """The write it is at."""
    owed: bool = False
    """True where that write may have been executed and its read-back is still to come."""
    sent_s: float | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """One endpoint behind a connection; `ready` after a complete poll on the present connection.

    At most one job waits: a newer one takes its place, since setpoints are absolute values.
    """

    name: str
    endpoint: Endpoint
    plan: PollPlan
    clock: Clock
    circuit: Circuit
    wake: Callable[["Unit", bool], None] = lambda _unit, _job: None
    """Tells the owner that a job (True) or a poll waits here."""
    told: Callable[["Unit"], None] = lambda _unit: None
    """Tells whoever waits that a poll ended, or that none will come."""
    ready: bool = False
    trouble: str = ""
    """Why the connection was lost last."""
    due: bool = False
    brief: bool = False
    """True while only what it measures is asked for."""
    working: bool = False
    """True while a job of it is under way."""
    job: Job | None = None
    latest: Polled | None = None
    polls: int = 0
    timeouts: int = 0
    wrong: int = 0
    refused: int = 0
    dropped: int = 0

    @property
    def device(self) -> str:
        """Id of its device, load, meter or actuator; a shed lane's name is `ID/shed`."""
        return self.name.partition("/")[0]

    def ask_poll(self, *, brief: bool = False) -> None:
        """Ask for a poll, a brief one for what it measures alone; nothing happens twice while one is due."""
        if self.due:
            self.dropped += self.ready
            self.brief = self.brief and brief
            return
        self.due, self.brief = True, brief
        self.wake(self, False)

    def submit(self, writes: Sequence[Write], within_s: float) -> "asyncio.Future[Ack]":
        """Hand over writes that belong together; the future never raises.

        What has not been sent within so many true seconds is not sent at all.
        """
        done: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        now_s = self.clock.true_s()
        if not self.ready:
            detail = f"not connected: {self.trouble}" if self.trouble else "not connected"
            done.set_result(self.ack(Answer(outcome=Outcome.DISCONNECTED, detail=detail), now_s))
            return done
        waits = self.job is not None
        if self.job is not None:
            self.give_up(self.job, "a newer command took its place")
        self.job = Job(writes, done, now_s + within_s)
        if not waits and not self.working:
            self.wake(self, True)
        return done

    def give_up(self, job: Job, why: str) -> None:
        """End a job that will not be finished; one that may have been executed is UNKNOWN."""
        if job.owed:
            self.finish(job, Answer(outcome=Outcome.UNKNOWN, detail=f"no answer, and not read back: {why}"))
        else:
            self.finish(job, Answer(outcome=Outcome.DISCONNECTED, detail=f"not sent: {why}"))

    def finish(self, job: Job, answer: Answer) -> None:
        """Give a job's answer to whoever waits for it."""
        if not job.done.done():
            sent_s = job.sent_s if job.sent_s is not None else self.clock.true_s()
            job.done.set_result(self.ack(answer, sent_s))

    def down(self, why: str, *, soon: bool) -> None:
        """Note that the connection is gone; a read-back that is owed waits for one that comes `soon`."""
        self.trouble = why
        self.ready = self.due = self.working = False
        if self.job is not None and not (soon and self.job.owed):
            job, self.job = self.job, None
            self.give_up(job, "the connection was lost before it was sent")
        self.told(self)

    def count(self, answer: Answer) -> None:
        """Keep circuit and counters by an answer to one request of this unit."""
        circuit = self.circuit
        if answer.outcome is Outcome.ACKNOWLEDGED and circuit.closed and not circuit.reason:
            return
        now_s = self.clock.true_s()
        match answer.outcome:
            case Outcome.ACKNOWLEDGED:
                circuit.answered(now_s)
            case Outcome.REFUSED if answer.detail in UNREACHED:
                self.refused += 1
                circuit.failed(f"its gateway does not reach it: {answer.detail}", now_s, least_s=SLAM_S)
            case Outcome.REFUSED:
                self.refused += 1
                circuit.answered(now_s, f"it refuses: {answer.detail}")
            case Outcome.UNKNOWN:
                self.timeouts += 1
            case Outcome.WRONG:
                self.wrong += 1

    def at_fault(self, answer: Answer) -> bool:
        """Return whether a failure is this unit's own and not its connection's."""
        return answer.outcome is Outcome.WRONG or (
            answer.outcome is Outcome.UNKNOWN and not answer.detail.startswith(CLOSED)
        )

    def keep(self, answers: dict[Block, tuple[int, ...]], asked_at: datetime, *, whole: bool) -> None:
        """Make a complete poll the newest."""
        if not whole and self.latest is not None:
            older = {block: had for block, had in self.latest.answers.items() if block not in answers}
            answers = {**older, **answers}
        self.latest = Polled(answers=answers, at=asked_at)

    def ack(self, answer: Answer, sent_s: float) -> Ack:
        """Return what became of a job, as control sees it."""
        return Ack(
            device=self.device,
            outcome=answer.outcome,
            detail=answer.detail,
            sent_true_s=sent_s,
            done_true_s=self.clock.true_s(),
        )

    def link(self, connection: Circuit, connects: int) -> Link:
        """Return how it stands: as its connection does while that is not closed."""
        shown = self.circuit if connection.closed else connection
        return Link(
            state=shown.state,
            reason=shown.reason,
            connects=connects,
            timeouts=self.timeouts,
            wrong=self.wrong,
            refused=self.refused,
            dropped=self.dropped,
        )
