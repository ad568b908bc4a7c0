"""What control must remember over a restart, in one small file."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controllers.acting.ledger import Calls, Standing
from controllers.acting.switching import Moved
from controllers.acting.tie import TieWindow
from vpp.types import DispatchOrder, Mode, wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Kept by control; a file that cannot be read is as good as none."""

    tie: TieWindow | None = None
    ledger: Mapping[str, Calls] = field(default_factory=dict)
    planned: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, Mode] = field(default_factory=dict)
    mode_ends: Mapping[str, datetime] = field(default_factory=dict)
    orders: tuple[DispatchOrder, ...] = ()
    closing: tuple[tuple[str, int], ...] = ()
    """(load, block) that restoration has yet to close."""
    closed_at: datetime | None = None
    """When it closed the last one."""
    ending: tuple[str, ...] = ()
    """Loads whose interruption began to end."""
    standing: tuple[Standing, ...] = ()
    """Sheds that stand, by order."""
    adopting: Standing | None = None
    """One that was cut short, while loads have yet to say what it has opened."""
    stuck: tuple[str, ...] = ()
    lowered_mw: Mapping[str, float] = field(default_factory=dict)
    """By device what a shed allows it at least."""
    taken: tuple[str, ...] = ()
    """Ids of the last commands that took effect."""
    damaged: bool = False
    """True for the empty memory that stands for a damaged file, or one that another version wrote."""
    moved: Mapping[str, Moved] = field(default_factory=dict)
    held_since: datetime | None = None
    """Since when there was no plan to follow."""


def load(path: Path) -> Memory:
    """Return what was remembered; an empty memory where the file is missing or damaged.

    A damaged file, and one of another version, is set aside as `NAME.damaged`, and `damaged` says so.
    """
    try:
        return wire.decode(path.read_bytes(), Memory)
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError):
        with suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))
        return Memory(damaged=True)


def save(path: Path, memory: Memory) -> bool:
    """Replace the file in one step, without waiting for the disk; False where it cannot be written."""
    beside = path.with_suffix(".new")
    try:
        beside.write_bytes(wire.encode(memory))
        os.replace(beside, path)
    except OSError:
        return False
    return True
