"""What the live page shows, computed from one snapshot: plain numbers, codes and ages for JSON.

Directions are words, never signs: a power is a magnitude with a direction code that the page's
catalogue translates. A number that is not known is None.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vpp.devices import Bess, Caes, Device, H2Store
from vpp.park.interruption import is_trimmable
from vpp.park.model import Park
from vpp.service.alarm_groups import grouped
from vpp.service.api_feed import TrendPoint
from vpp.service.link_text import link_view
from vpp.types import Load, NoticeClass, Plan, Quality, Reading, Snapshot

AWAY = 0.01
"""Positions closer than this are one (as in control)."""
IDLE_MW = 0.05
"""Below this a device counts as idle on the page (assumption: noise of its meter)."""
_WORST = (Quality.GOOD, Quality.SUBSTITUTED, Quality.STALE, Quality.BAD)
_MODES = ("idle", "charging", "discharging", "starting", "starting", "stopping")
Json = dict[str, Any]


def live_view(park: Park, snapshot: Snapshot, plan: Plan | None, trend: Iterable[TrendPoint]) -> Json:
    """Return the whole page's numbers for one cycle."""
    zone = ZoneInfo(park.site.zone)
    replan = snapshot.next_replan_at
    return {
        "at": _local(snapshot.at, zone),
        "zone": park.site.zone,
        "rate": snapshot.rate,
        "cycle": snapshot.cycle,
        "missed_ticks": snapshot.missed_ticks,
        "dropped_plans": snapshot.dropped_plans,
        "park_mode": snapshot.park_mode,
        "following": snapshot.following,
        "replan_s": None if replan is None else max(0.0, (replan - snapshot.at).total_seconds()),
        "plan": None if plan is None else _plan(plan, snapshot, zone),
        "plan_id": snapshot.plan_id,
        "balance": _balance(park, snapshot),
        "tie": _tie(park, snapshot),
        "trend": [[p.at.timestamp(), _round(p.import_mw), _round(p.limit_mw)] for p in trend],
        "storage": [_store(park, snapshot, name) for name in park.resources if _is_store(park, name)],
        "devices": [_device(park, snapshot, plan, name) for name in park.resources],
        "loads": [_load(snapshot, load) for load in park.loads.values()],
        "actuators": [_actuator(park, snapshot, plan, name) for name in park.actuators],
        "links": link_view(snapshot.links),
        "sheddable_mw": _round(sum(sheddable_mw(snapshot, load) for load in park.loads.values())),
        "alarms": [
            {
                "id": group.first.id,
                "severity": group.first.severity,
                "source": group.first.source,
                "text": group.first.text,
                "since": _local(group.first.since, zone),
                "others": [a.text for a in group.others],
            }
            for group in grouped(snapshot.alarms)
        ],
        "orders": [
            {
                "id": o.id,
                "import_max_mw": o.import_max_mw,
                "export_max_mw": o.export_max_mw,
                "start": _local(o.start, zone),
                "end": _local(o.end, zone),
            }
            for o in snapshot.orders
        ],
    }


def sheddable_mw(snapshot: Snapshot, load: Load) -> float:
    """Return the metered MW behind the closed blocks of a load that may be cut within seconds.

    Demand is taken back from the metered rest: p / (1 - share * open / blocks).
    """
    reading = snapshot.readings.get(load.id)
    if load.notice_class is not NoticeClass.SECONDS or not load.blocks or reading is None:
        return 0.0
    open_share = snapshot.open_blocks.get(load.id, 0).bit_count() / load.blocks
    rest = 1 - load.interruptible_share * open_share
    metered = abs(reading.values.get("p_mw", 0.0))
    return metered / rest * load.interruptible_share * (1 - open_share) if rest > 0 else 0.0


