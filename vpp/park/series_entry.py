"""What `[[profile]]` of `park.toml` declares of a series."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

Positive = Annotated[float, Gt(0)]
Unit = Literal["W", "kW", "MW"]
Label = Literal["start", "end"]
Gaps = Literal["refuse", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesEntry:
    """`[[profile]]` of `park.toml`: one column of a CSV file feeds one resource or load."""

    resource: str
    file: str
    """Path in the park folder, or absolute; `.csv` or `.csv.gz`."""
    column: str
    unit: Unit
    label: Label
    """Whether a stamp names the start or the end of its interval."""
    time_column: str = "time"
    zone: str | None = None
    """IANA zone of stamps without an offset."""
    step_min: Positive | None = None
    """None: the most frequent distance of stamps."""
    gaps: Gaps = "refuse"
    max_gap_min: Positive | None = None
    """Longest gap that `hold` may fill."""
    rated_mw: Positive | None = None
    """Rating of the measured plant; None: the rating of the resource that it feeds."""
    scale_to_mw: Positive | None = None
    """Every value is taken times scale_to_mw / rated_mw; None: as measured."""
