"""The life of a setpoint, from the chosen value to metered MW: a state machine whose transitions are data.

A life is one value for one device. Control writes it again each second so that the device goes on
trusting it; such a repeat has no second effect and is no new life. An event carries the epoch and
sequence number of the write that it is about: one about an older write changes nothing, and one that has
been seen changes nothing again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from vpp.types import Setpoint


class Stage(StrEnum):
    """How far a value has come."""

    CREATED = "created"
    CLIPPED = "clipped"
    """The envelope allowed another value; the reason says which rule."""
    REFUSED = "refused"
    """The envelope allowed no value: nothing was sent."""
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    """The device answered, and its registers showed the value right after."""
    READ_BACK = "read_back"
    """A later poll shows the value."""
    METERED = "metered"
    """The device does it: success."""
    FAILED = "failed"
    """The device answered by an exception, or wrongly, or there was no connection: not done."""
    UNKNOWN = "unknown"
    """No answer in time: it may have been done. A later poll tells."""
    EXPIRED = "expired"
    """Nobody repeated it within its time-to-live: the device no longer trusts it."""
    SUPERSEDED = "superseded"
    """Another value took its place."""
    FOREIGN = "foreign"
    """Another master's value stands in the device's registers."""
    LOST = "lost"
    """The device restarted and forgot it."""


class Event(StrEnum):
    """What can happen to a value."""

    CLIP = "clip"
    REFUSE = "refuse"
    SEND = "send"
    ACKNOWLEDGE = "acknowledge"
    FAIL = "fail"
    TIME_OUT = "time_out"
    SHOW = "show"
    """A poll after the write shows it in the registers."""
    METER = "meter"
    """A good reading shows that it is done."""
    STRAY = "stray"
    """A good reading shows that it is no longer done."""
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    INTRUDE = "intrude"
    """A poll shows a value that control never sent."""
    FORGET = "forget"
    """A poll shows registers as after a restart of the device."""


_OPEN = (Stage.SENT, Stage.ACKNOWLEDGED, Stage.READ_BACK, Stage.METERED, Stage.FAILED, Stage.UNKNOWN)
"""Stages of a value that is on its way or in force."""
_ENDS: Mapping[Event, Stage] = {
    Event.EXPIRE: Stage.EXPIRED,
    Event.SUPERSEDE: Stage.SUPERSEDED,
    Event.INTRUDE: Stage.FOREIGN,
    Event.FORGET: Stage.LOST,
}
TRANSITIONS: Mapping[tuple[Stage, Event], Stage] = {
    (Stage.CREATED, Event.CLIP): Stage.CLIPPED,
    (Stage.CREATED, Event.REFUSE): Stage.REFUSED,
    (Stage.CREATED, Event.SEND): Stage.SENT,
    (Stage.CLIPPED, Event.SEND): Stage.SENT,
    (Stage.CLIPPED, Event.REFUSE): Stage.REFUSED,
    (Stage.SENT, Event.ACKNOWLEDGE): Stage.ACKNOWLEDGED,
    (Stage.SENT, Event.SHOW): Stage.READ_BACK,
    (Stage.ACKNOWLEDGED, Event.SHOW): Stage.READ_BACK,
    (Stage.READ_BACK, Event.METER): Stage.METERED,
    (Stage.METERED, Event.STRAY): Stage.READ_BACK,
    (Stage.FAILED, Event.ACKNOWLEDGE): Stage.ACKNOWLEDGED,
    (Stage.FAILED, Event.SHOW): Stage.READ_BACK,
    (Stage.UNKNOWN, Event.ACKNOWLEDGE): Stage.ACKNOWLEDGED,
    (Stage.UNKNOWN, Event.SHOW): Stage.READ_BACK,
    **{(stage, Event.FAIL): Stage.FAILED for stage in _OPEN if stage is not Stage.FAILED},
    **{(stage, Event.TIME_OUT): Stage.UNKNOWN for stage in _OPEN if stage is not Stage.UNKNOWN},
    **{(stage, event): end for stage in _OPEN for event, end in _ENDS.items()},
}
"""What is not named here changes nothing. A repeat may fail or time out too, from any stage."""
ENDED = frozenset({Stage.REFUSED, *_ENDS.values()})
"""Stages that nothing leaves."""


MOST_OPEN = 16
"""Values that a device may have taken or not, of which control remembers so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One value for one device."""

    setpoint: Setpoint
    """Its latest write: value, epoch, sequence, time-to-live."""
    first: int
    """Sequence number of its first write."""
    maybe_mw: tuple[float, ...] = ()
    """Values sent before that registers may still show: a poll can be late, a write not done."""
    stage: Stage = Stage.CREATED

    @property
    def ended(self) -> bool:
        """True where nothing more can happen to it."""
        return self.stage in ENDED

    @property
    def expires_at(self) -> datetime:
        """Plant time from which the device trusts it no longer."""
        return self.setpoint.issued_at + timedelta(seconds=self.setpoint.ttl_s)


def after(life: Life, event: Event, *, epoch: int, sequence: int) -> Life:
    """Return the life after an event about the write of that epoch and sequence number.

    The same object comes back where the event changes nothing: it is about another write than the last,
    the stage does not know it, or it is a repeat.
    """
    if (epoch, sequence) != (life.setpoint.epoch, life.setpoint.sequence):
        return life
    to = TRANSITIONS.get((life.stage, event))
    return life if to is None else replace(life, stage=to)


def repeats(life: Life, setpoint: Setpoint) -> bool:
    """Return whether a new write is a repeat: the same value for the device, from the same control."""
    was = life.setpoint
    return (
        not life.ended
        and was.epoch == setpoint.epoch
        and was.p_mw == setpoint.p_mw
        and was.q_mvar == setpoint.q_mvar
        and was.h2_kg_per_h == setpoint.h2_kg_per_h
        and was.warm_stacks == setpoint.warm_stacks
        and was.reversion_mw == setpoint.reversion_mw
    )


def repeated(life: Life, setpoint: Setpoint) -> Life:
    """Return a life whose value was written once more: trusted for longer, at the same stage."""
    return replace(life, setpoint=setpoint)


def begun(setpoint: Setpoint, last: Life | None) -> Life:
    """Return the life of a new value."""
    maybe: tuple[float, ...] = ()
    if last is not None:
        sure = last.stage in (Stage.ACKNOWLEDGED, Stage.READ_BACK, Stage.METERED, Stage.SUPERSEDED)
        maybe = (*(last.maybe_mw[-1:] if sure else last.maybe_mw[-MOST_OPEN:]), last.setpoint.p_mw)
    return Life(setpoint=setpoint, first=setpoint.sequence, maybe_mw=maybe)