def _balance(park: Park, snapshot: Snapshot) -> Json:
    kinds: dict[str, list[str]] = {"source": [], "storage": [], "hydrogen": []}
    for name, resource in park.resources.items():
        group = {"wind": "source", "pv": "source", "bess": "storage", "caes": "storage"}.get(resource.kind)
        kinds[group or "hydrogen"].append(name)
    words = {
        "source": ("feeding", "drawing"),
        "storage": ("discharging", "charging"),
        "hydrogen": ("feeding", "drawing"),
    }
    shown = {group: _sum(snapshot, names, words[group]) for group, names in kinds.items() if names}
    shown["grid"] = _sum(snapshot, _ties(park), ("importing", "exporting"))
    shown["load"] = _sum(snapshot, park.loads, ("feeding", "drawing"))
    return shown


def _tie(park: Park, snapshot: Snapshot) -> Json:
    name = next(iter(_ties(park)), "")
    reading = snapshot.readings.get(name)
    return {
        **_power(reading, ("importing", "exporting")),
        "mean_mw": _round(snapshot.tie_mean_mw),
        "limit_mw": _round(snapshot.tie_limit_mw),
        "quarter_left_s": 900 - snapshot.at.timestamp() % 900,
        "month_peak_mw": _round(snapshot.month_peak_mw),
        "frequency_hz": _value(reading, "frequency_hz"),
        "vm_pu": _value(reading, "vm_pu"),
    }


def _store(park: Park, snapshot: Snapshot, name: str) -> Json:
    device, reading = park.devices[name], snapshot.readings.get(name)
    power = _power(reading, ("discharging", "charging"), own_use_mw(device))
    shown: Json = {"id": name, "kind": park.resources[name].kind, **power}
    match device:
        case H2Store():
            content, full, unit = _value(reading, "h2_kg"), device.params.usable_kg, "kg"
        case Caes():
            content, full, unit = _value(reading, "e_mwh"), device.e_air_mwh, "MWh"
        case Bess():
            content, full, unit = _value(reading, "e_mwh"), device.e_full_mwh, "MWh"
        case _:
            content, full, unit = None, 0.0, ""
    soc = content / full if content is not None and full else _value(reading, "soc")
    mode = _value(reading, "mode_code")
    return shown | {
        "content": content,
        "full": round(full, 1),
        "unit": unit,
        "percent": _percent(soc),
        "state": _MODES[int(mode)] if mode is not None and 0 <= mode < len(_MODES) else None,
    }


def own_use_mw(device: Device) -> float:
    """Return what a store draws at rest, MW: drawing no more than that, it does not charge."""
    match device:
        case Bess():
            return device.aux_mw
        case Caes():
            return device.params.standby_aux_mw
        case _:
            return 0.0


def _device(park: Park, snapshot: Snapshot, plan: Plan | None, name: str) -> Json:
    kind, setpoint = park.resources[name].kind, snapshot.setpoints.get(name)
    rest_mw, ends = own_use_mw(park.devices[name]), snapshot.mode_ends.get(name)
    words = ("discharging", "charging") if kind in ("bess", "caes") else ("feeding", "drawing")
    shown = {
        "id": name,
        "kind": kind,
        "mode": snapshot.modes.get(name),
        "mode_ends": None if ends is None else _local(ends, ZoneInfo(park.site.zone)),
        **_power(snapshot.readings.get(name), words, rest_mw),
        "setpoint": None,
        "planned": _directed(planned_mw(plan, name, snapshot.at), words, rest_mw),
    }
    if setpoint is not None:
        shown["setpoint"] = {
            **_directed(setpoint.p_mw, words, rest_mw),
            "source": setpoint.source,
            "age_s": max(0.0, (snapshot.at - setpoint.issued_at).total_seconds()),
            "clipped_by": list(setpoint.clipped_by),
            "h2_kg_per_h": _round(setpoint.h2_kg_per_h) if kind == "h2_store" else None,
        }
    return shown


def planned_mw(plan: Plan | None, name: str, at: datetime) -> float | None:
    """Return the planned injection of a resource in the step around `at`; None outside the plan."""
    return _in_step(plan, name, "p_mw", at)


def _in_step(plan: Plan | None, name: str, column: str, at: datetime) -> float | None:
    if plan is None or column not in plan.series.get(name, {}):
        return None
    step = (at - plan.start) // timedelta(minutes=plan.step_min)
    return float(plan.series[name][column][step]) if 0 <= step < plan.steps else None


