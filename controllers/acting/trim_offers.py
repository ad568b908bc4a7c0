"""What loads offer without a breaker: to take less, and to take again what they trim."""

from collections.abc import Sequence
from dataclasses import replace

from controllers.acting.envelope import Row
from controllers.acting.offers import Direction, Element
from controllers.acting.pooling import cap_of
from controllers.acting.reach import nothing, trim_reach
from controllers.acting.surroundings import SILENT, stopped
from vpp.park.interruption import TRIM_S, demand_mw, is_trimmable, part_mw
from vpp.park.model import Park
from vpp.types import Snapshot

TRIM = "trim:"
"""In front of a load's id: its part that is trimmed without a breaker."""


def trim_element(park: Park, snapshot: Snapshot, name: str, rows: Sequence[Row]) -> Element:
    """Return what a load can take less, or again, without a breaker."""
    load, values = park.loads[name], snapshot.readings.get(name, SILENT).values
    p_mw, trimmed_mw = values.get("p_mw"), values.get("trimmed_mw", 0.0)
    reason, energy = stopped(park, snapshot, name), 1000 * load.contract_energy_cny_per_kwh

    def side(sign: int) -> Direction:
        if reason or p_mw is None:
            return Direction(reach=nothing(reason or "silent", trimmed_mw), price_cny_per_mwh=None)
        cap, opened = cap_of(rows, name, sign), int(snapshot.open_blocks.get(name, 0))
        reach = tuple(
            replace(r, mw=cap.mw, setpoint_mw=trimmed_mw + sign * cap.mw, limit=cap.limit)
            if cap.mw < r.mw
            else r
            for r in trim_reach(load, p_mw, trimmed_mw, opened, sign)
        )
        return Direction(reach=reach, price_cny_per_mwh=sign * energy if reach[-1].mw else None)

    return Element(
        id=TRIM + name,
        kind="trim",
        bus=load.bus,
        p_mw=None if p_mw is None else trimmed_mw,
        ramp_mw_per_min=load.continuous_modulation_share * load.p_peak_mw / TRIM_S * 60,
        up=side(1),
        down=side(-1),
    )


def with_trims(park: Park, snapshot: Snapshot, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows for pools: trimming moves a row as its load does, and shares a cut with the blocks."""
    pooled = []
    for row in rows:
        more = {TRIM + n: k for n, k in row.slope.items() if n in park.loads}
        base = {TRIM + n: 0.0 for n in row.slope if n in park.loads}
        pooled.append(replace(row, slope={**row.slope, **more}, base={**row.base, **base}))
    for name, load in park.loads.items():
        values = snapshot.readings.get(name, SILENT).values
        if not is_trimmable(load) or not load.blocks or "p_mw" not in values:
            continue
        opened, trimmed = int(snapshot.open_blocks.get(name, 0)).bit_count(), values.get("trimmed_mw", 0.0)
        whole = demand_mw(load, -values["p_mw"], opened, trimmed)
        slope = {name: 1.0, TRIM + name: 1.0}
        most = whole * max(load.interruptible_share, load.continuous_modulation_share)
        used = part_mw(load, whole) * opened + trimmed
        pooled.append(Row(name="share", slope=slope, base=dict.fromkeys(slope, 0.0), value=used, limit=most))
    return tuple(pooled)
