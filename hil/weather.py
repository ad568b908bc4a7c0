"""Sun, wind and demand of the plant: the forecasts' truth, and what a scenario does to it."""

from datetime import datetime

import numpy as np

from forecasts import instant_mw
from hil.scenario import Availability, Scenario
from vpp.park import Park
from vpp.types import Array


class Weather:
    """Instant values by element, a function of plant time alone."""

    def __init__(self, park: Park, start: datetime, scenario: Scenario) -> None:
        self._park = park
        self._start_epoch_s = start.timestamp()
        self._changes = [event for event in scenario.events if isinstance(event, Availability)]

    def available_mw(self, resource: str, at_epoch_s: Array) -> Array:
        """Return what a wind or PV plant could feed in, >= 0; instants in seconds since 1970 UTC."""
        value = instant_mw(self._park, resource, at_epoch_s)
        rating = self._park.resources[resource].p_max_mw
        minute = (at_epoch_s - self._start_epoch_s) / 60
        for event in self._changes:
            if event.resource == resource:
                inside = (minute >= event.at_min) & (minute < event.at_min + event.for_min)
                changed = np.clip(value * event.factor + event.delta_mw, 0.0, rating)
                value = np.where(inside, changed, value)
        return value

    def demand_mw(self, load: str, at_epoch_s: Array) -> Array:
        """Return what a load would draw uncut, >= 0; instants in seconds since 1970 UTC."""
        return instant_mw(self._park, load, at_epoch_s)