def _load(snapshot: Snapshot, load: Load) -> Json:
    return {
        "id": load.id,
        "name": load.name,
        **_power(snapshot.readings.get(load.id), ("feeding", "drawing")),
        "blocks": load.blocks,
        "open_blocks": snapshot.open_blocks.get(load.id, 0).bit_count(),
        "sheddable_mw": _round(sheddable_mw(snapshot, load)),
        "trim_mw": _round(snapshot.trims.get(load.id)) if is_trimmable(load) else None,
        "trimmed_mw": _value(snapshot.readings.get(load.id), "trimmed_mw") if is_trimmable(load) else None,
    }


def _actuator(park: Park, snapshot: Snapshot, plan: Plan | None, name: str) -> Json:
    """Return a bank, tap or statcom: planned, ordered and read back, and whether it is where it was told."""
    reading, ordered = snapshot.readings.get(name), snapshot.positions.get(name)
    here = _value(reading, "position")
    told = f"not_moving:{name}" in {alarm.id for alarm in snapshot.alarms}
    answers = reading is not None and reading.quality is not Quality.BAD
    moving = ordered is not None and here is not None and abs(ordered - here) > AWAY
    state = "silent" if not answers else "stuck" if told else "moving" if moving else "there"
    return {
        "id": name,
        "kind": park.actuators[name].kind,
        "planned": _in_step(plan, name, "position", snapshot.at),
        "ordered": _round(ordered),
        "position": here,
        "state": state,
        "quality": Quality.BAD if reading is None else reading.quality,
        "age_s": None if reading is None else _round(reading.age_s, 1),
    }


def _plan(plan: Plan, snapshot: Snapshot, zone: ZoneInfo) -> Json:
    return {
        "id": plan.id,
        "label": plan.label,
        "made_at": _local(plan.made_at, zone),
        "age_s": max(0.0, (snapshot.at - plan.made_at).total_seconds()),
        "gap": _round(plan.gap, 5),
        "status": plan.status,
        "relaxations": sorted({f"{r.limit}: {r.reason}" for r in plan.relaxations})[:5],
    }


def _power(reading: Reading | None, words: tuple[str, str], rest_mw: float = 0.0) -> Json:
    if reading is None:
        return {"mw": None, "direction": None, "quality": Quality.BAD, "age_s": None}
    age = {"quality": reading.quality, "age_s": _round(reading.age_s, 1)}
    return {**_directed(reading.values.get("p_mw"), words, rest_mw), **age}


def _sum(snapshot: Snapshot, names: Iterable[str], words: tuple[str, str]) -> Json:
    found = [snapshot.readings[name] for name in names if name in snapshot.readings]
    known = [reading.values["p_mw"] for reading in found if "p_mw" in reading.values]
    quality = max((reading.quality for reading in found), key=_WORST.index, default=Quality.BAD)
    age_s = max((reading.age_s for reading in found), default=math.inf)
    return {**_directed(sum(known) if known else None, words), "quality": quality, "age_s": _round(age_s, 1)}


def _directed(p_mw: float | None, words: tuple[str, str], rest_mw: float = 0.0) -> Json:
    """Return magnitude and direction code of an injection; (positive, negative) words.

    A device that draws up to `rest_mw`, its own use, is idle.
    """
    value = _round(p_mw)
    if value is None:
        return {"mw": None, "direction": None}
    idle = -rest_mw - IDLE_MW < value < IDLE_MW
    direction = "idle" if idle else words[0] if value > 0 else words[1]
    return {"mw": abs(value), "direction": direction}


def _value(reading: Reading | None, point: str) -> float | None:
    return None if reading is None else _round(reading.values.get(point), 4)


def _ties(park: Park) -> list[str]:
    return [meter.id for meter in park.meters.values() if meter.kind == "tie"]


def _is_store(park: Park, name: str) -> bool:
    return park.resources[name].kind in ("bess", "caes", "h2_store")


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _round(value: float | None, digits: int = 3) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
