"""What control has found devices to give, as pins of the next plan.

Control learns it from devices that do not follow, and sees it where another hand holds one
(`Snapshot.derated`); it is planned for as long as control itself holds on to it at first.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from vpp.park.model import Park
from vpp.types import Hold, Pin, Snapshot

AHEAD = timedelta(minutes=30)
"""For so long a device is planned as found; every re-plan looks anew. Assumption."""
LEAST_MW = 0.05
"""A limit this near to the rating, or to the other one, is none; assumption."""
WEATHER = ("wind", "pv")
"""What these give is in the nowcast already."""


def pins(park: Park, snapshot: Snapshot) -> Iterator[Pin]:
    """Yield pins of the devices that give less than their name plate says."""
    for name, (low, high) in snapshot.derated.items():
        row = park.resources.get(name)
        if row is None or row.kind in WEATHER or row.kind == "h2_store":
            continue
        if high - low < LEAST_MW:
            yield _pin(name, "stands", snapshot.at, Hold.POWER, (low + high) / 2)
            continue
        if low > row.p_min_mw + LEAST_MW:
            yield _pin(name, "least", snapshot.at, Hold.LEAST, low)
        if high < row.p_max_mw - LEAST_MW:
            yield _pin(name, "most", snapshot.at, Hold.MOST, high)


def _pin(name: str, word: str, at: datetime, hold: Hold, p_mw: float) -> Pin:
    return Pin(
        id=f"derated {name} {word} {p_mw:.2f}",
        element=name,
        start=at,
        end=at + AHEAD,
        hold=hold,
        p_mw=p_mw,
    )
