"""Pins and approvals of a run: files in its state folder, each change told to control's journal."""

import threading
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from vpp.clock import RealClock, wall_now
from vpp.errors import DeviceFailure, TimedOut
from vpp.link import Note, ask
from vpp.park import load_park
from vpp.park.pin_store import store_pins, stored_pins, with_pins, without_pins
from vpp.park.pins import read_pins
from vpp.service.runs import writing
from vpp.state_dir import StateDir
from vpp.types import Pin, Severity

ANSWER_S = 5.0
"""True seconds that control may take for a note."""
_WRITING = threading.Lock()
"""One change at a time in this process; between processes the last whole file wins."""


def plant_time(run: StateDir | None) -> datetime:
    """Return the plant time of a run, or the wall clock where there is none."""
    if run is None:
        return wall_now()
    try:
        return RealClock(run.read_settings().schedule).plant_now()
    except FileNotFoundError:
        return wall_now()


def run_around(folder: Path) -> StateDir | None:
    """Return the run whose plans hold the folder of a day's plan; None where there is none."""
    run = StateDir(folder.parent.parent)
    return run if run.settings.is_file() else None


def record(run: StateDir, id_: str, text: str) -> bool:
    """Write what was decided into the journal; False where control does not hear it."""
    note = Note(id=id_, source="operator", severity=Severity.INFORMATION, text=text, raised=False)
    try:
        ask(run.socket, note, ANSWER_S)
    except (DeviceFailure, TimedOut, OSError):
        return False
    return True


def add_pins(run: StateDir, texts: Sequence[str], day: date | None = None) -> tuple[Pin, ...]:
    """Add pins to a run and return all; times are of `day`, else of the plant's today.

    InvalidInput with every fault.
    """
    park = load_park(run.read_settings().park)
    now = plant_time(run)
    on = day or now.astimezone(ZoneInfo(park.site.zone)).date()
    new = read_pins(park, texts, on, file="pin")
    with _WRITING, writing(run.root):
        pins = with_pins((pin for pin in stored_pins(run.pins) if pin.end > now), new)
        store_pins(run.pins, pins)
    record(run, "pins", "held: " + ", ".join(pin.id for pin in new))
    return pins


def remove_pins(run: StateDir, ids: Sequence[str]) -> tuple[Pin, ...]:
    """Remove pins from a run and return those left; InvalidInput for an id that there is not."""
    with _WRITING, writing(run.root):
        pins = without_pins(stored_pins(run.pins), ids)
        store_pins(run.pins, pins)
    record(run, "pins", "let go: " + ", ".join(ids))
    return pins
