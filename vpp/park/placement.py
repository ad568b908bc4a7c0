"""Devices placed on a grid that lacks them: `--place KIND@BUS=MW[/MWH]`, with scaled shipped parameters."""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any

from vpp.errors import Fault
from vpp.park.draft import shipped_file
from vpp.park.tables import quoted
from vpp.types import Endpoint, Resource

FORM = "KIND@BUS=MW or KIND@BUS=MW/MWH, such as caes@BUS=100, bess@BUS=50/100, electrolyzer@BUS=50"
_PATTERN = re.compile(r"([a-z_0-9]+)@(.+)=([^=/]+)(?:/([^=/]+))?")
KINDS = ("wind", "pv", "bess", "caes", "electrolyzer")
_TEMPLATES = {
    "wind": "wind_type_A",
    "pv": "pv_tracker_or_fixed35",
    "bess": "bess_lfp_gfm",
    "caes": "caes_100",
    "electrolyzer": "elz_alk_50",
    "h2_store": "h2_store_5t",
    "chp": "chp_50",
}
"""Kind -> file in `params/` of a shipped park whose figures are scaled; their sources stand there."""
HOURS = {"bess": 2.0, "caes": 4.0}
"""Hours of storage where none are given, as in the shipped parks; assumption."""
LEAST, GREATEST = 0.1, 20000.0
"""Figures outside, MW or MWh, are a slip of the unit; assumption."""
STACK_MW = 5.0
"""Rating of an electrolyser stack near which the plant is divided."""
REGISTER_MAPS = {"bess": "sunspec_bess"}
"""Kinds whose register map does not bear their name."""
OVERSIZE = {"wind": 1.1, "pv": 1.1, "bess": 1.15, "caes": 1.18}
"""MVA per MW of a placed device, as in the shipped parks; assumption."""
COMPRESSOR_SHARE = 0.024
"""Rating of the hydrogen compressor per MW of electrolysers: 1.2 kWh/kg at 50 kWh/kg; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One device to place."""

    kind: str
    bus: str
    """The park's name of the bus."""
    mw: float
    e_mwh: float | None
    """For bess and caes."""


def read_placements(
    texts: Sequence[str], bus_names: Mapping[str, str], faults: list[Fault]
) -> list[Placement]:
    """Return what the options ask for; every fault of every option is added to `faults`.

    `bus_names` maps what a bus may be called (its name here or in the source) to its name in the park.
    """
    placements = []
    for text in texts:
        where = f"--place {text[:80]}"
        found = _PATTERN.fullmatch(text.strip())
        if found is None:
            faults.append(Fault(file=where, wrong="not understood", expected=FORM))
            continue
        kind, bus, mw_text, mwh_text = found.groups()
        before = len(faults)
        if kind not in KINDS:
            faults.append(
                Fault(file=where, wrong=f"kind {quoted(kind)}", expected="one of " + ", ".join(KINDS))
            )
        if bus not in bus_names:
            faults.append(Fault(file=where, wrong=f"bus {quoted(bus)}", expected=_near(bus, bus_names)))
        mw = _figure(where, "MW", mw_text, faults)
        if mwh_text is not None and kind in KINDS and kind not in HOURS:
            faults.append(
                Fault(file=where, wrong=f"an energy for a {kind}", expected="MWH for bess and caes only")
            )
        hours = HOURS.get(kind)
        e_mwh = None if hours is None or mw is None else hours * mw
        if mwh_text is not None:
            e_mwh = _figure(where, "MWH", mwh_text, faults)
        if len(faults) == before and mw is not None:
            placements.append(Placement(kind=kind, bus=bus_names[bus], mw=mw, e_mwh=e_mwh))
    return placements


def _figure(where: str, unit: str, text: str, faults: list[Fault]) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if isfinite(value) and LEAST <= value <= GREATEST:
        return value
    faults.append(
        Fault(file=where, wrong=f"{quoted(text)} {unit}", expected=f"{LEAST:g} to {GREATEST:g} {unit}")
    )
    return None


