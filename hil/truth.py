"""What the plant really is: parameters drawn by seed around the name plate, unreadable to control.

Every draw is a function of (seed, element) and every noise value of (seed, element, plant second):
never of the step or of the order of calls. The widths are assumptions, small enough that the day's
energies stay within a plan's reach: efficiency 1 %, ramp 5 %, lag 20 %, load level 0.5 %, meters
0.2 % (accuracy class 0.2 of IEC 62053-22 as bound of a reading).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from vpp.clock import UTC
from vpp.devices import Ammonia, Bess, Caes, Chp, Device, Electrolyzer, Pv, Wind
from vpp.seeds import generator
from vpp.types import Array

EFFICIENCY, RAMP, LAG, LOAD = 0.01, 0.05, 0.20, 0.005
METER_SIGMA, METER_CLASS = 0.001, 0.002
FREQUENCY_SIGMA_HZ = 0.010
"""Assumption; GB/T 15945 allows 0.2 Hz in large systems."""
BLOCK_S = 600
"""Noise is drawn in blocks of so many seconds."""
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def factor(seed: int, element: str, what: str, width: float) -> float:
    """Return a factor in [1 - width, 1 + width], uniform, for good."""
    return float(1 + width * generator(seed, "truth", element, what).uniform(-1, 1))


def true_device(device: Device, seed: int) -> Device:
    """Return the device as it really is; ratings and energy content are those of the name plate."""
    name = device.resource.id

    def f(what: str, width: float) -> float:
        return factor(seed, name, what, width)

    def eta(value: float, what: str) -> float:
        return min(1.0, value * f(what, EFFICIENCY))

    # One replace per kind: the parameter classes share no field names.
    p: Any = device.params
    match device:
        case Wind():
            p = replace(
                p,
                curtail_response_s=p.curtail_response_s * f("lag", LAG),
                ramp_up_pct_per_s=p.ramp_up_pct_per_s * f("ramp", RAMP),
                ramp_down_pct_per_s=p.ramp_down_pct_per_s * f("ramp", RAMP),
            )
        case Pv():
            p = replace(
                p,
                curtail_response_s=p.curtail_response_s * f("lag", LAG),
                ramp_pct_per_s=p.ramp_pct_per_s * f("ramp", RAMP),
            )
        case Bess():
            p = replace(
                p,
                eta_ch=eta(p.eta_ch, "eta_ch"),
                eta_dis=eta(p.eta_dis, "eta_dis"),
                response_s=p.response_s * f("lag", LAG),
                ramp_full_swing_s=p.ramp_full_swing_s * f("ramp", RAMP),
            )
        case Caes():
            p = _true_caes(p, f, eta)
        case Electrolyzer():
            need = f("kwh_per_kg", EFFICIENCY)
            p = replace(
                p,
                ramp_pct_per_s=p.ramp_pct_per_s * f("ramp", RAMP),
                kwh_per_kg_vs_load=tuple((x, y * need) for x, y in p.kwh_per_kg_vs_load),
            )
        case Chp():
            p = replace(
                p,
                response_s=p.response_s * f("lag", LAG),
                ramp_mw_per_min=p.ramp_mw_per_min * f("ramp", RAMP),
            )
        case Ammonia():
            p = replace(
                p,
                h2_t_per_t=p.h2_t_per_t * f("h2_t_per_t", EFFICIENCY),
                el_mwh_per_t=p.el_mwh_per_t * f("el_mwh_per_t", EFFICIENCY),
                ramp_pct_per_h=p.ramp_pct_per_h * f("ramp", RAMP),
            )
        case _:
            return device
    return replace(device, params=p)


def _true_caes(p: Any, f: Any, eta: Any) -> Any:
    turbine = replace(p.turbine, ramp_mw_per_min=p.turbine.ramp_mw_per_min * f("turbine_ramp", RAMP))
    compressor = replace(
        p.compressor, ramp_mw_per_min=p.compressor.ramp_mw_per_min * f("compressor_ramp", RAMP)
    )
    return replace(
        p,
        eta_charge=eta(p.eta_charge, "eta_charge"),
        turbine=turbine,
        compressor=compressor,
    )


def load_level(seed: int, load: str) -> float:
    """Return how much more or less a load draws than its profile says."""
    return factor(seed, load, "level", LOAD)


class Noise:
    """Standard normal values by (element, plant second); keeps the last block of each element."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._blocks: dict[str, tuple[int, Array]] = {}

    def at(self, element: str, when: datetime) -> float:
        """Return the value of `element` at the whole plant second of `when`."""
        block, second = divmod(int((when - EPOCH).total_seconds()), BLOCK_S)
        kept = self._blocks.get(element)
        if kept is None or kept[0] != block:
            kept = (block, generator(self._seed, "noise", element, block).standard_normal(BLOCK_S))
            self._blocks[element] = kept
        return float(kept[1][second])

    def metered(self, element: str, value: float, when: datetime) -> float:
        """Return `value` as a meter of class 0.2 shows it."""
        error = METER_SIGMA * self.at(element, when)
        return value * (1 + max(-METER_CLASS, min(METER_CLASS, error)))

    def frequency_hz(self, meter: str, when: datetime) -> float:
        """Return the grid frequency around 50 Hz."""
        return 50.0 + FREQUENCY_SIGMA_HZ * self.at(f"{meter}:frequency", when)
