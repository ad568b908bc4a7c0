"""CSV import of measured or forecast series."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesEntry:
    """`[[profile]]` of `park.toml`: one column of a CSV file feeds one resource or load."""

    resource: str
    file: str
    """Path in the park folder, or absolute; `.csv` or `.csv.gz`."""
    column: str
    unit: Literal["W", "kW", "MW"]
    label: Literal["start", "end"]
    """Whether a stamp names the start or the end of its interval."""
    time_column: str = "time"
    zone: str | None = None
    """IANA zone of stamps without an offset."""
    step_min: Positive | None = None
    """None: the most frequent distance of stamps."""
    gaps: Literal["refuse", "hold"] = "refuse"
    max_gap_min: Positive | None = None
    """Longest gap that `hold` may fill."""
    rated_mw: Positive | None = None
    """Rating of the measured plant, in MW; needed where it differs from the park's."""
    scale_to_mw: Positive | None = None
    """Rating to which the series is scaled: every value times scale_to_mw / rated_mw."""
