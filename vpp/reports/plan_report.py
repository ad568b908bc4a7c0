"""The day plan on paper: one folder with plan.json, plan.csv and a self-contained report.html."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from vpp.park.model import Park
from vpp.reports.plan_explain import explain, text
from vpp.reports.plan_file import plan_to_csv, plan_to_json, step_starts
from vpp.reports.plan_numbers import curtailed_by_cause, energy_mwh, worst_branches
from vpp.reports.plan_outages import outage_rows
from vpp.reports.plan_reactive import moves
from vpp.reports.svg import Svg
from vpp.types import Plan, PlanLabel

LABEL_WORDS = {
    PlanLabel.OPTIMAL: "proven best within the stated gap",
    PlanLabel.FEASIBLE: "best found at the deadline or after the nodes allowed",
    PlanLabel.RELAXED: "a limit had to give",
    PlanLabel.SHIFTED: "the previous plan, moved on",
    PlanLabel.RULE: "merit order without optimisation",
}


class PlanPaths(NamedTuple):
    """Where `write_plan` put its files."""

    json: Path
    csv: Path
    html: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure of the report's head."""

    name: str
    value: str
    note: str
    abnormal: bool = False


def write_plan(park: Park, plan: Plan, out_dir: Path | str) -> PlanPaths:
    """Write plan.json, plan.csv and report.html into `out_dir`, made where missing; return the paths.

    A file is complete or absent: each is written beside its place and renamed.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = PlanPaths(json=folder / "plan.json", csv=folder / "plan.csv", html=folder / "report.html")
    _write(paths.json, plan_to_json(plan))
    _write(paths.csv, plan_to_csv(park, plan).encode("utf-8-sig"))
    _write(paths.html, plan_to_html(park, plan).encode())
    return paths


def plan_to_html(park: Park, plan: Plan) -> str:
    """Return the plan as one HTML page without any outside reference."""
    zone = ZoneInfo(park.site.zone)
    starts = [t.astimezone(zone) for t in step_starts(plan)]
    return (
        environment()
        .get_template("plan.html.j2")
        .render(
            park=park,
            plan=plan,
            start=starts[0],
            end=starts[-1] + timedelta(minutes=plan.step_min),
            made_at=plan.made_at.astimezone(zone),
            tiles=list(_tiles(plan)),
            figures=list(_figures(park, plan)),
            costs=[(name.replace("_", " "), cost) for name, cost in plan.cost_breakdown_cny.items()],
            relaxations=[(starts[r.step], r) for r in plan.relaxations],
            owners=_owners(plan),
            reasons=list(_reasons(park, plan)),
            pins=plan.pins,
            moves=[(at.astimezone(zone), *move) for at, *move in moves(park, plan)],
            actuators=len(park.actuators),
            outages=outage_rows(plan),
            branches=[(name, *_peak(plan, name, starts)) for name in worst_branches(plan, 8)],
        )
    )


def _owners(plan: Plan) -> tuple[list[str], list[tuple[str, list[float]]]]:
    """Return the items that somebody causes, and the rows (owner, CNY by item, total last)."""
    owned = plan.cost_by_owner_cny
    items = [item for item in plan.cost_breakdown_cny if any(item in costs for costs in owned.values())]
    rows = [
        (name, [costs.get(i, 0.0) for i in items] + [sum(costs.values())]) for name, costs in owned.items()
    ]
    return items, sorted(rows, key=lambda row: -abs(row[1][-1]))


def _reasons(park: Park, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the explanation line by line, in English and Chinese."""
    reasons = explain(park, plan)
    yield from zip(text(reasons, "en")[1:], text(reasons, "zh")[1:], strict=True)


def environment() -> Environment:
    """Return the template environment of all reports: escaping on, undefined names refused."""
    found = Environment(
        loader=PackageLoader("vpp.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["money"] = money
    return found


def money(cny: float) -> str:
    """Return whole yuan with thousands separated; revenue carries a true minus sign."""
    return f"{round(cny) + 0:,}".replace("-", "\u2212")


def _tiles(plan: Plan) -> Iterator[Tile]:
    certificate, tie = plan.certificate, plan.series["tie"]
    best = plan.label is PlanLabel.OPTIMAL
    yield Tile(name="Plan", value=plan.label, note=LABEL_WORDS[plan.label], abnormal=not best)
    gap = "none proven" if math.isnan(plan.gap) else f"{plan.gap:.2%}"
    yield Tile(name="Cost of the window", value=f"{money(plan.cost_cny)} CNY", note=f"gap to the best: {gap}")
    if certificate is None:
        yield Tile(name="Certificate", value="missing", note="not checked", abnormal=True)
    else:
        rounds = f"{len(certificate.checked_rules)} rules, {certificate.cut_rounds} network rounds"
        word = "passed" if certificate.ok else f"{len(certificate.violations)} violations"
        yield Tile(name="Certificate", value=word, note=rounds, abnormal=not certificate.ok)
    imported, peak = energy_mwh(plan, tie["import_mw"]), float(tie["import_mw"].max())
    yield Tile(name="Tie import", value=f"{imported:,.0f} MWh", note=f"peak {peak:.1f} MW")
    curtailed = sum(energy_mwh(plan, p) for p in curtailed_by_cause(plan).values())
    available = sum(energy_mwh(plan, s["available_mw"]) for s in plan.series.values() if "available_mw" in s)
    share = curtailed / available if available > 0 else 0.0
    yield Tile(name="Curtailed", value=f"{curtailed:.1f} MWh", note=f"{share:.1%} of wind and sun")
    losses = energy_mwh(plan, plan.series["network"]["losses_mw"])
    yield Tile(name="Network losses", value=f"{losses:.1f} MWh", note=f"solved in {plan.solve_s:.2f} s")


def _figures(park: Park, plan: Plan) -> Iterator[tuple[str, str, Svg | str]]:
    """Yield (English title, Chinese title, SVG or the words why there is none)."""
    from vpp.reports import plots

    yield "Balance by source", "源网荷储平衡", plots.balance(park, plan)
    yield "Storage", "储能", plots.storage(park, plan)
    yield "Tie against limit and price", "联络线", plots.tie(park, plan)
    none = "Nothing is known of it: the plan was not optimised."
    yield (
        "What a MWh more costs",
        "边际电价",
        plots.energy_price(park, plan) if plan.shadow_prices else none,
    )
    yield "Cost by step", "分时费用", plots.costs(park, plan) if plan.cost_by_step_cny else none
    cut = curtailed_by_cause(plan)
    none = "Nothing is curtailed."
    yield "Curtailment by cause", "弃电原因", plots.curtailment(park, plan) if cut else none
    none = "The plan says nothing of it."
    known = "q_mvar" in plan.series["tie"]
    yield "Reactive power", "无功", plots.reactive(park, plan) if known else none
    none = "The plan carries no AC check."
    yield "Voltages", "电压", plots.voltages(park, plan) if plan.vm_pu else none
    yield "Worst branches", "支路负载率", plots.loadings(park, plan) if plan.loading_percent else none


def _peak(plan: Plan, branch: str, starts: list[datetime]) -> tuple[float, str]:
    step = int(plan.loading_percent[branch].argmax())
    return float(plan.loading_percent[branch][step]), starts[step].strftime("%H:%M")


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(path.suffix + ".part")
    beside.write_bytes(data)
    beside.replace(path)
