"""Banks, tap changers and statcoms: told where the plan wants them, watched until they stand there."""

from collections.abc import Iterator
from datetime import datetime

from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.image import Moment
from controllers.acting.switching import counted
from vpp.park.positions import position_range
from vpp.types import Move, Quality, Reading, Severity, Source

SAME = 0.01
"""Positions closer than this are one: steps and taps are whole numbers, statcoms are told in Mvar."""
STATCOM_BAND_MVAR = 0.25
"""A statcom is not told anew for less: a dead band for sending alone, it must still arrive where it was told
(assumption: 1 % of the smallest)."""
REPEAT_S = 60.0
"""Plant seconds after which an actuator that does not stand where it was told is told again."""
PATIENCE_S = 30.0
PATIENCE_PER_STEP_S = 15.0
"""Plant seconds after a command, five cycles at least, and on top for each position on the way, before an
actuator counts as not moving (assumption: above what breakers and tap changers need)."""
UNWILLING = (3.0, 5.0)
"""Codes of point `status` (docs/architecture.md): at fault, in local control."""


def moves(core: Core, moment: Moment) -> list[Move]:
    """Return the commands of this cycle: what has changed, or does not stand where it was told.

    Without a plan to follow nothing moves. Values are cut to the actuator's range.
    """
    if core.force is None or moment.step is None:
        return []
    found = []
    for name in core.park.actuators:
        planned = core.force.plan.series.get(name, {}).get("position")
        reading = core.readings.get(name)
        if planned is None or reading is None or not _willing(reading):
            continue
        low, high = position_range(core.park, name)
        wanted = min(max(float(planned[moment.step]), low), high)
        last = core.moves.get(name)
        band = STATCOM_BAND_MVAR if core.park.actuators[name].kind == "statcom" else SAME
        told = last is not None and abs(last.position - wanted) <= band
        if last is not None and told:
            wanted = last.position
        stands = abs(reading.values["position"] - wanted) <= SAME
        waits = last is not None and (moment.now - last.issued_at).total_seconds() < REPEAT_S
        if (stands and (told or last is None)) or (told and waits):
            continue
        found.append(
            Move(
                device=name,
                position=wanted,
                epoch=core.epoch,
                sequence=1 if last is None else last.sequence + 1,
                issued_at=moment.now,
                source=Source.PLAN,
            )
        )
    return found


def _willing(reading: Reading) -> bool:
    return (
        reading.quality is not Quality.BAD
        and "position" in reading.values
        and reading.values.get("status") not in UNWILLING
    )


def of_moves(core: Core, moment: Moment) -> Iterator[Condition]:
    """Name actuators that answer but do not go where they were told."""
    least_s = max(PATIENCE_S, moment.ahead_s)
    for name, move in core.moves.items():
        reading, since = core.readings[name], core.asked_since.get(name)
        if since is None or not _willing(reading):
            continue
        here = reading.values["position"]
        away = abs(here - move.position)
        patience_s = least_s + PATIENCE_PER_STEP_S * away
        if away > SAME and (moment.now - since).total_seconds() > patience_s:
            yield Condition(
                id=f"not_moving:{name}",
                severity=Severity.ALARM,
                source=name,
                text=f"{name} does not move: it stands at {here:g}, ordered is {move.position:g}",
            )


def remember(core: Core, sent: list[Move]) -> None:
    """Keep what was told, and since when each target is asked for; journal every command."""
    for move in sent:
        last = core.moves.get(move.device)
        if last is None or abs(last.position - move.position) > SAME or move.device not in core.asked_since:
            core.asked_since[move.device] = move.issued_at
        core.moves[move.device] = move
        core.journal.append("move", move)


def count(core: Core, now: datetime) -> None:
    """Count what banks and tap changers have moved, and keep it at once: a day's limit outlives a restart."""
    moved = counted(core.park, core.moved, core.readings, now)
    if moved != core.moved:
        core.moved = moved
        core.remember()
