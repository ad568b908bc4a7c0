"""Figures of the seeded generator of weather and demand: a steppe site at 42 N, 119 E.

Monthly, seasonal and cloud figures are set so that a year yields about 1509 kWh/m2 of global
horizontal irradiance, 1490 h of PV per DC kilowatt and a wind capacity factor of about 0.33; all are
assumptions of the reference parks unless a source is named.
"""

from collections.abc import Mapping
from types import MappingProxyType

CLOUD_MEANS = (0.93, 0.68, 0.35)
"""Mean clearness of a clear, a broken and an overcast day."""
CLOUD_TRANSITION = ((0.70, 0.22, 0.08), (0.40, 0.40, 0.20), (0.30, 0.40, 0.30))
"""From today's row to tomorrow's column."""
CLOUD_MEAN_KC = 0.768
"""Divides `MONTHLY_KC`, so that the months share the yearly mean of the chain."""
MONTHLY_KC = (0.82, 0.82, 0.80, 0.77, 0.75, 0.72, 0.68, 0.72, 0.78, 0.80, 0.80, 0.80)
"""January first."""
KC_TAU_MIN = 45.0
KC_SIGMA = 0.10
"""Clearness within the day: AR(1), relative."""

WIND_MEAN_MS = 7.4
"""At hub height."""
WEIBULL_K = 2.0
WIND_MONTH = (1.04, 1.04, 1.10, 1.16, 1.12, 0.95, 0.83, 0.80, 0.90, 1.00, 1.05, 1.05)
WIND_DIURNAL_AMP = 0.07
WIND_DIURNAL_MAX_H = 1.0
WIND_TAU_MIN = 720.0
WIND_SMOOTH_TAU_MIN = 90.0
WIND_FARM_CORRELATION = 0.85
HUB_ALT_M = 900.0
"""Above the sea, for the density of the air."""
CUT_IN_MS, CUT_OUT_MS = 2.5, 25.0
CURVE_MID_MS, CURVE_WIDTH_MS = 7.8, 1.3
"""Power curve 1 / (1 + exp(-(v - mid) / width)) of the rating, before the farm loss."""

TEMPERATURE_MEAN_C = 7.5
TEMPERATURE_ANNUAL_AMP = 17.0
TEMPERATURE_MAX_DOY = 201.0
TEMPERATURE_DIURNAL_AMP = 5.5
TEMPERATURE_MAX_H = 15.0

LOAD_SIGMA = 0.015
LOAD_TAU_MIN = 60.0
BATCH_PULSE = 0.15
"""Of a batch load, from knot to knot, greatest to least."""

LOAD_SHAPES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "flat24": (
            *(0.97, 0.97, 0.97, 0.97, 0.97, 0.98, 0.98, 0.99, 1.0, 1.0, 1.0, 1.0),
            *(0.99, 0.99, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.99, 0.99, 0.98, 0.98),
        ),
        "two_shift": (
            *(0.28, 0.26, 0.26, 0.26, 0.28, 0.35, 0.55, 0.80, 0.95, 1.0, 1.0, 0.96),
            *(0.78, 0.88, 0.98, 1.0, 0.98, 0.92, 0.85, 0.80, 0.72, 0.60, 0.45, 0.32),
        ),
        "batch": (
            *(0.60, 0.60, 0.58, 0.58, 0.60, 0.62, 0.70, 0.80, 0.92, 0.98, 1.0, 0.95),
            *(0.85, 0.92, 0.98, 1.0, 0.97, 0.88, 0.85, 0.82, 0.80, 0.76, 0.70, 0.64),
        ),
        "commercial": (
            *(0.38, 0.36, 0.35, 0.35, 0.36, 0.42, 0.55, 0.70, 0.85, 0.93, 0.96, 0.97),
            *(0.92, 0.92, 0.94, 0.95, 0.97, 1.0, 0.98, 0.92, 0.82, 0.68, 0.54, 0.44),
        ),
        "municipal": (
            *(0.55, 0.52, 0.50, 0.50, 0.52, 0.60, 0.75, 0.82, 0.84, 0.82, 0.80, 0.80),
            *(0.78, 0.76, 0.76, 0.78, 0.84, 0.95, 1.0, 0.98, 0.92, 0.82, 0.70, 0.60),
        ),
        "ev": (
            *(0.55, 0.50, 0.45, 0.40, 0.35, 0.35, 0.40, 0.45, 0.40, 0.35, 0.35, 0.45),
            *(0.60, 0.50, 0.40, 0.40, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.0, 0.75),
        ),
    }
)
"""Share of `p_peak_mw` in each local hour of a weekday."""
WEEKEND_FACTOR: Mapping[str, float] = MappingProxyType(
    {"flat24": 1.0, "two_shift": 0.55, "batch": 0.85, "commercial": 0.75, "municipal": 0.97, "ev": 0.9}
)

ERROR_LEADS_H = (1.0, 4.0, 24.0)
ERROR_REL_CAPACITY: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"wind": (0.04, 0.08, 0.14), "pv": (0.03, 0.06, 0.10), "load": (0.01, 0.015, 0.025)}
)
"""Standard deviation of the forecast error as a share of the rating at `ERROR_LEADS_H`."""
ERROR_TAU_MIN = 180.0
ERROR_SMOOTH_TAU_MIN = 60.0
"""Correlation time of the error along the window."""
NOWCAST_TAU_H: Mapping[str, float] = MappingProxyType({"wind": 2.0, "pv": 1.0, "load": 1.0})
"""How fast the error measured now is forgotten."""
