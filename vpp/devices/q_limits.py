"""What reactive power a device can give at a moment: one rule per kind, in one place."""

from math import inf, sqrt

from vpp.devices.bess import Bess
from vpp.devices.caes import Caes
from vpp.devices.caes_step import CONDENSER
from vpp.devices.chp import Chp
from vpp.devices.pv import Pv
from vpp.devices.registry import Device
from vpp.devices.wind import Wind

WIND_Q_PER_P = sqrt(1 / 0.95**2 - 1)
"""A wind farm gives Q down to a power factor of 0.95 either way (GB/T 19963.1-2021)."""
ON_MW = 1e-3
"""A machine above this is synchronised."""


def q_limits(device: Device, p_mw: float, mode_code: float = 0.0) -> tuple[float, float]:
    """Return the span of reactive injection (Mvar, least and greatest) at terminal power `p_mw`.

    Inverters of PV and batteries give what their apparent rating leaves, at any time; a CHP unit and
    the machine of a CAES plant while it runs. Wind keeps its power factor inside the same circle. A
    CAES plant of `mode_code` 6 (synchronous condenser) gives its table's span, one at rest nothing. A
    device without an apparent rating, an electrolyser, an ammonia loop and a hydrogen store have no
    choice: their span is the one point of their fixed rule, `q_per_p`.
    """
    match device:
        case Pv() | Bess() | Chp() if device.resource.s_mva is not None:
            return _circle(device.resource.s_mva, p_mw)
        case Wind():
            low, high = _circle(device.resource.s_mva or inf, p_mw)
            cone = WIND_Q_PER_P * abs(p_mw)
            return max(low, -cone), min(high, cone)
        case Caes():
            return _of_air_plant(device, p_mw, mode_code)
    fixed = getattr(device.params, "q_per_p", 0.0) * p_mw
    return fixed, fixed


def _circle(s_mva: float, p_mw: float) -> tuple[float, float]:
    if s_mva == inf:
        return -inf, inf
    q_mvar = sqrt(max(0.0, s_mva**2 - p_mw**2))
    return -q_mvar, q_mvar


def _of_air_plant(device: Caes, p_mw: float, mode_code: float) -> tuple[float, float]:
    if round(mode_code) == CONDENSER:
        return device.params.condenser.q_min_mvar, device.params.condenser.q_max_mvar
    machine_mw = p_mw + device.params.standby_aux_mw
    least = min(device.params.turbine.p_min_mw, device.params.compressor.p_min_mw) / 2
    if abs(machine_mw) < least or device.resource.s_mva is None:
        return 0.0, 0.0
    return _circle(device.resource.s_mva, machine_mw)
