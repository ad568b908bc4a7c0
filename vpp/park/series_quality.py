"""What the values of a series tell: gaps, wrong units, own use, frozen stretches."""

from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt

from vpp.park.series_entry import SeriesEntry
from vpp.park.stamps import SHOWN, Say
from vpp.types import Array

OVER_RATING = 1.2
"""A value above this many ratings is a wrong unit or plant; assumption."""
UNDER_RATING = 0.01
"""A series that never reaches this share of the rating is a wrong unit or plant; assumption."""
OWN_USE = 0.02
"""Negative power down to this share of the rating is own use at night and becomes 0; assumption."""
FROZEN_H = 24
"""Hours with one and the same value that are told as odd; assumption, longer than any night."""


def fill_gaps(
    p_mw: Array, line_of: npt.NDArray[np.int64], entry: SeriesEntry, step_s: int, say: Say
) -> tuple[Array, list[str]]:
    """Return the series with declared gaps (nan) holding the value before them, and a warning.

    `line_of` holds the line of each step, 0 in gaps. Every other gap is a fault.
    """
    held = longest = told = 0
    filled = p_mw.copy()
    for first, length in _runs(np.isnan(p_mw)):
        minutes = length * step_s / 60
        if entry.gaps == "hold" and minutes <= (entry.max_gap_min or 0.0) and first > 0:
            filled[first : first + length] = filled[first - 1]
            held += length
            longest = max(longest, length)
            continue
        told += 1
        if told <= SHOWN:
            allowed = (
                f"at most {entry.max_gap_min:g} min" if entry.gaps == "hold" else 'none, or gaps = "hold"'
            )
            say(int(line_of[max(0, first - 1)]), f"a gap of {minutes:g} min after this row", allowed)
    if told > SHOWN:
        say(None, f"{told - SHOWN} more gaps", "none")
    text = f"{held} steps in gaps (longest {longest * step_s / 60:g} min) hold the value before them"
    return filled, [text] if held else []


def judge_power(p_mw: Array, entry: SeriesEntry, say: Say) -> tuple[Array, list[str]]:
    """Return the series (finite) without own use, scaled as declared; refuse what breaks the rating."""
    top, lowest = float(p_mw.max()), float(p_mw.min())
    rated_mw = top if entry.rated_mw is None else entry.rated_mw
    if top > OVER_RATING * rated_mw:
        say(None, f"values up to {top:g} MW for a plant of {rated_mw:g} MW", "the right unit and rated_mw")
    if top < UNDER_RATING * rated_mw:
        say(None, f"no value above {top:g} MW for a plant of {rated_mw:g} MW", "the right unit and rated_mw")
    warnings = []
    if lowest < -OWN_USE * rated_mw:
        allowed = f"0 or more (own use down to {-OWN_USE * rated_mw:g} MW is set to 0)"
        say(None, f"values down to {lowest:g} MW", allowed)
    elif lowest < 0:
        count = int((p_mw < 0).sum())
        warnings.append(f"{count} negative values down to {lowest:g} MW (own use) are set to 0")
    factor = 1.0 if entry.scale_to_mw is None else entry.scale_to_mw / rated_mw
    scaled: Array = np.maximum(p_mw, 0.0) * factor
    return scaled, warnings


def frozen_stretches(p_mw: Array, start: int, step_s: int) -> list[str]:
    """Return a warning for every stretch of one and the same value longer than any night."""
    same = np.concatenate(([False], np.diff(p_mw) == 0.0))
    texts = []
    for first, length in _runs(same):
        hours = (length + 1) * step_s / 3600
        if hours > FROZEN_H:
            at = datetime.fromtimestamp(start + (first - 1) * step_s, tz=timezone.utc)
            texts.append(
                f"{p_mw[first]:g} MW without change for {hours:g} h from {at:%Y-%m-%d %H:%M} UTC: "
                "an outage or a recorder gap; kept as recorded"
            )
    return texts


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first index, length) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
