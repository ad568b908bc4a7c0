"""What was seen of a run: a frame per control cycle, the devices' own log, the answers of control."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hil.expect import Expect, Shown
from vpp.park import Park
from vpp.types import Reply, ShedReport, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One cycle, as control published it."""

    at: datetime
    true_s: float
    alarms: Mapping[str, tuple[str, str]]
    """By id severity and words."""
    quality: Mapping[str, str]
    values: Mapping[str, Mapping[str, float]]
    """By endpoint the points that are asked for."""
    setpoints: Mapping[str, float]
    following: str
    tie_limit_mw: float
    missed_ticks: int


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What a verdict may use; `watch` and `note` add to it."""

    start: datetime
    """Where the scenario's minutes begin."""
    tie: str
    """Id of the tie's meter."""
    devices: tuple[str, ...]
    """Who must have a command, or have reverted, at every second."""
    points: Mapping[str, frozenset[str]]
    """By endpoint what a frame keeps beside `p_mw`."""
    frames: list[Frame] = field(default_factory=list)
    log: list[tuple[datetime, Mapping[str, object]]] = field(default_factory=list)
    answers: list[Reply | ShedReport] = field(default_factory=list)

    def watch(self, snapshot: Snapshot) -> None:
        """Keep a cycle."""
        values = {}
        for name, reading in snapshot.readings.items():
            wanted = self.points.get(name, _ALWAYS)
            values[name] = {point: x for point, x in reading.values.items() if point in wanted}
        self.frames.append(
            Frame(
                at=snapshot.at,
                true_s=snapshot.true_s,
                alarms={alarm.id: (alarm.severity, alarm.text) for alarm in snapshot.alarms},
                quality={name: reading.quality for name, reading in snapshot.readings.items()},
                values=values,
                setpoints={name: setpoint.p_mw for name, setpoint in snapshot.setpoints.items()},
                following=snapshot.following,
                tie_limit_mw=snapshot.tie_limit_mw,
                missed_ticks=snapshot.missed_ticks,
            )
        )

    def note(self, at: datetime, record: Mapping[str, object]) -> None:
        """Keep an event of the device log."""
        self.log.append((at, record))

    def read_log(self, path: Path) -> None:
        """Take the device log of a run over Modbus; a line that was torn is left out."""
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            self.log.append((datetime.fromisoformat(record["at"]), record))

    def digest(self) -> str:
        """Return the SHA-256 of all frames without true time, and of the log: equal runs, equal digests."""
        summed = hashlib.sha256()
        for f in self.frames:
            row = (f.at, f.alarms, f.quality, f.values, f.setpoints, f.following, f.tie_limit_mw)
            summed.update(repr(row).encode())
        for at, record in self.log:
            summed.update(repr((at, sorted(record.items(), key=lambda item: item[0]))).encode())
        return summed.hexdigest()


_ALWAYS = frozenset({"p_mw"})


def evidence_for(park: Park, expects: Iterable[Expect], start: datetime) -> Evidence:
    """Return empty evidence that keeps what the expectations ask for."""
    tie = next(name for name, meter in park.meters.items() if meter.kind == "tie")
    points: dict[str, frozenset[str]] = {tie: _ALWAYS | {"energy_in_mwh"}}
    for expect in expects:
        if isinstance(expect, Shown):
            points[expect.endpoint] = points.get(expect.endpoint, _ALWAYS).union(expect.points)
    return Evidence(start=start, tie=tie, devices=tuple(park.resources), points=points)
