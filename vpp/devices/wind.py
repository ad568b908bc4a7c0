"""Wind farm."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class WindParams:
    """`params/*.toml` of a wind farm; figures of the reference case are assumptions."""

    ramp_up_pct_per_s: Annotated[float, Gt(0)]
    """Greatest rise after a setpoint, percent of rating per second."""
    ramp_down_pct_per_s: Annotated[float, Gt(0)]
    curtail_response_s: Annotated[float, Ge(0)]
    """First-order lag of the farm controller."""
    q_per_p: Annotated[float, Ge(-1), Le(1)]
    """Fixed Q/P of the farm, injection positive."""
    farm_loss: Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wind:
    """Name plate of a wind farm."""

    resource: Resource
    params: WindParams

    @property
    def lag(self) -> Lag:
        """Response to a cap, MW/s."""
        rated, params = self.resource.p_max_mw, self.params
        return Lag(
            params.curtail_response_s,
            params.ramp_up_pct_per_s * rated / 100,
            params.ramp_down_pct_per_s * rated / 100,
        )
