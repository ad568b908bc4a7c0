"""Rows of the tables in `grid/`: what the park's network is made of."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from vpp.types.park import Name, NonNegative, Positive, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """One row of `grid/buses.csv`."""

    id: int
    name: Name
    vn_kv: Positive
    zone: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of `grid/lines.csv`: a single circuit."""

    name: Name
    from_bus: Name
    to_bus: Name
    length_km: Positive
    std_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineType:
    """One row of `grid/std_types_line.csv`."""

    name: str
    r_ohm_per_km: NonNegative
    x_ohm_per_km: float
    """Negative only in equivalents (a compensated line of somebody else's grid); never 0 with r 0."""
    c_nf_per_km: float
    """At 50 Hz; negative only in equivalents."""
    max_i_ka: Positive
    short_time_percent: Annotated[float, Ge(100)]
    short_time_min: NonNegative
    g_us_per_km: NonNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trafo:
    """One row of `grid/trafos.csv`: a single two-winding transformer."""

    name: Name
    hv_bus: Name
    lv_bus: Name
    std_type: str
    tap_pos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafoType:
    """One row of `grid/std_types_trafo.csv`."""

    name: str
    sn_mva: Positive
    vn_hv_kv: Positive
    vn_lv_kv: Positive
    vk_percent: float
    """Not 0; negative only for a leg of the star that stands for a three-winding transformer."""
    vkr_percent: float
    pfe_kw: NonNegative
    i0_percent: float
    """Negative where the equivalent of a transformer charges the grid."""
    tap_side: Literal["hv", "lv"]
    tap_min: int
    tap_max: int
    tap_step_percent: NonNegative
    short_time_percent: Annotated[float, Ge(100)]
    short_time_min: NonNegative
    shift_degree: float = 0.0
    """By which the low-voltage side lags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shunt:
    """One row of `grid/shunts.csv`; `q_mvar` is the whole bank as a load (capacitor negative).

    A statcom gives anything from -q_mvar to q_mvar.
    """

    name: Name
    bus: Name
    kind: Literal["capacitor", "filter", "reactor", "statcom"]
    q_mvar: float
    steps: Annotated[int, Ge(0)]
    """Equal parts that are switched one by one; 0 for a statcom."""
    p_mw: NonNegative = 0.0
    """Active power of the whole bank at 1 pu, drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One row of `grid/switches.csv`: a coupler between two buses."""

    name: Name
    bus_a: Name
    bus_b: Name
    type: str
    normal_state: Literal["open", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtGrid:
    """One row of `grid/ext_grid.csv`: the bulk grid at the tie."""

    name: Name
    bus: Name
    vm_pu: Annotated[float, Gt(0.5), Le(1.5)]
    s_sc_max_mva: Positive
    s_sc_min_mva: Positive
    rx_max: NonNegative
    p_import_max_mw: NonNegative
    p_export_max_mw: NonNegative
    pf_min_at_pcc: Share
    va_degree: float = 0.0
    """Angle of its voltage, where several feed one grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All tables of `grid/`."""

    buses: tuple[Bus, ...]
    lines: tuple[Line, ...]
    line_types: tuple[LineType, ...]
    trafos: tuple[Trafo, ...]
    trafo_types: tuple[TrafoType, ...]
    shunts: tuple[Shunt, ...]
    switches: tuple[Switch, ...]
    ext_grids: tuple[ExtGrid, ...]
