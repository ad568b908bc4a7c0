"""The page's one event stream: states at most twice a second, alarms at once, a beat in silence."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import msgspec

from vpp.clock import Clock
from vpp.park.model import Park
from vpp.service.api_feed import AlarmEvent, Feed
from vpp.service.console.view import live_view

PERIOD_S = 0.5
"""True seconds between two states of one page, at least."""
BEAT_S = 2.0
"""True seconds of silence after which a beat is sent, so that the page can tell it from a cut."""


async def events(park: Park, feed: Feed, clock: Clock, last_id: str | None) -> AsyncIterator[bytes]:
    """Yield the frames of one stream until the feed closes.

    `last_id` is the Last-Event-ID of a page that comes back: it first gets the alarm events it
    missed. An id of another service process gets every event that is still known.
    """
    sequence, version = _resume(feed, last_id), -1
    while not feed.closed:
        news = feed.events_after(sequence)
        for event in news:
            sequence = event.sequence
            yield _frame("alarm", _alarm(park, event), f"{feed.birth}-{sequence}")
        version, lost = feed.version, feed.lost
        yield _state(park, feed, f"{feed.birth}-{sequence}")
        due_s = clock.true_s() + PERIOD_S
        while not await feed.changed(version, BEAT_S):
            yield b": beat\n\n"
        while not feed.closed and (feed.sequence, feed.lost) == (sequence, lost):
            if (rest_s := due_s - clock.true_s()) <= 0:
                break
            await feed.changed(feed.version, rest_s)


def _resume(feed: Feed, last_id: str | None) -> int:
    birth, _, number = (last_id or "").partition("-")
    if last_id is None:
        return feed.sequence
    return int(number) if birth == feed.birth and number.isdigit() and len(number) < 16 else 0


def _state(park: Park, feed: Feed, id_: str) -> bytes:
    view = None
    if feed.snapshot is not None:
        view = live_view(park, feed.snapshot, feed.plan, feed.trend)
    return _frame("state", {"lost": feed.lost, "view": view}, id_)


def _alarm(park: Park, event: AlarmEvent) -> dict[str, object]:
    at = event.at.astimezone(ZoneInfo(park.site.zone)).isoformat(timespec="seconds")
    alarm = event.alarm
    return {
        "raised": event.raised,
        "at": at,
        "id": alarm.id,
        "severity": alarm.severity,
        "source": alarm.source,
        "text": alarm.text,
    }


def _frame(name: str, value: object, id_: str) -> bytes:
    """Return one event; JSON holds no raw line breaks, so one data line is enough."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (id_.encode(), name.encode(), msgspec.json.encode(value))
