"""Frames of inline SVG plots, with CSS variables for colours: one file serves day and night."""

import io
import re

import matplotlib
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from vpp.reports.svg import Svg

# Placeholders that matplotlib writes into the SVG and `_svg` turns into CSS variables.
INK, MUTED, GRID, LIMIT = "#010101", "#010102", "#010103", "#010104"
WIND, PV, BESS, CAES, IMPORT, OTHER = "#010201", "#010202", "#010203", "#010204", "#010205", "#010206"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    LIMIT: "--limit",
    WIND: "--wind",
    PV: "--pv",
    BESS: "--bess",
    CAES: "--caes",
    IMPORT: "--tie",
    OTHER: "--other",
}


def framed(height_in: float, unit: str) -> tuple[Figure, Axes]:
    """Return an empty figure of the reports' width and its axes."""
    figure = Figure(figsize=(10.5, height_in), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.set_ylabel(unit, color=INK)
    tidy(axes)
    return figure, axes


def tidy(axes: Axes) -> None:
    """Leave a bottom line and a faint grid of the axes."""
    axes.set_facecolor("none")
    axes.grid(axis="y", color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(MUTED)


def finished(figure: Figure, name: str) -> Svg:
    """Put one legend for all axes on top and return the figure as `<svg>`."""
    legends = [part.get_legend_handles_labels() for part in figure.axes]
    figure.legend(
        [handle for handles, _ in legends for handle in handles],
        [label for _, labels in legends for label in labels],
        loc="outside upper left",
        ncols=7,
        frameon=False,
        labelcolor=INK,
        handlelength=1.4,
    )
    return as_svg(figure, name)


def as_svg(figure: Figure, name: str) -> Svg:
    """Return the figure as an `<svg>` element whose ids are its own and whose colours are variables."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "yuanwang"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    own = escape(name)  # a plan that came as a file may call an element anything
    text = re.sub(r'\bid="', lambda _: f'id="{own}-', text)
    text = re.sub(r'(href="#|url\(#)', lambda found: f"{found[1]}{own}-", text)
    shape = r'width="[\d.]+pt" height="[\d.]+pt"'
    return Svg(re.sub(shape, lambda _: f'role="img" aria-label="{own}"', text, count=1))
