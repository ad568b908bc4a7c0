"""Who may act: what one control sees of others in the devices' registers, and what follows from it.

Pure. Two controls on one machine settle it by files (`seat.py`); on two machines without a shared
folder the registers alone decide: whoever acts writes its epoch and changing commands into them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from vpp.types import Access, Point, Quality, Reading

PATIENCE_SHARE = 0.25
"""Share of the time-to-live without a sign of life after which another control takes over: with its cycle
and its first write on top that is within half of it."""
PATIENCE_CYCLES = 2.0
"""Patience is at least so many control cycles; assumption: one missed tick is no death."""
HOLD_SHARE = 0.75
"""Share of the patience for which a control that has not renewed its lease may still send."""
PARTIAL_PATIENCE = 4.0
"""Times the patience for one that hears fewer than half of what the other commands: it may be cut off itself;
assumption."""
MAX_EPOCH = 2**31
"""A greater number in an epoch register is noise: to believe it would leave no room for the next epoch."""
BLIND_CYCLES = 3
"""Cycles without any answer from the field after which a control that is no standby acts all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """True seconds of the lease."""

    patience_s: float
    """Without a sign of life for so long, the other one counts as gone."""
    hold_s: float
    """So long after its last renewal a control may still send."""


def terms(ttl_s: float, rate: float, cycle_s: float) -> Terms:
    """Return the terms for commands trusted for `ttl_s` plant seconds; `cycle_s` is true seconds."""
    patience_s = max(PATIENCE_SHARE * ttl_s / rate, PATIENCE_CYCLES * cycle_s)
    return Terms(patience_s=patience_s, hold_s=HOLD_SHARE * patience_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one read of the field shows of whoever commands it."""

    heard: int
    """Endpoints with an epoch register that have answered."""
    epoch: int
    """Highest epoch in a register; 0: nobody has ever commanded."""
    twin: str
    """Endpoint that holds this control's epoch with a sequence number it has not sent; empty: none."""
    marks: Mapping[str, tuple[float, ...]]
    """By endpoint its epoch, then its command registers: where they change, somebody is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a control knows of its right to act."""

    active: bool
    number: int
    """Epoch of this control; nobody else ever had it."""
    highest: int
    """Highest epoch seen in a register."""
    since_s: float
    """True second of the last sign of another control, or from when on none was seen."""
    text: str
    """Why it is passive, in words; empty while it acts."""
    marks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cycles: int = 0
    """Reads of the field so far while it was passive."""
    heard: int = 0
    partial: bool = False
    """True while fewer than half of the endpoints that the other one commands are heard."""
    lost: bool = False
    """True where it acted and another took over: it needs a sign of death to act again."""


def commands(points: Sequence[Point]) -> tuple[str, ...]:
    """Return the names of the points that a control writes; empty for a map without an epoch register."""
    names = tuple(point.point for point in points if point.access is Access.WRITE)
    return names if "epoch" in names else ()


def sight(
    watched: Mapping[str, tuple[str, ...]],
    readings: Mapping[str, Reading],
    *,
    since: datetime | None,
    epoch: int,
    sent: Mapping[str, int],
    marking: bool,
) -> Sight:
    """Return what the readings taken at plant time `since` or later show.

    `watched` has the command points by endpoint, `sent` the sequence numbers last sent with `epoch`.
    Marks are collected where `marking` asks for them.
    """
    heard, highest, twin = 0, 0, ""
    marks: dict[str, tuple[float, ...]] = {}
    for name, points in watched.items():
        reading = readings.get(name)
        if reading is None or reading.quality is not Quality.GOOD or "epoch" not in reading.values:
            continue
        if since is not None and (reading.read_at is None or reading.read_at < since):
            continue
        values = reading.values
        heard += 1
        there = int(values["epoch"])
        if highest < there < MAX_EPOCH:
            highest = there
        if there == epoch and values.get("sequence", 0.0) > sent.get(name, 0):
            twin = name
        if marking:
            marks[name] = (float(there), *(values[point] for point in points if point in values))
    return Sight(heard=heard, epoch=highest, twin=twin, marks=marks)


def watch(lease: Lease, seen: Sight, now_s: float) -> Lease:
    """Return the lease after a read of the field.

    An acting control that sees a higher epoch, or its own in somebody else's hand, acts no more. A
    passive one dates every sign of life.
    """
    highest = max(lease.highest, seen.epoch)
    if lease.active:
        if seen.epoch <= lease.number and not seen.twin:
            return replace(lease, highest=highest, heard=seen.heard)
        text = (
            f"epoch {seen.epoch} stands in the registers, this control's is {lease.number}"
            if seen.epoch > lease.number
            else f"another control writes to {seen.twin} with the same epoch {lease.number}"
        )
        return replace(
            lease, active=False, lost=True, highest=highest, since_s=now_s, text=text, marks={}, cycles=0
        )
    alive = any(name in lease.marks and lease.marks[name] != mark for name, mark in seen.marks.items())
    marks = {**lease.marks, **seen.marks}
    commanded = [name for name, mark in marks.items() if mark[0] == highest]
    heard = sum(name in seen.marks for name in commanded)
    return replace(
        lease,
        highest=highest,
        heard=seen.heard,
        cycles=lease.cycles + 1,
        # who hears none of those endpoints has missed every sign
        since_s=now_s if alive or (commanded and not heard) else lease.since_s,
        partial=2 * heard < len(commanded),
        marks=marks,
        text=f"another control acts with epoch {highest}" if alive else lease.text,
    )


def may_claim(lease: Lease, limits: Terms, now_s: float, *, standby: bool) -> bool:
    """Return whether a passive control may begin to act.

    At once where no other has acted since it did itself; else after the patience without a sign of
    life, which needs endpoints that answer: one that hears nothing knows nothing. A control that is
    no standby acts after `BLIND_CYCLES` all the same: a field that is silent does not obey either.
    """
    if lease.active:
        return False
    if lease.heard == 0:
        return not standby and not lease.lost and lease.cycles >= BLIND_CYCLES
    patience_s = limits.patience_s * (PARTIAL_PATIENCE if lease.partial else 1.0)
    ours = lease.highest < lease.number and not lease.lost and (lease.highest > 0 or not standby)
    return ours or (now_s - lease.since_s > patience_s and lease.cycles > 1)
