"""Loads told to take less without a breaker: as the plan wants it, inside what they may."""

from collections.abc import Iterator, Mapping

from controllers.acting import emergency, expiry
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.envelope import trimmable
from controllers.acting.image import Moment
from controllers.acting.trajectory import target_trim_mw
from vpp.park.interruption import TRIM_S, is_trimmable
from vpp.types import Load, Quality, Reading, Severity, Source, Trim

AWAY_MW, AWAY_SHARE = 0.5, 0.05
"""Nearer than the larger of both a load trims as told, and an order is the one before (assumption)."""
PATIENCE_S = 2 * TRIM_S
"""Plant seconds after a new order, five cycles at least, before it counts as not trimming (assumption)."""


def orders(core: Core, moment: Moment) -> list[Trim]:
    """Return the commands of this cycle, one for each load that trims or must stop doing so.

    Without a plan to follow the last order is held as long as commands to devices are. A load that is told
    nothing takes all again by itself.
    """
    found = []
    armed_mw, reasons = emergency.moves_mw(core), emergency.reasons(core)
    for name, load in core.park.loads.items():
        last = core.trims.get(name)
        wanted_mw = _wanted_mw(core, name, moment) + armed_mw.get(name, 0.0)
        if not is_trimmable(load) or (wanted_mw <= 0.0 and (last is None or last.trim_mw == 0.0)):
            continue
        reading = core.readings[name]
        if reading.quality is Quality.BAD or "p_mw" not in reading.values:
            continue
        trim_mw, why = trimmable(load, wanted_mw, reading.values, _opened(core, name, load))
        found.append(
            Trim(
                device=name,
                trim_mw=trim_mw,
                epoch=core.epoch,
                sequence=1 if last is None else last.sequence + 1,
                issued_at=moment.now,
                ttl_s=max(core.park.horizon.setpoint_ttl_s, moment.ahead_s),
                source=Source.PLAN if moment.step is not None and name not in armed_mw else Source.PROTECTION,
                clipped_by=(*((reasons[name],) if name in reasons else ()), *why),
            )
        )
    return found


def _wanted_mw(core: Core, name: str, moment: Moment) -> float:
    if core.force is None or moment.step is None:
        last = core.trims.get(name)
        return 0.0 if last is None or expiry.is_over(core, moment) else last.trim_mw
    return target_trim_mw(name, core.force.plan, moment.now)


def _opened(core: Core, name: str, load: Load) -> int:
    """Return the breakers that stand open, by the load's own report where it gives one."""
    entry = core.ledger.get(name)
    known = float(entry.open_blocks if entry is not None else 0)
    mask = int(core.readings[name].values.get("breakers", known))
    return (mask & (1 << load.blocks) - 1).bit_count()


def metered_mw(readings: Mapping[str, Reading]) -> float:
    """Return what all loads together trim by their own meters, MW; a silent one counts as 0."""
    return sum(r.values.get("trimmed_mw", 0.0) for r in readings.values() if r.quality is not Quality.BAD)


def of_trims(core: Core, moment: Moment) -> Iterator[Condition]:
    """Name loads that answer but do not trim as told."""
    patience_s = max(PATIENCE_S, moment.ahead_s)
    for name, trim in core.trims.items():
        reading = core.readings[name]
        if reading.quality is Quality.BAD or "trimmed_mw" not in reading.values:
            continue
        here_mw = reading.values["trimmed_mw"]
        waits_s = (moment.now - core.asked_since.get(name, moment.now)).total_seconds()
        if _differ(here_mw, trim.trim_mw) and waits_s > patience_s:
            yield Condition(
                id=f"not_trimming:{name}",
                severity=Severity.ALARM,
                source=name,
                text=f"{name} does not trim: {here_mw:.1f} MW metered, {trim.trim_mw:.1f} MW ordered",
            )


def _differ(a_mw: float, b_mw: float) -> bool:
    return abs(a_mw - b_mw) > max(AWAY_MW, AWAY_SHARE * b_mw)


def remember(core: Core, sent: list[Trim]) -> None:
    """Keep what was told, and since when; journal every order that is another than the last."""
    for trim in sent:
        last = core.trims.get(trim.device)
        if last is None or _differ(last.trim_mw, trim.trim_mw) or (trim.trim_mw == 0.0 != last.trim_mw):
            core.asked_since[trim.device] = trim.issued_at
            core.journal.append("trim", trim)
        core.trims[trim.device] = trim
