"""What service knows of the running park: the newest snapshot, the plan in force, what changed.

Fed by control's link; service never asks a device. One task owns a feed, readers wait for changes.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vpp.clock import Clock
from vpp.errors import DeviceFailure, Mismatch, TimedOut
from vpp.link import LinkClient, Message
from vpp.park.fingerprint import fingerprint
from vpp.park.model import Park
from vpp.types import Alarm, Plan, Snapshot

TREND_S = 2 * 3600
"""Plant seconds of the tie's trend on the page."""
TREND_STEP_S = 15
"""Plant seconds between two points of it."""
EVENTS = 500
"""Raised and cleared alarms kept for pages that reconnect."""
SILENCE_S = 5.0
"""True seconds without a snapshot after which the link counts as lost: five cycles."""
CONNECT_S = 2.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvent:
    """An alarm that came or went."""

    sequence: int
    at: datetime
    """Plant time of the cycle that showed it."""
    raised: bool
    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One point of the tie's trend, import positive."""

    at: datetime
    import_mw: float
    limit_mw: float


class Feed:
    """The newest state, its short history, and the way to reach control."""

    def __init__(self, read_plan: Callable[[], Plan | None], tie: str) -> None:
        self._read_plan, self._tie = read_plan, tie
        self._client: LinkClient | None = None
        self._changed = asyncio.Event()
        self.birth = secrets.token_hex(4)
        self.snapshot: Snapshot | None = None
        self.plan: Plan | None = None
        self.lost: str | None = "control has not been reached yet"
        self.version = 0
        self.events: deque[AlarmEvent] = deque(maxlen=EVENTS)
        self.trend: deque[TrendPoint] = deque(maxlen=TREND_S // TREND_STEP_S)
        self.sequence = 0
        self.closed = False
        self.watchers: list[Callable[[Snapshot], None]] = []
        """Told every snapshot."""

    def attach(self, client: LinkClient) -> None:
        """Use this connection for requests from now on."""
        self._client = client

    def take(self, snapshot: Snapshot) -> None:
        """Make `snapshot` the newest; compare its alarms, extend the trend, look for its plan."""
        self._compare_alarms(snapshot)
        self.snapshot, self.lost = snapshot, None
        reading = snapshot.readings.get(self._tie)
        import_mw = reading.values.get("p_mw") if reading else None
        due = not self.trend or abs((snapshot.at - self.trend[-1].at).total_seconds()) >= TREND_STEP_S
        if import_mw is not None and due:
            point = TrendPoint(at=snapshot.at, import_mw=import_mw, limit_mw=snapshot.tie_limit_mw)
            self.trend.append(point)
        if snapshot.plan_id is None:
            self.plan = None
        elif self.plan is None or self.plan.id != snapshot.plan_id:
            found = self._read_plan()
            self.plan = found if found is not None and found.id == snapshot.plan_id else None
        for watch in self.watchers:
            watch(snapshot)
        self._tell()

    def lose(self, why: str) -> None:
        """Note that control cannot be reached; the last snapshot stays, marked as old."""
        self._client, self.lost = None, why
        self._tell()

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self._tell()

    async def request(self, message: Message, timeout_s: float) -> Message:
        """Send a command to control; DeviceFailure at once where it is not there."""
        if self._client is None:
            raise DeviceFailure(f"control is not there, nothing was queued: {self.lost}")
        return await self._client.request(message, timeout_s)

    async def changed(self, version: int, timeout_s: float) -> bool:
        """Wait until there is something newer than `version`; False after `timeout_s` true seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.version == version:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def events_after(self, sequence: int) -> list[AlarmEvent]:
        """Return the alarm events after a sequence number, oldest first."""
        return [event for event in self.events if event.sequence > sequence]

    def _compare_alarms(self, snapshot: Snapshot) -> None:
        before = {alarm.id: alarm for alarm in self.snapshot.alarms} if self.snapshot else {}
        now = {alarm.id: alarm for alarm in snapshot.alarms}
        came = [(True, now[id_]) for id_ in now if id_ not in before]
        went = [(False, before[id_]) for id_ in before if id_ not in now]
        for raised, alarm in (*came, *went):
            self.sequence += 1
            event = AlarmEvent(sequence=self.sequence, at=snapshot.at, raised=raised, alarm=alarm)
            self.events.append(event)

    def _tell(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()


async def follow(feed: Feed, socket: Path, clock: Clock, park: Park) -> None:
    """Keep a feed connected to control until cancelled, with growing pauses between tries.

    Returns where control reads another park and the folder has changed since this process read it: one
    that starts anew reads what control reads.
    """
    tries = 0
    while True:
        try:
            async with await LinkClient.connect(socket, "service", CONNECT_S, park.fingerprint) as client:
                feed.attach(client)
                snapshots = client.snapshots()
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        feed.take(await anext(snapshots))
                    tries = 0
        except TimeoutError:
            feed.lose(f"control has been silent for {SILENCE_S:g} s")
        except Mismatch as other:
            feed.lose(str(other))
            if fingerprint(Path(park.folder)) != park.fingerprint:
                return
        except (DeviceFailure, TimedOut) as gone:
            feed.lose(str(gone))
        await clock.sleep_true(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
        tries += 1
