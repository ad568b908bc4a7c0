"""What speaks against the power that a device shows: its own energy counter, and where it was told to go."""

from dataclasses import dataclass, replace
from datetime import datetime

from controllers.acting.conditions import DEVIATION_MW, DEVIATION_SHARE
from controllers.acting.judge import FROZEN_CYCLES
from vpp.types import Quality, Reading

COUNTER_MWH = 0.2
"""Energy by which counter and power may differ however short the time: two steps of a coarse counter, and
answers read a little apart; assumption."""
COUNTERS = ("energy_out_mwh", "energy_in_mwh")
TURNED_CYCLES = 3
"""Cycles in a row in which a meter is the mirror of what is expected (fault D17), as for D11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """Since when a device has shown the same power to the last bit, and what it had counted then."""

    p_mw: float
    since: datetime
    out_mwh: float
    in_mwh: float
    read_at: datetime
    """Of the newest answer."""
    newest_mwh: tuple[float, float]
    """Energy out and in that it shows."""
    repeats: int = 0
    """Answers since then."""


def still(last: Still | None, reading: Reading) -> Still | None:
    """Return the spell after this reading; None without counters or a good value.

    A counter that goes back (a restart, an overflow) begins it anew.
    """
    values, at = reading.values, reading.read_at
    if at is None or reading.quality is Quality.BAD or not {"p_mw", *COUNTERS} <= values.keys():
        return None
    shown = values["energy_out_mwh"], values["energy_in_mwh"]
    if last is not None and at == last.read_at:
        return last
    back = last is not None and any(a < b for a, b in zip(shown, last.newest_mwh, strict=True))
    if last is None or values["p_mw"] != last.p_mw or back:
        return Still(
            p_mw=values["p_mw"], since=at, out_mwh=shown[0], in_mwh=shown[1], read_at=at, newest_mwh=shown
        )
    return replace(last, read_at=at, newest_mwh=shown, repeats=last.repeats + 1)


def contradiction(spell: Still, rating_mw: float, behind: int = 0) -> str:
    """Return how the counter belies a power that does not move (fault D14), in words; empty where it may be.

    A steady device is never accused: what flows is counted. One frozen nearer to its true power than
    `DEVIATION_SHARE` of its rating is not found; there it does no harm. Counters may be `behind` by so
    many answers.
    """
    if spell.repeats < FROZEN_CYCLES:
        return ""
    hours = (spell.read_at - spell.since).total_seconds() / 3600
    counted_mwh = spell.newest_mwh[0] - spell.out_mwh - (spell.newest_mwh[1] - spell.in_mwh)
    apart_mwh = abs(counted_mwh - spell.p_mw * hours)
    behind_mwh = abs(spell.p_mw) * hours * behind / spell.repeats
    if apart_mwh <= COUNTER_MWH + DEVIATION_SHARE * rating_mw * hours + behind_mwh:
        return ""
    return (
        f"its values are frozen: {spell.p_mw:.1f} MW stands unchanged, "
        f"its energy counter tells of {counted_mwh / hours:.1f} MW"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Whether a device's power has gone the other way than it was told."""

    agreed_mw: float
    """What it showed when it last was where it is expected."""
    cycles: int = 0
    """For how long it has been the mirror of what is expected."""

    @property
    def turned(self) -> bool:
        """True where the sign of its power or of its setpoint is wrong."""
        return self.cycles >= TURNED_CYCLES


def sign(last: Sign | None, expected_mw: float, reading: Reading, rating_mw: float) -> Sign:
    """Return the state after this good reading; once turned, it stays so: somebody has to look.

    A device that stays where it was has not heard; one on its way has come nearer. Only what went
    further away than it was, to the mirror of its expected power, has a wrong sign.
    """
    p_mw, near_mw = reading.values["p_mw"], max(DEVIATION_MW, DEVIATION_SHARE * rating_mw)
    if last is None or abs(p_mw - expected_mw) <= near_mw:
        return last if last is not None and last.turned else Sign(agreed_mw=p_mw)
    mirrored = abs(p_mw + expected_mw) <= near_mw
    away = abs(p_mw - expected_mw) > abs(last.agreed_mw - expected_mw) + near_mw
    if last.turned or (mirrored and away):
        return replace(last, cycles=last.cycles + 1)
    return replace(last, cycles=0)
