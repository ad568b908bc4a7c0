"""One run of a park: its processes started, watched, started again, and ended together."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vpp.clock import RealClock
from vpp.errors import DeviceFailure, TimedOut, YuanwangError
from vpp.link import LinkClient, Message, Note
from vpp.park import endpoints
from vpp.service import ready
from vpp.service.children import END_DEADLINE_S, Child, death_text, end, last_words, start
from vpp.service.request import CONTROL, PLANNER, PLANT, SERVICE, RunRequest, again, children_of
from vpp.service.runs import RunLock, writing
from vpp.service.takeover import answers, take_over
from vpp.types import Severity

READY_S = 45.0
"""True seconds that a process may take until it answers (assumption: two slow cores, cold disk)."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses before the next start; the first is far below the 2 s of design §2."""
ALARM_S = 5.0
"""True seconds that the alarm of a restart stands after the process answers again."""
HANG_S = 15.0
"""True seconds without an answer after which the service counts as stopped: as long as control's own loop
may hang before it ends itself."""
BEAT_S = 1.0
"""True seconds between two questions."""
STEADY_S = 60.0
"""A process that lived so long starts again with the shortest pause."""


@dataclass(slots=True)
class Live:
    """A running park as its watchers see it."""

    request: RunRequest
    clock: RealClock
    remarks: list[str] = field(default_factory=list)
    """What happened to the processes and orders, in words, oldest first."""
    answers: list[Message] = field(default_factory=list)
    """Control's answers to what the scenario ordered."""
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False

    def remark(self, text: str) -> None:
        """Keep the latest 1000 remarks."""
        self.remarks.append(text)
        del self.remarks[:-1000]


Watcher = Callable[[Live], Awaitable[None]]
"""Runs beside the processes from the moment all of them answer; cancelled at the end."""


async def supervise(request: RunRequest, watchers: tuple[Watcher, ...]) -> Live:
    """Run a park to its end, or to SIGINT or SIGTERM, and return what happened.

    Raises DeviceFailure when the state folder or a port is taken or a process cannot start, and
    TimedOut when one does not answer. No child is alive when this returns or raises.
    """
    with writing(request.state.root):
        request.state.prepare()
    with RunLock(request.state):
        live = Live(request=request, clock=RealClock(request.settings.schedule))
        body = asyncio.create_task(_body(live, watchers))
        with _signals_end(live, body):
            try:
                await _until_done(live, body)
            finally:
                await _end_all(live)
        return live


async def _until_done(live: Live, body: "asyncio.Task[None]") -> None:
    """Await the body; an interrupt is a normal end, an error in words leaves its group."""
    try:
        await body
    except asyncio.CancelledError:
        if not live.interrupted:
            raise
    except ExceptionGroup as group:
        ours = group.subgroup(YuanwangError)
        raise (ours.exceptions[0] if ours is not None else group) from None


@contextmanager
def _signals_end(live: Live, body: "asyncio.Task[None]") -> Iterator[None]:
    """Let Ctrl-C and SIGTERM cancel the body, once; a second one changes nothing."""

    def interrupt() -> None:
        if not live.interrupted:
            live.interrupted = True
            body.cancel()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _body(live: Live, watchers: tuple[Watcher, ...]) -> None:
    await take_over(live.request, live.clock)
    live.request.state.write_settings(live.request.settings)
    children = children_of(live.request)
    if live.request.settings.simulated:
        await _bring_up(live, [child for child in children if child.name == PLANT])
    await _bring_up(live, [child for child in children if child.name != PLANT])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep(live, child)) for child in children]
        tasks += [group.create_task(_watch(watcher, live)) for watcher in watchers]
        await _until_end(live)
        for task in tasks:
            task.cancel()


async def _watch(watcher: Watcher, live: Live) -> None:
    await watcher(live)


async def _until_end(live: Live) -> None:
    if live.request.ends_at is None:
        await asyncio.Event().wait()
    else:
        schedule = live.request.settings.schedule
        await live.clock.sleep_true(schedule.true_at(live.request.ends_at) - live.clock.true_s())


async def _bring_up(live: Live, children: list[Child]) -> None:
    """Start children and wait until each answers; one that ends instead ends the run in words."""
    for child in children:
        live.processes[child.name] = await start(child)
    await asyncio.gather(*(_until_ready(live, child) for child in children))


