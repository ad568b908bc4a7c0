"""The control process from inside: its place beside another one, its cycles, its journal on disk."""

import asyncio
import signal
import sys
import traceback

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from controllers.acting.guarded import GuardedField
from controllers.acting.modbus_field import ModbusField, end
from controllers.acting.seat import Seat
from controllers.acting.upkeep import Upkeep
from controllers.acting.watchdog import Watchdog
from vpp.clock import RealClock
from vpp.errors import DeviceFailure
from vpp.journal import Journal
from vpp.link import LinkServer, Message, Note
from vpp.ntp import wall_error_s
from vpp.park import Park, load_park, with_port_base
from vpp.state_dir import StateDir
from vpp.types import Reply, Severity

SYNC_EVERY_S = 10.0
"""True seconds between two times that the journal is forced to disk, in a thread; assumption."""
UPKEEP_EVERY_S = 10.0
"""True seconds between two looks at file handles, memory and the wall clock; assumption."""
NEARLY = 1e-6
"""Share of a period by which rounding may put its begin before its time."""
PROBE_S = 0.1
"""True seconds between two looks of a spare control at the lease of the other."""


class Post:
    """A control process at its place: it holds its folder, or is the spare of the one that does."""

    def __init__(self, state: StateDir, park: Park, clock: RealClock, field: ModbusField, seat: Seat) -> None:
        self._state, self._park, self._clock, self.seat = state, park, clock, seat
        self._field = GuardedField(field, seat, clock)
        self.journal: Journal
        self.server: LinkServer
        self.control: Control

    async def begin(self) -> None:
        """Take the journal, memory and socket that belong to the place it has now."""
        state, seat = self._state, self.seat
        if seat.renew():
            self.journal = Journal(state.journal, self._clock, may_write=seat.owns)
            path = state.socket
            # whoever served it has lost the folder; a stopped process would still accept
            path.unlink(missing_ok=True)
        else:
            state.standby.mkdir(mode=0o700, exist_ok=True)
            self.journal = Journal(state.standby / "journal", self._clock)
            path = state.standby / "control.sock"
        self._build()
        self.server = LinkServer(path, self._take, lambda: self.control.reads)
        await self.server.start()

    def _build(self) -> None:
        """Begin anew with what the folder remembers; the first cycle reads before it writes."""
        if self.seat.holds:
            self._state.epoch.write_text(f"{self.seat.lease.number}\n")
        self.control = build_control(
            self._park,
            self._field,
            self._clock,
            self.journal,
            epoch=self.seat.lease.number,
            state=self._state if self.seat.holds else None,
            seat=self.seat,
        )

    async def _take(self, message: Message) -> Message:
        """Take a message from the link; a bug in what it sets off is told, and stops nothing else (R10)."""
        try:
            return await self.control.take(message)
        except Exception as bug:
            # the outermost edge towards peers: raised further it would end a task that nobody awaits
            text = f"{type(message).__name__} could not be taken: {type(bug).__name__}: {bug}"
            sys.stderr.write(f"control: {text}\n{traceback.format_exc()}")
            note = Note(id="control:bug", source="control", severity=Severity.ALARM, text=text, raised=True)
            await self.control.take(note)
            return Reply(id=getattr(message, "id", ""), accepted=False, reason=text)

    async def end(self, why: str) -> None:
        """Leave the place; the devices keep their last command."""
        await self.server.stop()
        self.journal.append("stop", {"reason": why})
        self.journal.close()

    async def settle(self) -> None:
        """Renew the lease or try to get it, and change places where that has changed."""
        held = self.seat.holds
        if self.seat.renew() if held else self.seat.take():
            if held:
                return
            why = "takes over the folder"
        elif held:
            why = "has lost the folder to another control"
        else:
            return
        await self.end(why)
        await self.begin()

    async def cycle(self) -> None:
        """Run one cycle and publish it; begin anew, and at once, where it may act from now on."""
        self.control.connected(self.server.roles)
        self.server.publish(await self.control.cycle())
        if self.seat.due:
            self._build()
            self.server.publish(await self.control.cycle())

    async def rest(self, until_s: float) -> None:
        """Wait for the next tick; a spare looks meanwhile whether the other one is gone."""
        while (left_s := until_s - self._clock.true_s()) > 0:
            if self.seat.holds:
                await self._clock.sleep_true(left_s)
            elif self.seat.take():
                await self.end("takes over the folder")
                await self.begin()
                return
            else:
                await self._clock.sleep_true(min(PROBE_S, left_s))


async def tick(post: Post, clock: RealClock, cycle_s: float) -> None:
    """Run a cycle in each period of a fixed grid of true time; a period without one is counted for good.

    A cycle that takes a little longer than its period is followed by the next at once: to wait for the
    grid would leave the plant without control for two periods.
    """
    start, last = clock.true_s(), -1
    while True:
        period = int((clock.true_s() - start) / cycle_s + NEARLY)
        post.control.count_missed(max(period - last - 1, 0))
        last = period
        await post.settle()
        await post.cycle()
        await post.rest(start + (last + 1) * cycle_s)


async def sync(post: Post, clock: RealClock) -> None:
    """Force the journal to disk now and then, away from the control loop."""
    while True:
        await clock.sleep_true(SYNC_EVERY_S)
        await asyncio.to_thread(post.journal.sync)


async def look_after(post: Post, clock: RealClock, watchdog: Watchdog, upkeep: Upkeep) -> None:
    """Raise what the process finds wrong with itself and its machine as alarms."""
    blocked, standing = 0, False
    while True:
        await clock.sleep_true(UPKEEP_EVERY_S)
        notes = upkeep.look()
        if watchdog.blocked > blocked or standing:
            standing = watchdog.blocked > blocked
            text = f"the loop of control was blocked, {watchdog.blocked} times so far; see control.log"
            notes.append(
                Note(id="control:loop", source="control", severity=Severity.ALARM, text=text, raised=standing)
            )
        blocked = watchdog.blocked
        for note in notes:
            await post.control.take(note)


async def serve(state: StateDir, *, standby: bool = False) -> None:
    """Run control until SIGTERM or SIGINT; the devices keep their last command.

    DeviceFailure where another control acts for this folder and this one is no standby.
    """
    settings = state.read_settings()
    clock = RealClock(settings.schedule)
    park = load_park(settings.park)
    if settings.port_base is not None:
        park = with_port_base(park, settings.port_base)
    state.prepare()
    seat = Seat(state.lease, park, clock, standby=standby)
    if not seat.take() and not standby:
        raise DeviceFailure(
            f"another control process runs in {state.root}; stop it first, or add --standby to wait behind it"
        )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with ModbusField(park, clock) as field:
        post = Post(state, park, clock, field, seat)
        await post.begin()
        # a simulated plant's time is its own: no stamp of it must fit another system's
        upkeep = Upkeep(clock, (lambda: 0.0) if settings.simulated else wall_error_s)
        with Watchdog(clock) as watchdog:
            tasks = [
                asyncio.create_task(tick(post, clock, park.horizon.cycle_s), name="tick"),
                asyncio.create_task(sync(post, clock), name="sync"),
                asyncio.create_task(watchdog.show_life(), name="watchdog"),
                asyncio.create_task(look_after(post, clock, watchdog, upkeep), name="upkeep"),
                asyncio.create_task(_wait(ended), name="end"),
            ]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await end(tasks)
        await post.end("asked to end" if ended.is_set() else "a task failed")
    for task in done:
        task.result()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
