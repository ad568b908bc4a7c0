"""A run report for people and programs: 80 columns of text, JSON, and one HTML page."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from vpp.park.model import Park
from vpp.reports import shed_text
from vpp.reports.plan_report import environment
from vpp.reports.run_report import RunReport, run_report, span
from vpp.reports.tally import Energy, TieResult

WIDTH = 80
ALARMS = 12
"""Alarms printed at most; the rest is counted and stands in the JSON."""
SMALL_MWH = 0.05
"""Below this, plan and meter both count as nothing and no deviation is shown (assumption)."""


NET = (
    "net: deviation without what no plan could know: weather and demand against their forecast, what "
    "control asked of batteries for it, and loads under a shed"
)
"""What the last column of each side means (`vpp.reports.unforeseen`)."""


class RunPaths(NamedTuple):
    """Where `write_run_report` put its files."""

    json: Path
    text: Path
    html: Path


def write_run_report(park: Park, journal: Path, out_dir: Path | str) -> RunPaths:
    """Write run.json, run.txt and run.html into `out_dir`; InvalidInput where nothing was run."""
    report, folder = run_report(park, journal), Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = RunPaths(json=folder / "run.json", text=folder / "run.txt", html=folder / "run.html")
    paths.json.write_bytes(to_json(report))
    paths.text.write_text(to_text(report) + "\n", encoding="utf-8")
    paths.html.write_text(to_html(report), encoding="utf-8")
    return paths


def to_json(report: RunReport) -> bytes:
    """Return the report as JSON; numbers that are not finite become null."""
    return msgspec.json.encode(report)


def to_html(report: RunReport) -> str:
    """Return the report as one page without any outside reference."""
    return (
        environment()
        .get_template("run.html.j2")
        .render(
            report=report,
            sheds=[(s, list(shed_text.lines(s, report.shed_energies))) for s in report.sheds],
            head=list(_head(report)),
            net=NET,
            energies=[(e, _cells(e)) for e in report.energies],
            tie=tie_text(report.tie, report.zone),
            alarms=[
                (local_text(s.alarm.since, report.zone), local_text(s.cleared_at, report.zone), s.alarm)
                for s in report.alarms
            ],
            refused=[(local_text(p.at, report.zone), p.reason) for p in report.plans if p.reason],
        )
    )


def to_text(report: RunReport) -> str:
    """Return the report as lines of at most 80 columns."""
    lines = [
        *_head(report),
        "",
        f"{'energy, MWh':<12}"
        + "".join(f"{side:>9}{'plan':>9}{'dev.':>8}{'net':>8}" for side in ("out", "in")),
    ]
    for energy in report.energies:
        cells = "".join(f"{cell:>{w}}" for cell, w in zip(_cells(energy), 2 * (9, 9, 8, 8), strict=True))
        lines.append(f"{energy.id[:12]:<12}{cells}".rstrip())
    lines += ["", NET, "", tie_text(report.tie, report.zone)]
    lines += [line for shed in report.sheds for line in shed_text.lines(shed, report.shed_energies)]
    lines += [f"plan refused: {event.reason}" for event in report.plans if event.reason]
    for spell in report.alarms[:ALARMS]:
        start, end = local_text(spell.alarm.since, report.zone), local_text(spell.cleared_at, report.zone)
        lines.append(f"{spell.alarm.severity} {start}-{end} {spell.alarm.source}: {spell.alarm.text}")
    if len(report.alarms) > ALARMS:
        lines.append(f"and {len(report.alarms) - ALARMS} more alarms")
    return "\n".join(part for line in lines for part in fold(line))


def tie_text(tie: TieResult, zone: str) -> str:
    """Return how the tie kept its limit, in words."""
    if not tie.quarters:
        return "tie: never metered"
    kept = f"tie: {tie.quarters} quarter hours, highest mean import {tie.peak_mean_mw:.1f} MW, "
    if not tie.over:
        return kept + "none over its limit"
    worst = f"the worst by {tie.worst_over_mw:.2f} MW at {local_text(tie.worst_at, zone)}"
    return kept + f"{tie.over} over the limit, {worst}"


def _head(report: RunReport) -> Iterator[str]:
    zone = ZoneInfo(report.zone)
    start, end = report.start.astimezone(zone), report.end.astimezone(zone)
    yield f"{report.park}: {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} {report.zone}"
    rates = ", ".join(f"rate {rate} for {timedelta(seconds=round(s))}" for rate, s in report.rates.items())
    yield f"{timedelta(seconds=round(span(report).total_seconds()))} of plant time: {rates}"
    taken = sum(not event.reason for event in report.plans)
    yield (
        f"{report.cycles} cycles, {report.missed_ticks} missed; {taken} plans taken, "
        f"{report.dropped_plans} dropped; starts of control: {report.control_starts}"
    )
    if report.without_plan_s > 0:
        held = timedelta(seconds=round(report.without_plan_s))
        yield f"{held} without a valid plan: not in the energies below"
    if report.unread_plans:
        yield f"{report.unread_plans} plans of another version of the product: not compared"
    if report.counter_resets:
        yield f"{report.counter_resets} energy counters went back (restarted devices): energy may be missing"


def _cells(energy: Energy) -> tuple[str, ...]:
    """Return metered, planned, deviation and what is left of it net of forecast error, out then in.

    Of the time in which a plan was in force.

    A side on which nothing was metered or planned stays empty.
    """
    sides = (
        (energy.out_covered_mwh, energy.out_planned_mwh, energy.out_expected_mwh),
        (energy.in_covered_mwh, energy.in_planned_mwh, energy.in_expected_mwh),
    )
    return tuple(
        cell
        for metered, planned, expected in sides
        for cell in (
            ("", "", "", "")
            if metered == planned == 0.0
            else (
                f"{metered:.2f}",
                f"{planned:.2f}",
                deviation(metered, planned),
                deviation(metered, expected),
            )
        )
    )


def deviation(metered_mwh: float, planned_mwh: float) -> str:
    """Return by how much more was metered than planned, in percent; empty where both are nothing."""
    if max(metered_mwh, planned_mwh) < SMALL_MWH:
        return ""
    ratio = math.inf if planned_mwh < SMALL_MWH else metered_mwh / planned_mwh - 1
    return "unplanned" if math.isinf(ratio) else f"{ratio:+.1%}"


def local_text(at: datetime | None, zone: str) -> str:
    """Return the time of day in a zone; `end` where there is none."""
    return "end" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S")


def fold(line: str) -> Iterator[str]:
    """Break a line at spaces so that no part is longer than 80 columns, the rest indented."""
    while len(line) > WIDTH:
        cut = line.rfind(" ", 2, WIDTH + 1)
        cut = cut if cut > 2 else WIDTH
        yield line[:cut]
        line = "  " + line[cut:].lstrip()
    yield line
