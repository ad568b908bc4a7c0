"""A day report for people and programs: 80 columns of text, JSON, and one HTML page with plots."""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from vpp.park.model import Park
from vpp.reports import shed_text
from vpp.reports.day_report import day_report
from vpp.reports.day_types import Breach, Day, DayReport
from vpp.reports.plan_report import environment, money
from vpp.reports.run_text import NET, deviation, fold, local_text, tie_text
from vpp.reports.tally import Energy

FORMAT = "yuanwang.day"
SHORT_H = 0.05
"""Hours without a plan from which it is said that meter and plan cover different times."""
HOUR_COLUMNS = 4
"""Columns of the table of hours."""
NEVER = 0.9995
"""Endpoints that answered for less of the day are named, the worst of them."""
AWAY = 6
"""So many of them; the rest is counted and stands in the JSON."""


class DayPaths(NamedTuple):
    """Where `write_day_report` put its files."""

    json: Path
    text: Path
    html: Path


def write_day_report(park: Park, journal: Path, day: date, out_dir: Path | str) -> DayPaths:
    """Write day.json, day.txt and day.html into `out_dir`; InvalidInput where the day was not run.

    A file is complete or absent: each is written beside its place and renamed.
    """
    made, folder = day_report(park, journal, day), Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = DayPaths(json=folder / "day.json", text=folder / "day.txt", html=folder / "day.html")
    texts = (to_json(made.report), (to_text(made.report) + "\n").encode(), to_html(park, made).encode())
    for path, data in zip(paths, texts, strict=True):
        beside = path.with_suffix(path.suffix + ".part")
        beside.write_bytes(data)
        beside.replace(path)
    return paths


def to_json(report: DayReport) -> bytes:
    """Return the report as JSON with its format and version; numbers that are not finite become null."""
    plain = msgspec.to_builtins(report, enc_hook=str)
    return msgspec.json.encode({"format": FORMAT, "version": 1, **plain})


def to_html(park: Park, day: Day) -> str:
    """Return the report as one page without any outside reference."""
    from vpp.reports import day_plots

    report = day.report
    figures = (
        ("What fed the park", "源网荷储平衡", day_plots.balance(park, day)),
        ("Tie by quarter hour", "联络线", day_plots.tie(park, day)),
        ("Wind and sun", "风光", day_plots.curtailment(park, day)),
        ("Stores", "储能", day_plots.storage(park, day)),
        ("Where it came from, hour by hour", "非化石占比与碳排放", day_plots.sources(park, day)),
    )
    return (
        environment()
        .get_template("day.html.j2")
        .render(
            report=report,
            sheds=[(s, list(shed_text.lines(s, report.shed_energies))) for s in report.sheds],
            head=list(_head(report)),
            tiles=list(_tiles(report)),
            figures=figures,
            net=NET,
            energies=[(e, list(_cells(e))) for e in report.energies],
            breaches=[(b, breach_text(b, report.zone)) for b in report.breaches],
            total=(sum(c.metered_cny for c in report.costs), sum(c.planned_cny for c in report.costs)),
            words=list(_words(report)),
            alarms=[
                (local_text(s.alarm.since, report.zone), local_text(s.cleared_at, report.zone), s.alarm)
                for s in report.alarms
            ],
        )
    )


