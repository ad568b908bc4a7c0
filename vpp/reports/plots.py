"""Plots of a plan as inline SVG; colours are CSS variables, so one file serves day and night.

Every function returns an SVG element. Steps are drawn as steps, time is plant time.
"""

from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpp.park.model import Park
from vpp.reports.drawing import BESS, CAES, IMPORT, INK, LIMIT, MUTED, OTHER, PV, WIND, finished, framed, tidy
from vpp.reports.plan_file import step_starts
from vpp.reports.plan_numbers import content_percent, curtailed_by_cause, loads_mw, supply_mw, worst_branches
from vpp.reports.plan_reactive import sources_mvar
from vpp.reports.svg import Svg
from vpp.types import Array, Plan

_SOURCE = {"wind": WIND, "PV": PV, "battery": BESS, "CAES": CAES, "import": IMPORT}


def balance(park: Park, plan: Plan) -> Svg:
    """Plot what feeds the park, stacked by source, under the line of all use, in MW."""
    figure, axes = framed(3.4, "MW")
    below = np.zeros(plan.steps)
    for source, p_mw in supply_mw(park, plan).items():
        _fill(axes, plan, (below, below + p_mw), _SOURCE.get(source, OTHER), source)
        below = below + p_mw
    _stairs(axes, plan, below, INK, "all use, charging and losses", width=1.5)
    _stairs(axes, plan, loads_mw(park, plan), INK, "loads", width=1.0, dash="--")
    return _finish(figure, axes, park, plan, "balance")


def storage(park: Park, plan: Plan) -> Svg:
    """Plot the content of batteries, air and hydrogen stores at step ends, percent of capacity."""
    figure, axes = framed(2.6, "% of capacity")
    styles = {"bess": (BESS, "-"), "caes": (CAES, "-"), "h2_store": (INK, "--")}
    for name, resource in park.resources.items():
        content = content_percent(park, plan, name)
        if content is not None:
            colour, dash = styles[resource.kind]
            axes.plot(_hours(plan), content, color=colour, ls=dash, lw=1.8, label=name)
    axes.set_ylim(0, 100)
    return _finish(figure, axes, park, plan, "storage")


def tie(park: Park, plan: Plan) -> Svg:
    """Plot the tie's exchange against its limit (MW, import up) and the price (CNY/MWh)."""
    figure, axes = framed(2.8, "MW")
    series = plan.series["tie"]
    net = series["import_mw"] - series["export_mw"]
    _fill(axes, plan, (np.zeros(plan.steps), net), IMPORT, "import (down: export)")
    _stairs(axes, plan, series["import_max_mw"], LIMIT, "import limit", width=1.4, dash="--")
    price = axes.twinx()
    _stairs(price, plan, series["price_cny_per_mwh"], MUTED, "price, right", width=1.0)
    price.set_ylim(0, None)
    price.set_ylabel("CNY/MWh", color=INK)
    tidy(price)
    price.grid(visible=False)
    return _finish(figure, axes, park, plan, "tie")


def reactive(park: Park, plan: Plan) -> Svg:
    """Plot the Mvar that the tie imports beside what devices and statcoms inject and loads draw."""
    figure, axes = framed(2.4, "Mvar")
    none = np.zeros(plan.steps)
    drawn = sum((-plan.series[name].get("q_mvar", none) for name in park.loads), none)
    _fill(axes, plan, (np.zeros(plan.steps), plan.series["tie"]["q_mvar"]), IMPORT, "tie import")
    _stairs(axes, plan, sources_mvar(park, plan), INK, "devices and statcoms", width=1.2)
    _stairs(axes, plan, drawn, LIMIT, "drawn by loads", width=1.2, dash="--")
    return _finish(figure, axes, park, plan, "reactive")


def voltages(park: Park, plan: Plan) -> Svg:
    """Plot the envelope of all bus voltages of the AC check and the band of every level, pu."""
    figure, axes = framed(2.4, "pu")
    vm = np.array(list(plan.vm_pu.values()))
    # 0 pu is a bus that a planned outage cuts off
    vm = np.where(vm > 0, vm, np.nan)
    _fill(axes, plan, (np.nanmin(vm, axis=0), np.nanmax(vm, axis=0)), IMPORT, "lowest to highest bus")
    _stairs(axes, plan, np.nanmedian(vm, axis=0), INK, "median bus", width=1.2)
    limits = sorted({v for band in park.voltage_bands for v in (band.vm_min_pu, band.vm_max_pu)})
    for i, limit in enumerate(limits):
        axes.axhline(limit, color=LIMIT, ls="--", lw=1.1, label=None if i else "bands")
    return _finish(figure, axes, park, plan, "voltages")


