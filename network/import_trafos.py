"""Transformers of somebody else's net: two windings as they are, three as a star of three.

What the park's tap changer (ratio steps at one side) cannot say is folded into the rated voltages and
the phase shift at the position of the moment; both come from pandapower's own branch model, so that
the flow stays the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pandapower import build_branch

from vpp.types import Array, TrafoType


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One two-winding transformer of the park, or one leg of a star."""

    index: int
    """Row of `trafo` or `trafo3w`."""
    side: str
    """Empty for two windings; hv, mv or lv for a leg."""
    name: object
    plain: str
    """Name of the whole transformer, for its star point."""
    hv_bus: int | None
    """pandapower index; None: the star point."""
    lv_bus: int | None
    star_near: int
    """Bus whose nominal voltage the star point has."""
    parallel: int
    std_type: str
    figures: tuple[float, ...]
    """sn_mva, vn_hv_kv, vn_lv_kv, vk_percent, vkr_percent, pfe_kw, i0_percent, tap side (0 hv, 1 lv),
    tap_min, tap_max, tap_step_percent, shift_degree."""
    tap_pos: int
    """From neutral."""

    @property
    def star(self) -> bool:
        """Whether this is a leg of a three-winding transformer."""
        return bool(self.side)

    def type_named(self, name: str) -> TrafoType:
        """Return the figures as a type of the park."""
        sn, vn_hv, vn_lv, vk, vkr, pfe, i0, side, low, high, step, shift = self.figures
        tap_side: Literal["hv", "lv"] = "lv" if side else "hv"
        return TrafoType(
            name=name,
            sn_mva=sn,
            vn_hv_kv=vn_hv,
            vn_lv_kv=vn_lv,
            vk_percent=vk,
            vkr_percent=vkr,
            pfe_kw=pfe,
            i0_percent=i0,
            tap_side=tap_side,
            tap_min=int(low),
            tap_max=int(high),
            tap_step_percent=step,
            shift_degree=shift,
            short_time_percent=100.0,
            short_time_min=0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taps:
    """Tap changers of all rows of a table, arrays of one length."""

    vn_hv_kv: Array
    vn_lv_kv: Array
    shift_degree: Array
    kept: Any
    """Whether the changer survives as ratio steps; else it is folded and the row has one position."""
    low: Array
    high: Array
    pos: Array
    step_percent: Array
    at_lv: Any


def legs(net: Any, notes: list[str]) -> Iterator[Leg]:
    """Yield every transformer in service of a solved net; what changed on the way is told in `notes`."""
    if len(net.trafo):
        yield from _two_windings(net, notes)
    if len(net.trafo3w):
        yield from _stars(net, notes)


def _two_windings(net: Any, notes: list[str]) -> Iterator[Leg]:
    trafo = net.trafo
    taps = _taps(net, trafo, notes, "transformers")
    vk, vkr = _short_circuit(net, trafo)
    df = _column(trafo, "df", 1.0)
    if any(
        np.any(_column(trafo, f"leakage_{part}_ratio_hv", 0.5) != 0.5) for part in ("resistance", "reactance")
    ):
        notes.append("transformers with unequal leakage at their two sides are carried with equal halves")
    for k, (index, row) in enumerate(trafo.iterrows()):
        if not bool(row["in_service"]):
            continue
        # a derated unit is a smaller one of the same ohms
        figures = (
            float(row["sn_mva"]) * df[k],
            taps.vn_hv_kv[k],
            taps.vn_lv_kv[k],
            vk[k] * df[k],
            vkr[k] * df[k],
            float(row["pfe_kw"]),
            float(row["i0_percent"]) / df[k],
            *_tap_figures(taps, k),
        )
        yield Leg(
            index=int(index),
            side="",
            name=row["name"],
            plain="",
            hv_bus=int(row["hv_bus"]),
            lv_bus=int(row["lv_bus"]),
            star_near=int(row["hv_bus"]),
            parallel=int(row["parallel"]),
            std_type=row["std_type"] if isinstance(row["std_type"], str) else "",
            figures=tuple(float(x) for x in figures),
            tap_pos=int(taps.pos[k]) if taps.kept[k] else 0,
        )


def _stars(net: Any, notes: list[str]) -> Iterator[Leg]:
    frame, t3 = build_branch._trafo_df_from_trafo3w(net), net.trafo3w
    taps = _taps(net, frame, notes, "legs of three-winding transformers")
    notes.append(f"{len(t3)} three-winding transformers are carried as stars of three units each")
    for k in range(3 * len(t3)):
        side, place = ("hv", "mv", "lv")[k // len(t3)], k % len(t3)
        row = t3.iloc[place]
        if not bool(row["in_service"]):
            continue
        plain = row["name"] if isinstance(row["name"], str) and row["name"] else f"T3W{t3.index[place]}"
        figures = (
            frame["sn_mva"][k],
            taps.vn_hv_kv[k],
            taps.vn_lv_kv[k],
            frame["vk_percent"][k],
            frame["vkr_percent"][k],
            frame["pfe_kw"][k],
            frame["i0_percent"][k],
            *_tap_figures(taps, k),
        )
        yield Leg(
            index=int(t3.index[place]),
            side=side,
            name=f"{plain}_{side}",
            plain=plain,
            hv_bus=int(row["hv_bus"]) if side == "hv" else None,
            lv_bus=None if side == "hv" else int(row[f"{side}_bus"]),
            star_near=int(row["hv_bus"]),
            parallel=1,
            std_type=f"{row['std_type']} {side}" if isinstance(row["std_type"], str) else "star",
            figures=tuple(float(x) for x in figures),
            tap_pos=int(taps.pos[k]) if taps.kept[k] else 0,
        )


def _tap_figures(taps: _Taps, k: int) -> tuple[float, ...]:
    if not taps.kept[k]:
        return 0.0, 0.0, 0.0, 0.0, float(taps.shift_degree[k])
    low, high = min(taps.low[k], taps.pos[k]), max(taps.high[k], taps.pos[k])
    return float(taps.at_lv[k]), low, high, float(taps.step_percent[k]), float(taps.shift_degree[k])


def _taps(net: Any, table: Any, notes: list[str], what: str) -> _Taps:
    """Return the tap changers of a table or of pandapower's star equivalents, and tell what is folded."""
    count = len(table["sn_mva"])
    rated = np.asarray(table["vn_hv_kv"], dtype=float), np.asarray(table["vn_lv_kv"], dtype=float)
    now = build_branch._calc_tap_from_dataframe(net, table)
    shift = np.asarray(table["shift_degree"], dtype=float)
    shift = shift if net._options["calculate_voltage_angles"] else np.zeros(count)
    raw = {name: _column(table, f"tap_{name}", np.nan, count) for name in ("min", "max", "pos", "neutral")}
    step, degree = (_column(table, f"tap_step_{unit}", 0.0, count) for unit in ("percent", "degree"))
    neutral = np.where(np.isnan(raw["neutral"]), 0.0, raw["neutral"])
    pos, low, high = (raw[name] - neutral for name in ("pos", "min", "max"))
    # without a stated range a changer reaches from neutral to where it stands
    low, high = (
        np.where(np.isnan(low), np.minimum(pos, 0), low),
        np.where(np.isnan(high), np.maximum(pos, 0), high),
    )
    changer, side = _texts(table, "tap_changer_type", count), _texts(table, "tap_side", count)
    moved = np.any([~np.isclose(a, b, rtol=1e-12) for a, b in zip((*rated, shift), now, strict=True)], axis=0)
    whole = np.all([np.equal(np.mod(x, 1), 0) for x in (pos, low, high)], axis=0) & np.isin(
        side, ("hv", "lv")
    )
    steps = whole & (step > 0) & (degree == 0)
    second = _column(table, "tap2_pos", 0.0, count) != _column(table, "tap2_neutral", 0.0, count)
    ratio = steps & np.isin(changer, ("Ratio", "Symmetrical")) & ~second
    ratio &= ~_flags(table, "tap_dependency_table", count) & ~_flags(table, "tap_at_star_point", count)
    # pandapower reads no position where the changer has no type: it stands at neutral
    idle = steps & ~moved & (changer == "") & (low <= 0) & (high >= 0)
    kept = ratio | idle
    ignored = int((idle & (pos != 0)).sum())
    if ignored:
        notes.append(f"{ignored} {what} have a tap position but no tap_changer_type: they stand at neutral")
    folded = int((moved & ~kept).sum())
    if folded:
        notes.append(f"{folded} {what} have a tap changer other than ratio steps: fixed where it stands")
    shifted = int((kept & (neutral != 0)).sum())
    if shifted:
        notes.append(f"tap positions of {shifted} {what} count from their neutral position")
    return _Taps(
        vn_hv_kv=np.where(kept, rated[0], now[0]),
        vn_lv_kv=np.where(kept, rated[1], now[1]),
        shift_degree=np.where(kept, shift, now[2]),
        kept=kept,
        low=low,
        high=high,
        pos=np.where(idle, 0.0, pos),
        step_percent=step,
        at_lv=side == "lv",
    )


def _short_circuit(net: Any, trafo: Any) -> tuple[Array, Array]:
    if _flags(trafo, "tap_dependency_table", len(trafo)).any():
        vk, vkr = build_branch._get_vk_values_from_table(trafo, net.trafo_characteristic_table)
        return np.asarray(vk, dtype=float), np.asarray(vkr, dtype=float)
    return trafo["vk_percent"].to_numpy(dtype=float), trafo["vkr_percent"].to_numpy(dtype=float)


def _column(table: Any, name: str, otherwise: float, count: int | None = None) -> Array:
    """Return a column of numbers, `otherwise` where it is missing or no number."""
    if name not in table:
        return np.full(len(table) if count is None else count, otherwise)
    values = np.array([_float(value) for value in np.asarray(table[name], dtype=object)])
    return np.where(np.isnan(values), otherwise, values)


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _texts(table: Any, name: str, count: int) -> Any:
    if name not in table:
        return np.full(count, "", dtype=object)
    return np.array(
        [v if isinstance(v, str) else "" for v in np.asarray(table[name], dtype=object)], dtype=object
    )


def _flags(table: Any, name: str, count: int) -> Any:
    if name not in table:
        return np.zeros(count, dtype=bool)
    return np.array([v is True or v is np.True_ or v == 1 for v in np.asarray(table[name], dtype=object)])