def to_text(report: DayReport) -> str:
    """Return the report as lines of at most 80 columns."""
    lines = [*_head(report), "", f"{'cost, CNY':<22}{'metered':>14}{'plan':>14}{'more':>14}"]
    for item in report.costs:
        lines.append(_row(item.name.replace("_", " "), item.metered_cny, item.planned_cny, 0))
    lines.append(
        _row("total", sum(i.metered_cny for i in report.costs), sum(i.planned_cny for i in report.costs), 0)
    )
    lines += ["", f"{'import, MWh':<22}{'metered':>14}{'plan':>14}{'more':>14}"]
    lines += [_row(p.name.replace("_", " "), p.metered_mwh, p.planned_mwh, 1) for p in report.periods]
    sides = "".join(f"{side:>10}{'plan':>10}{'net':>8}" for side in ("out", "in"))
    lines += ["", f"{'energy, MWh':<12}{sides}"]
    for e in report.energies:
        row = (f"{cell:>{width}}" for cell, width in zip(_cells(e), 2 * (10, 10, 8), strict=True))
        lines.append(f"{e.id[:12]:<12}" + "".join(row))
    lines += ["", NET]
    lines += ["", "hour: non-fossil share of supply, %, and carbon of it, t"]
    cells = [
        f"{k:02d}:{'--' if math.isnan(share) else f'{share * 100:.0f}':>5}{carbon:>8.1f}"
        for k, (share, carbon) in enumerate(
            zip(report.hourly_non_fossil, report.hourly_carbon_t, strict=True)
        )
    ]
    rows = -(-len(cells) // HOUR_COLUMNS)
    lines += ["    ".join(cells[row::rows]) for row in range(rows)]
    lines += ["", *_words(report)]
    return "\n".join(part.rstrip() for line in lines for part in fold(line))


def _cells(energy: Energy) -> Iterator[str]:
    """Yield metered, planned and deviation net of forecast error, out then in, of the time with a plan."""
    for metered, planned, expected in (
        (energy.out_covered_mwh, energy.out_planned_mwh, energy.out_expected_mwh),
        (energy.in_covered_mwh, energy.in_planned_mwh, energy.in_expected_mwh),
    ):
        yield from (f"{mwh:.1f}" if mwh else "" for mwh in (metered, planned))
        yield deviation(metered, expected) if metered or planned else ""


def _row(name: str, metered: float, planned: float, digits: int) -> str:
    cells = "".join(f"{round(x, digits) + 0.0:>14,.{digits}f}" for x in (metered, planned, metered - planned))
    return f"{name[:22]:<22}{cells}"


def _head(report: DayReport) -> Iterator[str]:
    yield f"{report.park}, day {report.date}, {report.zone}"
    rates = ", ".join(f"{s / 3600:.1f} h at rate {rate}" for rate, s in report.rates.items())
    yield f"{report.known_h:.1f} h known: {rates}; {report.cycles} cycles, {report.missed_ticks} missed"
    labels = ", ".join(f"{label} {seconds / 3600:.1f} h" for label, seconds in report.labels_s.items())
    refused = sum(bool(e.reason) for e in report.plans)
    taken = len(report.plans) - refused
    yield f"plans taken {taken}, refused {refused}, late {report.dropped_plans}; followed: {labels}"
    followed_h = sum(s for label, s in report.labels_s.items() if label != "none") / 3600
    if report.known_h - followed_h > SHORT_H:
        yield f"a plan was followed for {followed_h:.1f} h: the columns of the plan cover that time alone"
    if report.unread_plans:
        yield f"{report.unread_plans} plans of another version of the product: not compared"


def _tiles(report: DayReport) -> Iterator[tuple[str, str, str, bool]]:
    real, asked = (sum(getattr(c, side) for c in report.costs) for side in ("metered_cny", "planned_cny"))
    yield "Cost of the day", f"{money(real)} CNY", f"plans in force {money(asked)} CNY", False
    peak = report.tie.peak_mean_mw
    yield (
        "Demand peak",
        "–" if math.isnan(peak) else f"{peak:.1f} MW",
        f"plan {_number(report.planned_peak_mw)}, month {_number(report.month_peak_mw)} MW",
        False,
    )
    share = report.non_fossil_share
    yield "Non-fossil", "–" if math.isnan(share) else f"{share:.1%}", f"{report.carbon_t:,.0f} t CO2", False
    cut = sum(c.metered_mwh for c in report.curtailed)
    yield "Curtailed", f"{cut:.1f} MWh", f"plan {sum(c.planned_mwh for c in report.curtailed):.1f} MWh", False
    broken = [b for b in report.breaches if b.count]
    yield (
        "Limits",
        f"{len(broken)} breached" if broken else "all kept",
        f"{len(report.breaches)} watched",
        bool(broken),
    )
    yield "Known", f"{report.known_h:.1f} h", f"{len(report.alarms)} alarms", report.known_h < 23.75


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _words(report: DayReport) -> Iterator[str]:
    """Yield what is no table, a sentence each."""
    cut = "; ".join(f"{c.cause} {c.metered_mwh:.1f} (plan {c.planned_mwh:.1f})" for c in report.curtailed)
    yield f"curtailed, MWh by cause: {cut or 'nothing'}"
    for s in report.storage:
        yield (
            f"{s.id}: {s.charged_mwh:.1f} MWh in, {s.discharged_mwh:.1f} MWh out, "
            f"{s.cycles:.2f} full cycles (plan {s.planned_cycles:.2f})"
        )
    if report.hydrogen_made_kg or report.hydrogen_delivered_kg:
        yield (
            f"hydrogen: {report.hydrogen_made_kg:,.0f} kg made, {report.hydrogen_delivered_kg:,.0f} kg "
            f"delivered (plan {report.hydrogen_planned_kg:,.0f})"
        )
    if report.ammonia_t or report.ammonia_planned_t:
        yield f"ammonia: {report.ammonia_t:.1f} t made (plan {report.ammonia_planned_t:.1f})"
    share = "unknown" if math.isnan(report.non_fossil_share) else f"{report.non_fossil_share:.1%}"
    yield f"non-fossil share {share}, carbon of import and fuel {report.carbon_t:,.1f} t"
    asked = "" if math.isnan(report.planned_peak_mw) else f"; plan {report.planned_peak_mw:.1f} MW at most"
    yield tie_text(report.tie, report.zone) + asked
    deviation = next((c for c in report.costs if c.name == "deviation"), None)
    paid = money(deviation.metered_cny) if deviation is not None else "0"
    yield (
        f"outside the band around the declared curve: {report.outside_mwh:.2f} MWh "
        f"(plan {report.planned_outside_mwh:.2f}), {paid} CNY"
    )
    yield from (breach_text(b, report.zone) for b in report.breaches if b.count)
    if not any(b.count for b in report.breaches):
        yield f"all of {len(report.breaches)} watched limits kept"
    yield (
        f"shed: {report.shed_mwh:.2f} MWh (plan {report.planned_shed_mwh:.2f}), of it trimmed "
        f"{report.trimmed_mwh:.2f} (plan {report.planned_trimmed_mwh:.2f}), {len(report.sheds)} orders"
    )
    for shed in report.sheds:
        yield from shed_text.lines(shed, report.shed_energies)
    for f in report.forecasts:
        first = "" if math.isnan(f.first_mae_mw) else f", of the first plan {f.first_mae_mw:.2f}"
        yield (
            f"forecast of {f.kind}: mean error {f.mae_mw:.2f} MW of {f.mean_mw:.1f}, "
            f"bias {f.bias_mw:+.2f}{first}"
        )
    yield "availability: " + _availability(report)
    yield f"alarms: {len(report.alarms)}"


def _availability(report: DayReport) -> str:
    away = sorted((a for a in report.availability if a.able < NEVER), key=lambda a: a.able)
    if not away:
        return f"all {len(report.availability)} endpoints throughout"
    worst = [f"{a.id} answered {a.answered:.1%}, obeyed {a.able:.1%}" for a in away[:AWAY]]
    more = [f"{len(away) - AWAY} more below {NEVER:.2%}"] if len(away) > AWAY else []
    return "; ".join([*worst, *more])


def breach_text(breach: Breach, zone: str) -> str:
    """Return how one limit was kept, in words."""
    if not breach.count:
        return f"{breach.limit}: kept"
    at = "" if breach.worst_at is None else f" at {breach.worst_at.astimezone(ZoneInfo(zone)):%H:%M}"
    lasted = timedelta(seconds=round(breach.duration_s))
    worst = f"by {breach.depth:.3g} {breach.unit} at most{at}"
    often = "once" if breach.count == 1 else f"{breach.count} times"
    return f"{breach.limit}: over {often} for {lasted}, {worst}"
