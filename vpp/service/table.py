"""What a dispatcher sees in a terminal: one snapshot as rows, plain lines or a live table."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpp.park.model import Park
from vpp.service.alarm_groups import Group, grouped
from vpp.service.link_text import link_lines
from vpp.service.times import local_text
from vpp.types import Alarm, Following, Quality, Reading, Snapshot

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_ALARMS = 5
"""Alarms shown at most; the rest is counted."""

_MARKS = {Quality.GOOD: "", Quality.STALE: "stale", Quality.BAD: "bad", Quality.SUBSTITUTED: "subst."}
_SEVERITY = {"alarm": "[!]", "action": "[*]", "information": "[i]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One device or load: what was asked, what was metered."""

    id: str
    kind: str
    setpoint_mw: float
    """nan where nothing was ever commanded."""
    metered_mw: float
    """Injection positive; nan where nothing was ever read."""
    state: str
    """State of charge, hydrogen or open breakers, in words."""
    quality: str
    """Empty where good."""


def _value(reading: Reading | None, name: str) -> float:
    return math.nan if reading is None else reading.values.get(name, math.nan)


def _number(value: float, digits: int = 1) -> str:
    return "--" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def _state_text(reading: Reading | None, open_blocks: int) -> str:
    soc, h2_kg = _value(reading, "soc"), _value(reading, "h2_kg")
    if not math.isnan(soc):
        return f"SoC {soc * 100:.0f} % {_number(_value(reading, 'e_mwh'))} MWh"
    if not math.isnan(h2_kg):
        return f"{h2_kg:,.0f} kg H2"
    return f"{open_blocks.bit_count()} blocks open" if open_blocks else ""


def _quality_text(reading: Reading | None) -> str:
    if reading is None or math.isinf(reading.age_s):
        return "never read"
    mark = _MARKS[reading.quality]
    return f"{mark} {reading.age_s:.0f} s" if mark else ""


def device_rows(park: Park, snapshot: Snapshot) -> list[DeviceRow]:
    """Return the rows of all resources and loads in the park's order, injection positive."""
    rows = []
    for id_, resource in park.resources.items():
        reading, setpoint = snapshot.readings.get(id_), snapshot.setpoints.get(id_)
        rows.append(
            DeviceRow(
                id=id_,
                kind=resource.kind,
                setpoint_mw=math.nan if setpoint is None else setpoint.p_mw,
                metered_mw=_value(reading, "p_mw"),
                state=_state_text(reading, 0),
                quality=_quality_text(reading),
            )
        )
    for id_ in park.loads:
        reading = snapshot.readings.get(id_)
        rows.append(
            DeviceRow(
                id=id_,
                kind="load",
                setpoint_mw=math.nan,
                metered_mw=_value(reading, "p_mw"),
                state=_state_text(reading, snapshot.open_blocks.get(id_, 0)),
                quality=_quality_text(reading),
            )
        )
    return rows


def tie_mw(park: Park, snapshot: Snapshot) -> float:
    """Return the metered import of the tie (import positive); nan before the first reading."""
    return _value(snapshot.readings.get(tie_id(park)), "p_mw")


def tie_id(park: Park) -> str:
    """Return the id of the tie meter: `TIE` where the park has it, else its first meter."""
    return "TIE" if "TIE" in park.meters else next(iter(park.meters), "")


def head_lines(park: Park, snapshot: Snapshot) -> list[str]:
    """Return the lines above the devices: time, tie against limit, frequency, plan, re-plan."""
    tie = tie_mw(park, snapshot)
    limit, mean = snapshot.tie_limit_mw, snapshot.tie_mean_mw
    words = "import" if not tie < 0 else "export"
    frequency = _value(snapshot.readings.get(tie_id(park)), "frequency_hz")
    following = "plan" if snapshot.following is Following.PLAN else "HOLD (no valid plan)"
    return [
        f"{park.name}  {local_text(snapshot.at, park.site.zone)}  rate {snapshot.rate:g}  "
        f"cycle {snapshot.cycle}  missed {snapshot.missed_ticks}",
        f"tie {words} {_number(abs(tie))} MW, {_number(frequency, 2)} Hz, park {snapshot.park_mode.value}",
        f"15-min mean {_number(mean)} of at most {_number(limit)} MW {_bar(mean, limit)}",
        f"following {following} {snapshot.plan_id or ''}",
        f"next re-plan {_countdown(snapshot)}  dropped plans {snapshot.dropped_plans}  "
        f"orders {len(snapshot.orders)}",
    ]


