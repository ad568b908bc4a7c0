"""Weather and demand: the seeded truth, outlooks of it, and nowcasts."""

from forecasts.profiles import available_mw, instant_mw, load_mw
from forecasts.vintage import nowcast, outlook

__all__ = ["available_mw", "instant_mw", "load_mw", "nowcast", "outlook"]
