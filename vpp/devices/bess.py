"""Battery."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.types import Resource

Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BessParams:
    """`params/*.toml` of a battery."""

    eta_ch: Annotated[float, Gt(0), Le(1)]
    eta_dis: Annotated[float, Gt(0), Le(1)]
    soc_min: Share
    soc_max: Share
    soc_reserve_for_island: Share
    """The plan keeps at least this state of charge."""
    self_discharge_pct_day: Annotated[float, Ge(0)]
    aux_pct_rated: Annotated[float, Ge(0)]
    """Own use as percent of rated power, always drawn at the terminals."""
    response_s: Annotated[float, Ge(0)]
    ramp_full_swing_s: Annotated[float, Gt(0)]
    degradation_cny_per_mwh_discharged: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bess:
    """Name plate of a battery; `resource.e_mwh` is the energy at SoC 1, DC side."""

    resource: Resource
    params: BessParams

    @property
    def charge_max_mw(self) -> float:
        """Rated charging power at the terminals."""
        return -self.resource.p_min_mw

    @property
    def discharge_max_mw(self) -> float:
        """Rated discharging power at the terminals."""
        return self.resource.p_max_mw

    @property
    def aux_mw(self) -> float:
        """Own use, drawn from the grid at all times."""
        return self.params.aux_pct_rated / 100 * self.resource.p_max_mw
