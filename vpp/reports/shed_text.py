"""A shed in words: every stage in milliseconds, what was cut over or under the order, what it added up to."""

import math
from collections.abc import Iterator, Mapping

from vpp.reports.events import ShedEnergy
from vpp.types import ShedReport


def stages(shed: ShedReport) -> str:
    """Return the times of a shed's stages from the order on, ms; a drill opens nothing and is not metered."""
    told = (
        f"decided {shed.decision_ms:.1f} ms, first write {shed.first_write_ms:.1f} ms, "
        f"last answer {shed.last_ack_ms:.1f} ms"
    )
    if shed.drill:
        return told
    took = f"{shed.metered_ms:.0f} ms" if math.isfinite(shed.metered_ms) else "never"
    opened = "" if shed.breaker_open_ms is None else f", breakers open {shed.breaker_open_ms:.0f} ms"
    return f"{told}{opened}, metered {took}"


def over_cut(shed: ShedReport) -> str:
    """Return by how much the metered cut is over or under the order."""
    return f"{'over-cut' if shed.over_cut_mw >= 0 else 'under-cut'} {shed.over_cut_mw:+.1f} MW"


def energy(shed: ShedReport, over: Mapping[str, ShedEnergy]) -> str:
    """Return what the shed cut until it was over, MWh; that it stands where it is not."""
    if shed.drill:
        return ""
    if (found := over.get(shed.order_id)) is None:
        return "stood at the end"
    return f"{found.cut_mwh:.2f} MWh cut, {found.over_mwh:.2f} over and {found.under_mwh:.2f} under the order"


def lines(shed: ShedReport, over: Mapping[str, ShedEnergy]) -> Iterator[str]:
    """Yield the lines of a report on one shed."""
    yield f"{'drill' if shed.drill else 'shed'} {shed.order_id} at rate {shed.rate:g}: {shed.text}"
    yield f"  {stages(shed)}"
    if not shed.drill:
        yield f"  {over_cut(shed)}; {energy(shed, over)}"
