"""Weather and demand: the seeded truth, outlooks of it, and nowcasts."""

from forecasts.day_types import CHIFENG_2026, day_types
from forecasts.profiles import available_mw, instant_mw, load_mw
from forecasts.vintage import nowcast, outlook

__all__ = ["CHIFENG_2026", "available_mw", "day_types", "instant_mw", "load_mw", "nowcast", "outlook"]