def _bar(value: float, limit: float, width: int = 20) -> str:
    if math.isnan(value) or not limit > 0:
        return "[" + "?" * width + "]"
    filled = max(0, min(width, round(value / limit * width)))
    return "[" + "#" * filled + "." * (width - filled) + "]"


def _countdown(snapshot: Snapshot) -> str:
    if snapshot.next_replan_at is None:
        return "--"
    seconds = max(0, int((snapshot.next_replan_at - snapshot.at).total_seconds()))
    return f"in {seconds // 60:02d}:{seconds % 60:02d}"


def alarm_lines(alarms: Iterable[Alarm]) -> list[str]:
    """Return the worst alarms, a line for each or for a crowd of one kind, and the count of the rest."""
    order = list(_SEVERITY)
    ranked = sorted(grouped(alarms), key=lambda g: (order.index(g.first.severity.value), g.first.since))
    lines = [_alarm_line(group) for group in ranked[:MAX_ALARMS]]
    return lines + ([f"... and {len(ranked) - MAX_ALARMS} more"] if len(ranked) > MAX_ALARMS else [])


def _alarm_line(group: Group) -> str:
    more = f" (and {len(group.others)} more of this kind)" if group.others else ""
    return f"{_SEVERITY[group.first.severity.value]} {group.first.text}{more}"


def plain_lines(park: Park, snapshot: Snapshot) -> list[str]:
    """Return the whole snapshot as lines of at most 80 columns for parks with short names."""
    lines = [*head_lines(park, snapshot), f"{'id':10} {'kind':12} {'set MW':>8} {'metered':>8}  state"]
    for row in device_rows(park, snapshot):
        tail = "  ".join(text for text in (row.state, row.quality) if text)
        numbers = f"{_number(row.setpoint_mw):>8} {_number(row.metered_mw):>8}"
        lines.append(f"{row.id:10} {row.kind:12} {numbers}  {tail}".rstrip())
    return lines + link_lines(snapshot.links) + (alarm_lines(snapshot.alarms) or ["no alarms"])


def one_line(park: Park, snapshot: Snapshot) -> str:
    """Return the snapshot as one line, for logs and pipes: MW by kind of device, `--` where one is unread."""
    by_kind: dict[str, float] = {}
    for row in device_rows(park, snapshot):
        by_kind[row.kind] = by_kind.get(row.kind, 0.0) + row.metered_mw
    demand = -by_kind.pop("load", 0.0)
    parts = [f"{kind} {_number(p_mw)}" for kind, p_mw in by_kind.items()]
    following = snapshot.following.value
    return (
        f"{local_text(snapshot.at, park.site.zone)[11:19]} x{snapshot.rate:g} {following} "
        f"tie {_number(tie_mw(park, snapshot))}/{_number(snapshot.tie_limit_mw)} demand {_number(demand)} "
        f"{' '.join(parts)} alarms {len(snapshot.alarms)}"
    )


def live_table(park: Park, snapshot: Snapshot, remarks: Iterable[str]) -> "RenderableType":
    """Return the snapshot as a rich table below its head, alarms and the latest remarks.

    A terminal cuts off what does not fit at its foot: rows of devices, never an alarm.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=False)
    for name, justify in (("id", "left"), ("kind", "left"), ("set MW", "right"), ("metered", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for row in device_rows(park, snapshot):
        table.add_row(
            row.id,
            row.kind,
            _number(row.setpoint_mw),
            _number(row.metered_mw),
            Text(
                "  ".join(text for text in (row.state, row.quality) if text),
                style="yellow" if row.quality else "",
            ),
        )
    head = [Text(line, overflow="ellipsis", no_wrap=True) for line in head_lines(park, snapshot)]
    alarms = [
        Text(line, style="bold red" if "[!]" in line else "yellow") for line in alarm_lines(snapshot.alarms)
    ]
    notes = [Text(f"> {remark}", style="dim") for remark in remarks]
    return Group(*head, *(alarms or [Text("no alarms", style="dim")]), *notes, Text(""), table)
