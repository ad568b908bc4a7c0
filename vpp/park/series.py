"""CSV import of a measured or forecast series: every doubt is refused in words, never guessed away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from vpp.errors import Fault, InvalidInput
from vpp.park.model import CsvProfile
from vpp.park.series_entry import Gaps, Label, SeriesEntry, Unit
from vpp.park.series_file import Lines, read_cells, read_values
from vpp.park.series_quality import fill_gaps, frozen_stretches, judge_power
from vpp.park.stamps import Say, open_zone, parse_stamps, place, speaker, step_of
from vpp.park.tables import quoted
from vpp.types import Array


def read_series(
    path: Path | str,
    *,
    resource: str,
    column: str,
    unit: Unit,
    zone: str | None,
    label: Label,
    time_column: str = "time",
    step_min: float | None = None,
    gaps: Gaps = "refuse",
    max_gap_min: float | None = None,
    rated_mw: float | None = None,
    scale_to_mw: float | None = None,
) -> CsvProfile:
    """Return column `column` of the CSV file `path` as interval means in MW.

    `rated_mw` is the rating of the measured plant and guards the unit; with `scale_to_mw` the series
    is scaled from the one to the other. The fields mean what `SeriesEntry` says.

    Raises:
        InvalidInput: every fault with its row: no such file or column, stamps without a zone,
            repeats, gaps, steps back, wrong step, values that are no numbers or break the rating.

    """
    entry = SeriesEntry(
        resource=resource,
        file=str(path),
        column=column,
        unit=unit,
        label=label,
        time_column=time_column,
        zone=zone,
        step_min=step_min,
        gaps=gaps,
        max_gap_min=max_gap_min,
        rated_mw=rated_mw,
        scale_to_mw=scale_to_mw,
    )
    faults: list[Fault] = []
    profile = import_series(Path(path), entry, faults)
    if profile is None or faults:
        raise InvalidInput(tuple(faults))
    return profile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """The stamps of a file on their grid."""

    start: int
    """Seconds since 1970 UTC."""
    step_s: int
    index: list[int]
    line_of: npt.NDArray[np.int64]
    """Line of each step, 0 in gaps."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What several series of one file share, so that a year of fifty plants is read and placed once."""

    files: dict[Path, Lines] = field(default_factory=dict)
    grids: dict[tuple[Path, str, str | None, float | None], _Grid] = field(default_factory=dict)
    values: dict[tuple[Path, str, str, Unit, Gaps], Array] = field(default_factory=dict)


def import_series(
    path: Path, entry: SeriesEntry, faults: list[Fault], seen: Seen | None = None
) -> CsvProfile | None:
    """Return the series that `entry` describes from the file `path`, or None with faults."""
    before, seen = len(faults), seen or Seen()
    in_file = speaker(entry.file, None, faults)
    in_value = speaker(entry.file, entry.column, faults)
    zone = open_zone(entry.zone) if entry.zone is not None else None
    _judge_entry(entry, zone is not None, in_file)
    read = None if len(faults) > before else _read(path, entry, zone, seen, faults)
    if read is None:
        return None
    grid, values = read
    on_grid = np.full(len(grid.line_of), np.nan)
    on_grid[grid.index] = values
    filled, held = fill_gaps(on_grid, grid.line_of, entry, grid.step_s, in_value)
    if len(faults) > before:
        return None
    p_mw, repaired = judge_power(filled, entry, in_value)
    if len(faults) > before:
        return None
    start = grid.start - (grid.step_s if entry.label == "end" else 0)
    warnings = [*held, *repaired, *frozen_stretches(p_mw, start, grid.step_s)]
    return CsvProfile(
        resource=entry.resource,
        file=entry.file,
        start_epoch_s=float(start),
        step_s=float(grid.step_s),
        p_mw=p_mw,
        warnings=tuple(f"{entry.file}: {text}" for text in warnings),
    )


def _read(
    path: Path, entry: SeriesEntry, zone: ZoneInfo | None, seen: Seen, faults: list[Fault]
) -> tuple[_Grid, Array] | None:
    """Return the grid of the stamps and the values in MW, from what was seen where it holds them."""
    stamps_of = (path, entry.time_column, entry.zone, entry.step_min)
    values_of = (path, entry.time_column, entry.column, entry.unit, entry.gaps)
    if stamps_of in seen.grids and values_of in seen.values:
        return seen.grids[stamps_of], seen.values[values_of]
    before = len(faults)
    rows = read_cells(path, entry, faults, seen.files)
    if rows is None:
        return None
    in_time = speaker(entry.file, entry.time_column, faults)
    known = seen.grids.get(stamps_of)
    times = [] if known else parse_stamps(((line, time) for line, time, _ in rows), zone, in_time)
    values = read_values(rows, entry, speaker(entry.file, entry.column, faults))
    if len(faults) > before or values is None:
        return None
    grid = known or _grid(times, entry.step_min, in_time)
    if grid is None:
        return None
    seen.grids[stamps_of], seen.values[values_of] = grid, values
    return grid, values


def _grid(times: Sequence[tuple[int, int]], step_min: float | None, say: Say) -> _Grid | None:
    step_s = step_of(times, step_min, say)
    index = None if step_s is None else place(times, step_s, say)
    if step_s is None or index is None:
        return None
    line_of = np.zeros(index[-1] + 1, dtype=np.int64)
    line_of[index] = [line for line, _ in times]
    return _Grid(start=times[0][1], step_s=step_s, index=index, line_of=line_of)


def span(profile: CsvProfile) -> str:
    """Return in words which time a series covers, in UTC."""
    start = datetime.fromtimestamp(profile.start_epoch_s, tz=timezone.utc)
    end = datetime.fromtimestamp(profile.start_epoch_s + len(profile.p_mw) * profile.step_s, tz=timezone.utc)
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def uncovered(profile: CsvProfile, first: datetime, last: datetime) -> Fault | None:
    """Return the fault of a series that does not reach from `first` to `last`, or None."""
    start, end = profile.start_epoch_s, profile.start_epoch_s + len(profile.p_mw) * profile.step_s
    if start <= first.timestamp() and last.timestamp() <= end:
        return None
    asked = " to ".join(f"{t.astimezone(timezone.utc):%Y-%m-%d %H:%M}" for t in (first, last))
    return Fault(
        file=profile.file,
        wrong=f"no values of {profile.resource} for all of {asked} UTC",
        expected=f"a time within {span(profile)}",
    )


def _judge_entry(entry: SeriesEntry, zone_known: bool, say: Say) -> None:
    if entry.zone is not None and not zone_known:
        say(None, f"zone {quoted(entry.zone)}", "an IANA zone such as Asia/Shanghai")
    if entry.gaps == "hold" and entry.max_gap_min is None:
        say(None, 'gaps = "hold" without max_gap_min', "the longest gap that may be filled")
    if entry.scale_to_mw is not None and entry.rated_mw is None:
        say(None, "scale_to_mw without rated_mw", "the rating of the measured plant")
