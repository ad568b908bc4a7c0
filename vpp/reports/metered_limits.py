"""Limits that a meter can be judged by: the voltage band of its bus, the rating of what feeds it."""

import math

from vpp.park.model import Park


def voltage_band(park: Park, bus: str) -> tuple[float, float]:
    """Return the steady band of a bus, pu; without end where the park states none."""
    vn_kv = next(b.vn_kv for b in park.grid.buses if b.name == bus)
    bands = [b for b in park.voltage_bands if b.vn_kv_min <= vn_kv <= b.vn_kv_max]
    return (bands[0].vm_min_pu, bands[0].vm_max_pu) if bands else (-math.inf, math.inf)


def feed_mva(park: Park, bus: str) -> float | None:
    """Return the continuous rating of what feeds a bus, MVA at rated voltage; None where that is not clear.

    The transformers whose low side it is, taken together; without one the lines, where all of them come
    from the same other bus. Parallel branches share equally (assumption).
    """
    grid = park.grid
    kinds = {kind.name: kind for kind in grid.trafo_types}
    rated = [kinds[t.std_type].sn_mva for t in grid.trafos if t.lv_bus == bus]
    if rated:
        return sum(rated)
    lines = [line for line in grid.lines if bus in (line.from_bus, line.to_bus)]
    if len({b for line in lines for b in (line.from_bus, line.to_bus)}) != 2:
        return None
    most_ka = {kind.name: kind.max_i_ka for kind in grid.line_types}
    vn_kv = next(b.vn_kv for b in grid.buses if b.name == bus)
    return math.sqrt(3) * vn_kv * sum(most_ka[line.std_type] for line in lines)
