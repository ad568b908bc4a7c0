"""Whether what a device shows can be true: words for 'not implemented', wrong scales, charge that jumps."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.unit import polls_behind
from controllers.acting.witness import COUNTERS, contradiction, still
from vpp.devices import Bess, Caes, Device
from vpp.types import Quality, Reading, Severity

BEYOND_SHARE, BEYOND_MW = 0.2, 1.0
"""A power so far beyond the rating cannot be true; assumption: above any overload and metering error."""
JUMP_SHARE, JUMP_MARGIN = 0.03, 1.5
"""Charge that changes by more than this share, and by more than this multiple of what full power moves
meanwhile, has jumped (fault D18); assumption."""
AT_REST_SHARE = 0.05
"""Share of the rating that a plant may take, or give back, on the side where its name plate says 0: what it
uses itself at rest, with the meter's error; assumption."""
DISTRUST = timedelta(minutes=15)
"""For so long a store whose charge has jumped is not discharged; assumption: until somebody has looked."""


def doubt(device: Device, values: Mapping[str, float]) -> str:
    """Return why a device's values cannot be true by its name plate, in words; empty where they can.

    Looked at in every reading, so before a device's first command too (fault D17).
    """
    row = device.resource
    if "p_mw" not in values:
        return "shows no number for its power"
    rating_mw = max(row.p_max_mw, -row.p_min_mw)
    low_mw, high_mw = (1 + BEYOND_SHARE) * row.p_min_mw, (1 + BEYOND_SHARE) * row.p_max_mw
    more_mw = AT_REST_SHARE * rating_mw + BEYOND_MW
    ranges = {"p_mw": (low_mw - more_mw, high_mw + more_mw)}
    ranges["soc"] = (-BEYOND_SHARE, 1 + BEYOND_SHARE)
    if row.s_mva is not None:
        more_mvar = (1 + BEYOND_SHARE) * row.s_mva + BEYOND_MW
        ranges["q_mvar"] = (-more_mvar, more_mvar)
    if row.e_mwh is not None:
        ranges["e_mwh"] = (-BEYOND_SHARE * row.e_mwh, (1 + BEYOND_SHARE) * row.e_mwh)
    for point, (low, high) in ranges.items():
        if point in values and not low <= values[point] <= high:
            return (
                f"shows {point} = {values[point]:.6g}, possible is {low:.4g} to {high:.4g}: "
                "scale, sign or word order may be wrong"
            )
    return ""


def _witnessed(core: Core, device: Device, reading: Reading) -> str:
    """Return what its counter and its commands say against a power that is possible, in words."""
    name, row = device.resource.id, device.resource
    rating_mw = max(row.p_max_mw, -row.p_min_mw)
    spell = still(core.still.get(name), reading)
    if spell is None:
        core.still.pop(name, None)
    else:
        core.still[name] = spell
    if name in core.signs and core.signs[name].turned:
        return "goes the other way than it is told: the sign of p_mw or of its setpoint is wrong"
    if spell is None or not contradiction(spell, rating_mw):
        return ""
    points = core.park.register_maps[row.endpoint.register_map]
    return contradiction(spell, rating_mw, polls_behind(points, COUNTERS))


def jumped(device: Device, before: Reading, now: Reading) -> bool:
    """Return whether the charge of a store has changed by more than it can."""
    if not isinstance(device, Bess | Caes) or before.read_at is None or now.read_at is None:
        return False
    if "soc" not in before.values or "soc" not in now.values or now.quality is not Quality.GOOD:
        return False
    row, hours = device.resource, (now.read_at - before.read_at).total_seconds() / 3600
    most = JUMP_MARGIN * max(row.p_max_mw, -row.p_min_mw) * hours / max(row.e_mwh or 0.0, 1e-3)
    return bool(abs(now.values["soc"] - before.values["soc"]) > max(JUMP_SHARE, most))


def sift(core: Core, judged: Mapping[str, Reading]) -> dict[str, Reading]:
    """Return the readings with those of devices BAD that cannot be true; notes jumps of charge."""
    readings, core.doubts = dict(judged), {}
    for name, device in core.park.devices.items():
        reading = readings[name]
        if reading.quality is Quality.BAD:
            continue
        why = doubt(device, reading.values) or _witnessed(core, device, reading)
        if why:
            core.doubts[name] = why
            readings[name] = replace(reading, quality=Quality.BAD)
        elif core.last_at is not None and name in core.readings:
            if jumped(device, core.readings[name], reading):
                core.jumps[name] = core.last_at + DISTRUST
            elif name in core.jumps and core.last_at >= core.jumps[name]:
                del core.jumps[name]
    return readings


def of_doubts(core: Core) -> Iterator[Condition]:
    """Name devices that show what cannot be, in place of the alarm that they are silent."""
    for name, why in core.doubts.items():
        yield Condition(
            id=f"silent:{name}", severity=Severity.ALARM, source=name, text=f"{name} answers, but {why}"
        )
    for name in core.jumps:
        yield Condition(
            id=f"charge:{name}",
            severity=Severity.ALARM,
            source=name,
            text=f"the charge that {name} shows has jumped: it is not discharged until it is trusted again",
        )