def loadings(park: Park, plan: Plan) -> Svg:
    """Plot the five branches that come closest to their continuous rating, percent."""
    figure, axes = framed(2.6, "% of rating")
    worst = worst_branches(plan, 5)
    for name, colour in zip(worst, (INK, WIND, CAES, PV, MUTED), strict=False):
        _stairs(axes, plan, plan.loading_percent[name], colour, name, width=1.6)
    axes.axhline(100, color=LIMIT, ls="--", lw=1.4)
    axes.set_ylim(0, max(110, *(float(plan.loading_percent[n].max()) * 1.05 for n in worst)))
    return _finish(figure, axes, park, plan, "loadings")


def curtailment(park: Park, plan: Plan) -> Svg:
    """Plot curtailed power of wind and PV, stacked by cause, MW."""
    figure, axes = framed(2.2, "MW")
    below = np.zeros(plan.steps)
    for (cause, p_mw), colour in zip(
        curtailed_by_cause(plan).items(), (IMPORT, WIND, PV, CAES, BESS, OTHER) * 9, strict=False
    ):
        _fill(axes, plan, (below, below + p_mw), colour, cause)
        below = below + p_mw
    axes.set_ylim(0, max(1.0, float(below.max()) * 1.15))
    return _finish(figure, axes, park, plan, "curtailment")


def two_powers(park: Park, a: Plan, name: str, powers: tuple[Array, Array]) -> Svg:
    """Plot the power of an element in two plans on the steps of the first, MW; see `aligned_mw`."""
    figure, axes = framed(2.0, "MW")
    _stairs(axes, a, powers[0], WIND, "A", width=1.8)
    _stairs(axes, a, powers[1], INK, "B", width=1.2, dash="--")
    return _finish(figure, axes, park, a, f"two-{name}")


def energy_price(park: Park, plan: Plan) -> Svg:
    """Plot what one MWh more costs at the tie and, as a band, at all buses; CNY/MWh."""
    figure, axes = framed(2.2, "CNY/MWh")
    buses = [values for name, values in plan.shadow_prices.items() if name.startswith("bus:")]
    if buses:
        _fill(axes, plan, (np.min(buses, axis=0), np.max(buses, axis=0)), IMPORT, "all buses")
    _stairs(axes, plan, plan.shadow_prices["energy"], INK, "at the tie", width=1.4)
    _stairs(axes, plan, plan.series["tie"]["price_cny_per_mwh"], MUTED, "tariff", width=1.0, dash="--")
    return _finish(figure, axes, park, plan, "price")


def costs(park: Park, plan: Plan) -> Svg:
    """Plot what falls in each step, CNY, stacked by item; revenue lies below 0."""
    figure, axes = framed(2.2, "CNY a step")
    above, below = np.zeros(plan.steps), np.zeros(plan.steps)
    drawn = [(item, cny) for item, cny in plan.cost_by_step_cny.items() if np.abs(cny).max() > 0.5]
    for (item, cny), colour in zip(drawn, (IMPORT, WIND, BESS, PV, CAES, OTHER) * 4, strict=False):
        up, down = np.maximum(cny, 0.0), np.minimum(cny, 0.0)
        _fill(axes, plan, (above, above + up), colour, item.replace("_", " "))
        if down.any():
            _fill(axes, plan, (below + down, below), colour, "_")
        above, below = above + up, below + down
    return _finish(figure, axes, park, plan, "costs")


def _fill(axes: Axes, plan: Plan, band: tuple[Array, Array], colour: str, label: str) -> None:
    low, high = (_closed(y) for y in band)
    axes.fill_between(_hours(plan), low, high, step="post", color=colour, lw=0, label=label)


def _stairs(
    axes: Axes, plan: Plan, y: Array, colour: str, label: str, *, width: float, dash: str = "-"
) -> None:
    axes.step(_hours(plan), _closed(y), where="post", color=colour, lw=width, ls=dash, label=label)


def _hours(plan: Plan) -> Array:
    """Return the edges of all steps, hours after the start, shape (steps + 1,)."""
    return np.arange(plan.steps + 1) * plan.step_min / 60


def _closed(y: Array) -> Array:
    return np.append(y, y[-1])


def _label_hours(axes: Axes, park: Park, plan: Plan) -> None:
    """Write plant time below the axis: at most 13 labels, at full hours where the window allows."""
    every = next(n for n in (1, 2, 4, 8, 12, 16, 24, 48, 96, 192) if plan.steps / n <= 13)
    starts = step_starts(plan)[::every]
    zone = ZoneInfo(park.site.zone)
    axes.set_xticks(_hours(plan)[:-1:every], [t.astimezone(zone).strftime("%H:%M") for t in starts])
    axes.set_xlim(0, float(_hours(plan)[-1]))


def _finish(figure: Figure, axes: Axes, park: Park, plan: Plan, name: str) -> Svg:
    _label_hours(axes, park, plan)
    return finished(figure, name)
