"""Photovoltaic plant."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag
from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class PvParams:
    """`params/*.toml` of a PV plant; figures of the reference case are assumptions."""

    tilt: Annotated[float, Ge(0), Le(90)]
    """Degrees, facing south."""
    dc_ac: Annotated[float, Gt(0)]
    temp_coeff_pct: Annotated[float, Le(0)]
    """Percent of power per kelvin above 25 degrees of cell temperature."""
    loss_factor: Annotated[float, Gt(0), Le(1)]
    curtail_response_s: Annotated[float, Ge(0)]
    ramp_pct_per_s: Annotated[float, Gt(0)]
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """Name plate of a PV plant."""

    resource: Resource
    params: PvParams

    @property
    def lag(self) -> Lag:
        """Response to a cap, MW/s."""
        ramp = self.params.ramp_pct_per_s * self.resource.p_max_mw / 100
        return Lag(self.params.curtail_response_s, ramp, ramp)
