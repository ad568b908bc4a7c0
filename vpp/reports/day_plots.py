"""Plots of a day by quarter hour, metered beside planned; every function returns an SVG element."""

from zoneinfo import ZoneInfo

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vpp.devices import Bess, Caes, H2Store
from vpp.park.model import Park
from vpp.reports.day_types import Day
from vpp.reports.drawing import (
    BESS,
    CAES,
    IMPORT,
    INK,
    LIMIT,
    MUTED,
    OTHER,
    PV,
    WIND,
    finished,
    framed,
)
from vpp.reports.svg import Svg
from vpp.types import Array

_COLOURS = {"wind": WIND, "pv": PV, "bess": BESS, "caes": CAES}
_WORDS = {"wind": "wind", "pv": "PV", "bess": "battery", "caes": "CAES", "chp": "CHP"}


def balance(park: Park, day: Day) -> Svg:
    """Plot what fed the park by meter, stacked by source, under the demand of all loads, MW."""
    figure, axes = framed(3.4, "MW")
    below = np.zeros(day.metered.bins)
    kinds = dict.fromkeys(r.kind for r in park.resources.values())
    for kind in kinds:
        names = [n for n, r in park.resources.items() if r.kind == kind]
        fed = sum(
            (day.metered.of("fed")[n] for n in names if n in day.metered.of("fed")), np.zeros(len(below))
        )
        mw = _mw(day, fed)
        if np.nansum(mw) > 0:
            _fill(axes, below, below + mw, _COLOURS.get(kind, OTHER), _WORDS.get(kind, kind))
            below = below + mw
    mw = _mw(day, day.metered.by_bin("import"))
    _fill(axes, below, below + mw, IMPORT, "import")
    demand = _mw(day, day.metered.by_bin("demand") - day.metered.by_bin("cut"))
    _stairs(axes, demand, INK, "loads", dash="--")
    return _finished(figure, axes, park, day, "balance")


def tie(park: Park, day: Day) -> Svg:
    """Plot the quarter-hour means of the exchange, metered and planned, against the limit, MW."""
    figure, axes = framed(2.8, "MW")
    net = _mw(day, day.metered.by_bin("import") - day.metered.by_bin("export"))
    _fill(axes, np.zeros(len(net)), net, IMPORT, "metered (down: export)")
    hours = np.where(day.planned.seconds > 0, day.planned.seconds, np.nan) / 3600
    planned = (day.planned.by_bin("import") - day.planned.by_bin("export")) / hours
    _stairs(axes, planned, INK, "plans in force", dash=":")
    _stairs(axes, day.limits_mw, LIMIT, "import limit", dash="--")
    return _finished(figure, axes, park, day, "tie")


def storage(park: Park, day: Day) -> Svg:
    """Plot the metered content of stores at the end of each quarter hour, percent of capacity."""
    figure, axes = framed(2.6, "% of capacity")
    styles = {"bess": (BESS, "-"), "caes": (CAES, "-"), "h2_store": (INK, "--")}
    for name, content in day.contents.items():
        match park.devices[name]:
            case Bess() as battery:
                full = battery.e_full_mwh
            case Caes() as plant:
                full = plant.e_air_mwh
            case H2Store() as store:
                full = store.params.usable_kg
            case _:
                continue
        colour, dash = styles[park.resources[name].kind]
        axes.plot(
            np.arange(1, len(content) + 1) / 4,
            content / full * 100,
            color=colour,
            ls=dash,
            lw=1.8,
            label=name,
        )
    axes.set_ylim(0, 100)
    return _finished(figure, axes, park, day, "storage")


def sources(park: Park, day: Day) -> Svg:
    """Plot the non-fossil share of each hour's supply, percent, and its carbon per MWh, kg."""
    figure, axes = framed(2.6, "% non-fossil")
    supplied, _, carbon = (
        values[: len(values) // 4 * 4].reshape(-1, 4).sum(axis=1)
        for values in (day.mix.supplied_mwh, day.mix.fossil_mwh, day.mix.carbon_t)
    )
    share = np.repeat(np.array(day.report.hourly_non_fossil) * 100, 4)
    _fill(axes, np.zeros(len(share)), share, BESS, "non-fossil share")
    axes.set_ylim(0, 100)
    right = axes.twinx()
    intensity = np.full(len(supplied), np.nan)
    np.divide(1000 * carbon, supplied, out=intensity, where=supplied > 0)
    _stairs(right, np.repeat(intensity, 4), INK, "carbon, right")
    right.set_ylim(0, None)
    right.set_ylabel("kg CO2 / MWh", color=INK)
    right.tick_params(colors=INK, length=3)
    for spine in right.spines.values():
        spine.set_visible(False)
    return _finished(figure, axes, park, day, "sources")


def curtailment(park: Park, day: Day) -> Svg:
    """Plot wind and sun: what was available, what was fed in and what was not, MW."""
    figure, axes = framed(2.2, "MW")
    names = day.metered.of("available")
    available = _mw(day, sum(names.values(), np.zeros(day.metered.bins)))
    lost = _mw(day, day.metered.by_bin("curtailed"))
    _fill(axes, np.zeros(len(lost)), available - lost, WIND, "fed in")
    _fill(axes, available - lost, available, OTHER, "curtailed")
    hours = np.where(day.planned.seconds > 0, day.planned.seconds, np.nan) / 3600
    _stairs(axes, day.planned.by_bin("available") / hours, MUTED, "forecast of the plans in force", dash=":")
    return _finished(figure, axes, park, day, "weather")


def _mw(day: Day, mwh: Array) -> Array:
    """Return the mean power of each quarter hour; nan where nothing is known."""
    out: Array = mwh * 3600 / np.where(day.metered.seconds > 0, day.metered.seconds, np.nan)
    return out


def _fill(axes: Axes, low: Array, high: Array, colour: str, label: str) -> None:
    edges = np.arange(len(low) + 1) / 4
    axes.fill_between(
        edges,
        np.append(low, low[-1]),
        np.append(high, high[-1]),
        step="post",
        color=colour,
        lw=0,
        label=label,
    )


def _stairs(axes: Axes, y: Array, colour: str, label: str, *, dash: str = "-") -> None:
    axes.step(
        np.arange(len(y) + 1) / 4,
        np.append(y, y[-1]),
        where="post",
        color=colour,
        lw=1.4,
        ls=dash,
        label=label,
    )


def _finished(figure: Figure, axes: Axes, park: Park, day: Day, name: str) -> Svg:
    zone, starts = ZoneInfo(park.site.zone), day.metered.starts_at[::8]
    axes.set_xticks(np.arange(len(starts)) * 2, [t.astimezone(zone).strftime("%H:%M") for t in starts])
    axes.set_xlim(0, day.metered.bins / 4)
    return finished(figure, name)
