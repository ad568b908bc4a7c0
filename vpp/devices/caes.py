"""Compressed-air energy storage: compressor trains and a turbine as separate machines."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.types import Resource

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Curve = tuple[tuple[float, float], ...]
"""(x, y) pairs with rising x, linear between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurbineParams:
    """Expander and generator."""

    p_min_mw: NonNegative
    p_rated_mw: Positive
    start_time_s: NonNegative
    stop_time_s: NonNegative
    min_up_time_min: NonNegative
    min_down_time_min: NonNegative
    ramp_mw_per_min: Positive
    max_starts_per_day: Annotated[int, Ge(0)]
    start_cost_cny: NonNegative
    rel_eff: Curve
    """Share of rated power -> efficiency relative to `eta_discharge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressorParams:
    """Equal compressor trains; powers, ramps and costs are per train."""

    trains: Annotated[int, Ge(1)]
    p_min_mw: NonNegative
    p_rated_mw: Positive
    start_time_s: NonNegative
    stop_time_s: NonNegative
    min_up_time_min: NonNegative
    min_down_time_min: NonNegative
    ramp_mw_per_min: Positive
    max_starts_per_day: Annotated[int, Ge(0)]
    start_cost_cny: NonNegative
    rel_eff: Curve
    """Share of the train's rated power -> efficiency relative to `eta_charge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaesParams:
    """`params/*.toml` of a CAES plant."""

    eta_charge: Annotated[float, Gt(0), Le(1)]
    """Stored air energy per AC energy at rated load."""
    eta_discharge: Annotated[float, Gt(0), Le(1)]
    """AC energy per air energy at rated load."""
    soc_min: Share
    soc_max: Share
    p_ch_max_vs_soc: Curve
    """SoC -> greatest charging power of all trains, MW."""
    p_dis_max_vs_soc: Curve
    mode_change_min_idle_s: NonNegative
    """Idle time between charging and discharging."""
    vom_cny_per_mwh_dis: NonNegative
    standby_aux_mw: NonNegative
    """Drawn from the grid at all times."""
    tes_loss_pct_per_day: NonNegative
    turbine: TurbineParams
    compressor: CompressorParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Caes:
    """Name plate of a CAES plant; `resource.e_mwh` is the AC energy a full store delivers."""

    resource: Resource
    params: CaesParams

    @property
    def e_air_mwh(self) -> float:
        """Air-side energy at SoC 1: charge adds eta_charge x AC, discharge takes AC / eta."""
        assert self.resource.e_mwh is not None
        return self.resource.e_mwh / self.params.eta_discharge
