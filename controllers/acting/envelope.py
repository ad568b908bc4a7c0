"""Run-time assurance: a pure function that no command passes, whoever sent it.

No solver and no model of its own: ranges per device, and linear rows for tie, branches and buses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from controllers.acting.setpoints import Narrowed
from vpp.devices import Device, q_limits
from vpp.park.interruption import demand_mw, trim_max_mw
from vpp.types import Load, TieSensitivity

PASSES = 3
"""Rounds over all rows; a later row may undo an earlier one."""
CLEAN = 1e-6
NOT_A_NUMBER = "the value asked for is not a number"
DEAF_PU_PER_MW = 2e-4
"""A device that needs more than 5 MW for 0.001 pu is not moved for a voltage: that is what Q, banks and taps
are for, and a battery thrown about for it breaks the tie's limits instead (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """sum(slope * (p - base)) + value <= limit, in the row's own unit."""

    name: str
    slope: Mapping[str, float]
    """Per MW of each device that can still move in this cycle."""
    base: Mapping[str, float]
    value: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assured:
    """What may be sent."""

    p_mw: Mapping[str, float]
    clipped: Mapping[str, tuple[str, ...]]
    """By device the rules that changed its value, in words."""
    broken: Mapping[str, float]
    """Rows that no allowed command can hold now, and by how much."""


def assure(
    asked: Mapping[str, float],
    ranges: Mapping[str, Narrowed],
    held: Mapping[str, float],
    rows: Sequence[Row],
) -> Assured:
    """Return the values nearest to `asked` that ranges and rows allow.

    `asked`, `held` (the last command) and `ranges` are by device; a value that is not a number is
    refused and the held one taken. The result always lies in the ranges; a row that cannot be
    held within them is brought as low as they allow and named in `broken`.
    """
    p: dict[str, float] = {}
    why: dict[str, list[str]] = {}
    for name, wanted in asked.items():
        room = ranges[name]
        value = wanted
        if not isfinite(value):
            value = held.get(name, 0.0)
            why.setdefault(name, []).append(NOT_A_NUMBER)
        clipped = min(max(value, room.low_mw), room.high_mw)
        if abs(clipped - value) > CLEAN:
            why.setdefault(name, []).append(room.low_why if clipped > value else room.high_why)
        p[name] = clipped
    for _ in range(PASSES):
        moved = [_repair(row, p, ranges, why) for row in rows]
        if not any(moved):
            break
    broken = {row.name: excess for row in rows if (excess := row_excess(row, p)) > CLEAN}
    return Assured(p_mw=p, clipped={k: tuple(dict.fromkeys(v)) for k, v in why.items()}, broken=broken)


def capable(
    device: Device, q_mvar: float, p_mw: float, measured: Mapping[str, float]
) -> tuple[float, tuple[str, ...]]:
    """Return the Q nearest to the one asked that the device can give, and why it is another.

    It must fit the power commanded and the power measured: the device is on its way between both. A
    value that is not a number becomes the one nearest to 0.
    """
    mode = measured.get("mode_code", 0.0)
    low, high = q_limits(device, p_mw, mode)
    if "p_mw" in measured:
        low_now, high_now = q_limits(device, measured["p_mw"], mode)
        low, high = max(low, low_now), min(high, high_now)
    if low > high:
        low = high = min(max(0.0, high), low)
    asked = q_mvar if isfinite(q_mvar) else 0.0
    given = min(max(asked, low), high)
    if low == high or abs(given - q_mvar) <= CLEAN:
        return given, ()
    return given, ("reactive capability at this power",)


def trimmable(
    load: Load, asked_mw: float, measured: Mapping[str, float], opened: int
) -> tuple[float, tuple[str, ...]]:
    """Return what a load may be told to trim, MW >= 0, and why it is not what was asked.

    By what it draws now with `opened` breakers open. A value that is not a number becomes 0.
    """
    whole_mw = demand_mw(load, -measured["p_mw"], opened, measured.get("trimmed_mw", 0.0))
    asked = asked_mw if isfinite(asked_mw) else 0.0
    given = min(max(asked, 0.0), trim_max_mw(load, whole_mw, opened))
    return given, () if abs(given - asked_mw) <= CLEAN else ("share that may be trimmed",)


def row_excess(row: Row, p_mw: Mapping[str, float]) -> float:
    """Return by how much a row is over its limit; negative is room."""
    moved = sum(slope * (p_mw[name] - row.base[name]) for name, slope in row.slope.items() if name in p_mw)
    return row.value + moved - row.limit


def _repair(row: Row, p: dict[str, float], ranges: Mapping[str, Narrowed], why: dict[str, list[str]]) -> bool:
    """Move devices, the most effective first, until the row holds or their ranges end."""
    excess = row_excess(row, p)
    if excess <= CLEAN:
        return False
    moved = False
    for name in sorted(row.slope, key=lambda n: -abs(row.slope[n])):
        slope = row.slope[name]
        if name not in p or abs(slope) < CLEAN or excess <= CLEAN:
            continue
        room = ranges[name]
        edge = room.low_mw if slope > 0 else room.high_mw
        step = min(excess / abs(slope), abs(edge - p[name]))
        if step <= CLEAN:
            continue
        p[name] = min(max(p[name] - step if slope > 0 else p[name] + step, room.low_mw), room.high_mw)
        excess -= step * abs(slope)
        why.setdefault(name, []).append(f"limit {row.name}")
        moved = True
    return moved


def network_rows(
    sensitivity: TieSensitivity,
    measured: Mapping[str, float],
    share: Mapping[str, float],
    base: Mapping[str, float],
) -> tuple[Row, ...]:
    """Return the planner's linear rows, moved to the measured injections.

    `measured` holds every injection that is known now, `share` the part of a command that a device
    follows within this cycle, `base` the command under which it would stay; a device that is not in
    `share`, or deaf to a voltage, is taken as it is measured. A row that moves nothing is left out.
    """
    rows = []
    for name, slope in sensitivity.rows.items():
        drift = sum(
            k * (measured[who] - sensitivity.p_mw[who])
            for who, k in slope.items()
            if who in measured and who in sensitivity.p_mw
        )
        least = 0.0 if name.startswith("branch:") else DEAF_PU_PER_MW
        moving = {
            who: k * share[who]
            for who, k in slope.items()
            if share.get(who) and who in measured and abs(k) >= least
        }
        if not moving:
            continue
        rows.append(
            Row(
                name=name,
                slope=moving,
                base={who: base[who] for who in moving},
                value=sensitivity.value[name] + drift,
                limit=sensitivity.limit[name],
            )
        )
    return tuple(rows)


def tie_rows(
    import_mw: float,
    measured: Mapping[str, float],
    share: Mapping[str, float],
    base: Mapping[str, float],
    *,
    import_max_mw: float,
    export_max_mw: float,
) -> tuple[Row, ...]:
    """Return the rows of import and export; losses are taken as they are, 1 MW moves 1 MW."""
    moving = {who: part for who, part in share.items() if part and who in measured}
    base = {who: base[who] for who in moving}
    less = {who: -part for who, part in moving.items()}
    return (
        Row(name="tie import", slope=less, base=base, value=import_mw, limit=import_max_mw),
        Row(name="tie export", slope=moving, base=base, value=-import_mw, limit=export_max_mw),
    )
