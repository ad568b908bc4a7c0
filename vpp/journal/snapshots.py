"""One snapshot a second, packed: names once per segment, then numbers.

Numbers are float32, which holds what a register holds; counters and ages are float64.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from vpp.journal.reading import read
from vpp.journal.segments import Journal, Record
from vpp.types import Quality, Snapshot

QUALITIES = tuple(Quality)
SETPOINT_COLUMNS = ("p_mw", "h2_kg_per_h", "sequence")
_COUNTERS = ("energy_", "starts_", "delivered_", "heartbeat")

Layout = tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]
"""((endpoint, points), ...) and the devices that have a setpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSnapshot:
    """A cycle as the journal keeps it."""

    at: datetime
    rate: float
    cycle: int
    epoch: int
    plan_id: str | None
    following: str
    tie_mean_mw: float
    tie_limit_mw: float
    month_peak_mw: float
    missed_ticks: int
    dropped_plans: int
    values: Mapping[str, Mapping[str, float]]
    """By endpoint and point; a point that was not read is left out."""
    quality: Mapping[str, Quality]
    setpoints: Mapping[str, Mapping[str, float]]
    """By device `p_mw`, `h2_kg_per_h`, `sequence` of the last command."""
    began_at: datetime | None = None
    """Plant time that the cycle acted on; None in journals older than this field."""
    true_s: float = math.nan
    """Monotonic second at which it decided."""
    age_s: Mapping[str, float] = field(default_factory=dict)
    """By endpoint the age of its values at `began_at`, below 0 where they were read since; empty in
    journals older than this field."""
    sent_at: datetime | None = None
    """Plant time at which it began to send; None where it sent nothing."""


def _layout(snapshot: Snapshot) -> Layout:
    readings = tuple((name, tuple(reading.values)) for name, reading in snapshot.readings.items())
    return readings, tuple(snapshot.setpoints)


@cache
def _struct(layout: Layout, age: str) -> struct.Struct:
    """Return the packing of a cycle, whose ages are of type `age`: d, f in older journals, none before."""
    codes = ["<"]
    for _, points in layout[0]:
        codes += ["B", *("d" if p.startswith(_COUNTERS) else "f" for p in points)]
    return struct.Struct("".join(codes) + "ffd" * len(layout[1]) + age * len(layout[0]))


class SnapshotLog:
    """Packs snapshots into a journal; writes the layout again when it or the segment changes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._layout: Layout | None = None
        self._segment = -1

    def append(self, snapshot: Snapshot, sent_at: datetime | None = None) -> None:
        """Append one cycle, which began to send at `sent_at`; None where it sent nothing."""
        layout = _layout(snapshot)
        if layout != self._layout or self._journal.segment != self._segment:
            self._layout, self._segment = layout, self._journal.segment
            self._journal.append("layout", layout)
        numbers: list[float] = []
        for reading in snapshot.readings.values():
            numbers.append(QUALITIES.index(reading.quality))
            numbers += reading.values.values()
        for setpoint in snapshot.setpoints.values():
            numbers += (setpoint.p_mw, setpoint.h2_kg_per_h, setpoint.sequence)
        for reading in snapshot.readings.values():
            # not the reading's own age, which is never below 0: counters are moved by the true one
            read_at = reading.read_at
            numbers.append((snapshot.at - read_at).total_seconds() if read_at is not None else math.inf)
        head = (
            snapshot.cycle,
            snapshot.epoch,
            snapshot.plan_id,
            snapshot.following,
            snapshot.tie_mean_mw,
            snapshot.tie_limit_mw,
            snapshot.month_peak_mw,
            snapshot.missed_ticks,
            snapshot.dropped_plans,
            snapshot.at.isoformat(),
            snapshot.true_s,
            sent_at.isoformat() if sent_at is not None else None,
        )
        self._journal.append("snapshot", (head, _struct(layout, "d").pack(*numbers)))


def snapshots(
    folder: Path, since: datetime | None = None, until: datetime | None = None
) -> Iterator[LoggedSnapshot]:
    """Yield every logged cycle of a journal in order, those of plant time [since, until] where given."""
    layout: Layout | None = None
    for record in read(folder):
        if record.kind == "layout":
            readings, devices = record.value
            layout = tuple((name, tuple(points)) for name, points in readings), tuple(devices)
        elif record.kind != "snapshot" or layout is None:
            continue
        elif (since is None or since <= record.at) and (until is None or record.at <= until):
            yield _unpack(record, layout)


def _unpack(record: Record, layout: Layout) -> LoggedSnapshot:
    head, packed = record.value
    age = next(age for age in ("d", "f", "") if _struct(layout, age).size == len(packed))
    numbers = iter(_struct(layout, age).unpack(packed))
    values: dict[str, dict[str, float]] = {}
    quality: dict[str, Quality] = {}
    for name, points in layout[0]:
        quality[name] = QUALITIES[int(next(numbers))]
        row = {point: next(numbers) for point in points}
        values[name] = {point: x for point, x in row.items() if math.isfinite(x)}
    setpoints = {d: {c: next(numbers) for c in SETPOINT_COLUMNS} for d in layout[1]}
    age_s = {name: next(numbers) for name, _ in layout[0]} if age else {}
    cycle, epoch, plan_id, following, mean, limit, peak, missed, dropped = head[:9]
    later: tuple[Any, ...] = (*head[9:], *(None, math.nan, None)[len(head) - 9 :])
    began_at, true_s, sent_at = later
    return LoggedSnapshot(
        at=record.at,
        rate=record.rate,
        cycle=cycle,
        epoch=epoch,
        plan_id=plan_id,
        following=following,
        tie_mean_mw=mean,
        tie_limit_mw=limit,
        month_peak_mw=peak,
        missed_ticks=missed,
        dropped_plans=dropped,
        values=values,
        quality=quality,
        setpoints=setpoints,
        began_at=datetime.fromisoformat(began_at) if began_at else None,
        true_s=true_s,
        age_s=age_s,
        sent_at=datetime.fromisoformat(sent_at) if sent_at else None,
    )
