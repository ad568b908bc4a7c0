"""Two plans side by side for people: 80 columns of text, and one HTML page with plots."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from vpp.park.model import Park
from vpp.reports.plan_compare import Comparison, Pair, aligned_mw
from vpp.reports.plan_report import environment
from vpp.reports.svg import Svg
from vpp.types import Plan

SHOWN_STEPS = 40
"""Steps listed in the text; all are in the JSON."""
FIGURES = 6
"""Elements plotted, those that differ most."""
SAME = 5e-3
"""Pairs that differ by less are left out of the text's long tables."""


def comparison_to_text(park: Park, comparison: Comparison) -> str:
    """Return the comparison as lines of at most 80 columns where names allow."""
    c, zone = comparison, ZoneInfo(park.site.zone)
    lines = [f"A {c.a}", f"B {c.b}", f"{c.steps} common steps from {c.start.astimezone(zone):%Y-%m-%d %H:%M}"]
    lines += [f"note: {note}" for note in c.notes]
    for title, _, pairs in tables(c):
        whole = title in ("cost", "peaks")
        moved = [p for p in pairs if abs(p.difference) > SAME or (whole and (p.a or p.b))]
        if moved:
            lines += ["", f"{title:<32}{'A':>14}{'B':>14}{'B - A':>14}"]
            lines += [_row(pair) for pair in moved]
    if not c.differences:
        return "\n".join([*lines, "", f"no element differs by more than {c.threshold_mw:g} MW in any step"])
    lines += ["", f"steps that differ by more than {c.threshold_mw:g} MW"]
    for pair in c.differences[:SHOWN_STEPS]:
        at = pair.start.astimezone(zone)
        lines.append(f"{at:%H:%M} {pair.element:<14}{pair.a_mw:>10.2f} -> {pair.b_mw:>8.2f} MW")
    if len(c.differences) > SHOWN_STEPS:
        lines.append(f"and {len(c.differences) - SHOWN_STEPS} more: --json lists all")
    return "\n".join(lines)


def comparison_to_html(park: Park, comparison: Comparison, a: Plan, b: Plan) -> str:
    """Return the comparison as one page without any outside reference, the largest differences plotted."""
    found = environment()
    found.filters["figure"] = _figure
    start = comparison.start.astimezone(ZoneInfo(park.site.zone)).strftime("%Y-%m-%d %H:%M")
    return found.get_template("compare.html.j2").render(
        c=comparison, start=start, tables=list(tables(comparison)), figures=list(_plots(park, a, b))
    )


def tables(c: Comparison) -> Iterator[tuple[str, str, tuple[Pair, ...]]]:
    """Yield (English title, Chinese title, pairs) of every table."""
    yield "cost", "费用", c.costs
    yield "energy", "电量", c.energies
    yield "peaks", "峰值", c.peaks
    yield "curtailed by cause", "弃电原因", c.curtailed
    yield "gave way, at most", "放宽", c.violations


def _plots(park: Park, a: Plan, b: Plan) -> Iterator[tuple[str, Svg]]:
    from vpp.reports import plots

    for name, powers in list(aligned_mw(a, b).items())[:FIGURES]:
        if np.nansum(abs(powers[1] - powers[0])) > 0:
            yield name, plots.two_powers(park, a, name, powers)


def _row(pair: Pair) -> str:
    name = f"{pair.name.replace('_', ' ')}, {pair.unit}"
    return f"{name[:31]:<32}{_figure(pair.a):>14}{_figure(pair.b):>14}{_figure(pair.difference):>14}"


def _figure(value: float) -> str:
    if abs(value) < SAME:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
