"""Calls of an interruptible load nearest to what a linear relaxation sheds in it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from controllers.planning.blocks.block import Bounds, Values
from controllers.planning.blocks.calls import longest_steps
from controllers.planning.slots import Situation, Window
from vpp.types import Array, Load

LEAST_SHARE = 0.3
"""Share of a call's energy that must be wanted, beyond what it sheds in vain (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the ledger lets a load do in the window."""

    load: Load
    part_mw: Array
    """(n,) of one block."""
    kept: Array
    """(n,) blocks of a running call that stay open."""
    may_begin: npt.NDArray[np.bool_]
    """(n,) bool."""
    first_free: int
    """Slot before which no call may begin: a running call and its rest."""
    calls_left: Array
    """(DAYS,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Blocks open over the slots [start, end)."""

    start: int
    end: int
    blocks: int
    worth: float = 0.0
    """MW x slots that are wanted, less those in vain."""


def nearest_calls(now: Situation, load: Load, values: Values, bounds: Bounds) -> Bounds:
    """Return bounds that fix the counts of a load at the calls nearest to `values`."""
    room = _room(now, load, bounds)
    calls = _calls(room, np.maximum(values["open"] - room.kept, 0.0) * room.part_mw, now)
    return _fixed(room, calls)


def _room(now: Situation, load: Load, bounds: Bounds) -> Room:
    window, rest = now.window, max(1, now.window.axis.steps_of(load.min_between_sheds_min))
    kept = np.where(bounds["open"][0] > 0, bounds["open"][0], 0.0)
    held = np.flatnonzero(kept)
    begun, could = bounds["begun"]
    left = np.full(window.days.shape[0], float(load.max_calls_per_day))
    left[0] = now.state.calls.get(load.id, {}).get("calls_left", left[0])
    return Room(
        load=load,
        part_mw=now.load_mw[load.id] * load.interruptible_share / load.blocks,
        kept=kept,
        may_begin=(could - begun > 0.5) & (bounds["open"][1] > 0.5) & window.active,
        first_free=int(held[-1]) + 1 + rest if len(held) else window.first,
        calls_left=left,
    )


def _calls(room: Room, wanted: Array, now: Situation) -> list[Call]:
    """Return the calls of a load that cover most of what is wanted, greatest first, as the ledger allows."""
    window, rest = now.window, max(1, now.window.axis.steps_of(room.load.min_between_sheds_min))
    day = np.argmax(window.days, axis=0)
    left, free = room.calls_left.copy(), room.may_begin & (np.arange(len(wanted)) >= room.first_free)
    calls: list[Call] = []
    while True:
        best = _best(room, wanted, free & (left[day] >= 1), window)
        if best is None:
            return calls
        calls.append(best)
        left[day[best.start]] -= 1
        length = longest_steps(room.load, window.axis.step_min)
        free = free.copy()
        # whatever its length, a call that begins earlier must be over and rested when this one begins
        free[max(0, best.start - rest - length + 1) : best.end + rest] = False


def _best(room: Room, wanted: Array, free: npt.NDArray[np.bool_], window: Window) -> Call | None:
    """Return the call worth most, None where none is worth enough."""
    best: Call | None = None
    longest = longest_steps(room.load, window.axis.step_min)
    for blocks in range(1, room.load.blocks + 1):
        shed = blocks * room.part_mw
        # what covers a want counts for it, what is shed beyond it against it
        worth = np.abs(wanted) - np.abs(wanted - shed)
        total, energy = (np.concatenate([[0.0], np.cumsum(x)]) for x in (worth, shed))
        for length in range(1, longest + 1):
            starts = np.flatnonzero(free[: window.end - length + 1])
            if not len(starts):
                continue
            gain = total[starts + length] - total[starts]
            gain = np.where(gain >= LEAST_SHARE * (energy[starts + length] - energy[starts]), gain, 0.0)
            k = int(np.argmax(gain))
            if gain[k] > (best.worth if best else 0.0) + 1e-9:
                start = int(starts[k])
                best = Call(start=start, end=start + length, blocks=blocks, worth=float(gain[k]))
    return best


def _fixed(room: Room, calls: list[Call]) -> Bounds:
    opened = room.kept.copy()
    for call in calls:
        opened[call.start : call.end] = call.blocks
    change = np.diff((opened > 0).astype(float), prepend=0.0)
    counts = {
        "open": opened,
        "begun": np.cumsum(np.maximum(change, 0.0)),
        "ended": np.cumsum(np.maximum(-change, 0.0)),
    }
    return {name: (x, x) for name, x in counts.items()}