async def _until_ready(live: Live, child: Child) -> None:
    process = live.processes[child.name]
    question = asyncio.create_task(ready.wait_for(_question(live, child), live.clock, READY_S))
    ending = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({question, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            words = last_words(child.log)
            raise DeviceFailure(
                f"{child.name} {death_text(ending.result())} while starting: {words or child.log}"
            )
        if not question.result():
            raise TimedOut(f"{child.name} did not answer within {READY_S:g} s of its start; see {child.log}")
    finally:
        question.cancel()
        ending.cancel()


def _question(live: Live, child: Child) -> Callable[[], Awaitable[bool]]:
    """Return what to ask a child: the planner, which serves nobody, has only to live."""
    request = live.request

    async def lives() -> bool:
        return live.processes[child.name].returncode is None

    questions: dict[str, Callable[[], Awaitable[bool]]] = {
        PLANT: lambda: ready.listens(endpoints(request.park).values()),
        CONTROL: lambda: answers(request.state),
        SERVICE: lambda: ready.answers_http(request.settings.web_host, request.settings.web_port),
    }
    return questions.get(child.name, lives)


async def _keep(live: Live, child: Child) -> None:
    """Start a child again whenever it ends or hangs, after growing pauses, and let control raise an alarm."""
    tries = 0
    while True:
        born = live.clock.true_s()
        process = live.processes[child.name]
        hung = await _ended_or_hangs(live, child)
        await end([process], ready.TRY_S if hung else END_DEADLINE_S)
        tries = 0 if live.clock.true_s() - born > STEADY_S else tries + 1
        pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
        live.restarts[child.name] = live.restarts.get(child.name, 0) + 1
        how = death_text(process.returncode or 0)
        how = f"gave no answer for {HANG_S:g} s and {how}" if hung else how
        text = f"{child.name} {how}; start {live.restarts[child.name] + 1} in {pause_s:g} s"
        live.remark(text)
        await live.clock.sleep_true(pause_s)
        live.processes[child.name] = await start(again(child))
        await _until_noted(live, child, text)


async def _ended_or_hangs(live: Live, child: Child) -> bool:
    """Wait until a child ends (False), or the service, which people look at, answers no more (True, R2).

    Control has a watchdog of its own, and a planner that is stuck is told by the age of its plan.
    """
    ending = asyncio.create_task(live.processes[child.name].wait())
    waiting: set[asyncio.Task[Any]] = {ending}
    if child.name == SERVICE:
        waiting.add(asyncio.create_task(_silent(live, child)))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return not ending.done()
    finally:
        for task in waiting:
            task.cancel()


async def _silent(live: Live, child: Child) -> None:
    """Return when there has been no answer for `HANG_S`.

    Asked once more then: it may have been this process that stood still.
    """
    question = _question(live, child)
    while await ready.wait_for(question, live.clock, HANG_S) or await ready.wait_for(
        question, live.clock, ready.TRY_S
    ):
        await live.clock.sleep_true(BEAT_S)


async def _until_noted(live: Live, child: Child, text: str) -> None:
    """Tell control of a restart, and again that the process answers, so that its alarm ends."""

    def note(words: str, *, raised: bool) -> Note:
        return Note(
            id=f"process:{child.name}",
            source="supervisor",
            severity=Severity.ALARM,
            text=words,
            raised=raised,
        )

    async def sends(message: Note) -> bool:
        async with await LinkClient.connect(live.request.state.socket, "supervisor", ready.TRY_S) as client:
            await client.request(message, ready.TRY_S)
            return True

    if not await ready.wait_for(partial(sends, note(text, raised=True)), live.clock, READY_S):
        live.remark(f"control could not be told: {text}")
    if await ready.wait_for(_question(live, child), live.clock, READY_S):
        await live.clock.sleep_true(ALARM_S)
        words = f"{child.name} runs again"
        live.remark(words)
        await ready.wait_for(partial(sends, note(words, raised=False)), live.clock, READY_S)


async def _end_all(live: Live) -> None:
    """End control first, so that it takes no other's end for a failure, and the plant last."""
    for names in ((CONTROL,), (SERVICE, PLANNER), (PLANT,)):
        killed = await end([live.processes[name] for name in names if name in live.processes])
        if killed:
            live.remark(f"{killed} of {', '.join(names)} did not end in time and had to be killed")