def _near(bus: str, names: Collection[str]) -> str:
    wanted = bus.lower().replace(" ", "_")
    close = [name for name in names if wanted[:6] and wanted[:6] in name.lower().replace(" ", "_")]
    return "a bus of the grid, such as " + ", ".join([*close, *names][:4])


@cache
def _template(kind: str) -> Mapping[str, Any]:
    return tomllib.loads(shipped_file(f"params/{_TEMPLATES[kind]}.toml").read_text(encoding="utf-8"))


def resource_params(kind: str, mw: float) -> dict[str, Any]:
    """Return the parameters of a device of `mw`: those of a shipped park's, scaled where they are powers."""
    tree = dict(_template(kind))
    match kind:
        case "caes":
            return _caes(tree, mw)
        case "electrolyzer":
            stacks = max(1, round(mw / STACK_MW))
            return {**tree, "stacks": stacks, "stack_mw": mw / stacks}
        case "h2_store":
            scale = mw / 50.0
            return {
                k: v * scale if k in ("usable_kg", "pipeline_max_kg_per_h") else v for k, v in tree.items()
            }
        case "chp":
            return {**tree, "ramp_mw_per_min": tree["ramp_mw_per_min"] * mw / 50.0}
    return tree


def _caes(tree: Mapping[str, Any], mw: float) -> dict[str, Any]:
    scale = mw / tree["turbine"]["p_rated_mw"]

    def scaled(branch: Mapping[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in branch.items():
            if isinstance(value, Mapping):
                out[key] = scaled(value)
            elif key.startswith("p_") and isinstance(value, list):
                out[key] = [[x, y * scale] for x, y in value]
            elif key.endswith(("_mw", "_mw_per_min", "_mvar", "_mva", "start_cost_cny")):
                out[key] = value * scale
            else:
                out[key] = value
        return out

    return scaled(tree)


def place(
    placements: Sequence[Placement], named: Callable[[str], str], endpoint: Endpoint
) -> tuple[tuple[Resource, ...], dict[str, dict[str, Any]]]:
    """Return the rows and parameter files of what is placed.

    Electrolysers share one hydrogen store, at the bus of the largest of them. `named` gives a free
    name near the wanted one, `endpoint` stands in until the park is numbered.
    """
    resources: list[Resource] = []
    params: dict[str, dict[str, Any]] = {}

    def add(kind: str, bus: str, mw: float, e_mwh: float | None, p_mw: tuple[float, float]) -> None:
        ref = f"{kind}_{mw:g}".replace(".", "p")
        params[ref] = resource_params(kind, mw)
        lowest, highest = p_mw
        resources.append(
            Resource(
                id=named(kind.upper()),
                kind=kind,
                bus=bus,
                p_max_mw=highest,
                p_min_mw=lowest,
                s_mva=OVERSIZE[kind] * mw if kind in OVERSIZE else None,
                e_mwh=e_mwh,
                params_ref=ref,
                endpoint=endpoint,
            )
        )

    for item in placements:
        add(item.kind, item.bus, item.mw, item.e_mwh, _band(item.kind, item.mw))
    makers = [item for item in placements if item.kind == "electrolyzer"]
    if makers:
        total_mw = sum(item.mw for item in makers)
        largest = max(makers, key=lambda item: item.mw)
        compressor_mw = COMPRESSOR_SHARE * total_mw
        add("h2_store", largest.bus, total_mw, None, (-compressor_mw, 0.0))
    return tuple(resources), params


def _band(kind: str, mw: float) -> tuple[float, float]:
    """Return the greatest withdrawal (negative) and injection of a placed device."""
    match kind:
        case "bess":
            return -mw, mw
        case "caes":
            train = resource_params("caes", mw)["compressor"]
            return -train["trains"] * train["p_rated_mw"], mw
        case "electrolyzer":
            return -mw, 0.0
    return 0.0, mw
