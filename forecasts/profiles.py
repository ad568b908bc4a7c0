"""The truth: what wind, sun and consumers really do, generated or from the user's file.

A generated profile is a line between knots of 5 minutes; a profile from a file is constant within
the file's steps, and what a plant draws for itself at night counts as 0. Interval means are the
exact integrals of that curve, so every step length and every instant belongs to one world.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from forecasts.curve import Day, at_instants, means
from forecasts.demand import load_day_mw
from forecasts.solar import pv_day_mw
from forecasts.wind import wind_day_mw
from vpp.clock import UTC
from vpp.devices import Pv, Wind
from vpp.errors import Fault, InvalidInput
from vpp.park.model import CsvProfile, Park
from vpp.types import Array


def available_mw(park: Park, resource_id: str, starts: Sequence[datetime], step_s: float) -> Array:
    """Return the mean power that a wind or PV plant could feed in, MW, shape (len(starts),).

    Intervals begin at `starts` and last `step_s` plant seconds. InvalidInput outside the span of a
    CSV profile or in one of its gaps; ValueError for a resource without weather.
    """
    return _means(park, resource_id, starts, step_s)


def load_mw(park: Park, load_id: str, starts: Sequence[datetime], step_s: float) -> Array:
    """Return a load's mean demand before interruption, MW, shape (len(starts),); see `available_mw`."""
    return _means(park, load_id, starts, step_s)


def instant_mw(park: Park, element_id: str, at_epoch_s: Array) -> Array:
    """Return available power or demand at instants (seconds since 1970 UTC), MW, same shape.

    The same curve whose interval means `available_mw` and `load_mw` give; rising times are fastest.
    """
    at = np.asarray(at_epoch_s, dtype=np.float64)
    profile = park.csv_profiles.get(element_id)
    if profile is not None:
        return _csv_values(profile, at)
    return at_instants(_day_function(park, element_id), at)


def _means(park: Park, element: str, starts: Sequence[datetime], step_s: float) -> Array:
    begin = np.array([start.timestamp() for start in starts])
    if not len(begin):
        return np.zeros(0)
    profile = park.csv_profiles.get(element)
    if profile is not None:
        return _csv_means(profile, begin, step_s)
    return means(_day_function(park, element), begin, step_s)


def _day_function(park: Park, element: str) -> Day:
    seed, site = park.generated.seed, park.site
    load = park.loads.get(element)
    if load is not None:
        return lambda day: load_day_mw(seed, site.zone, load, day)
    device = park.devices[element]
    if isinstance(device, Wind):
        return lambda day: wind_day_mw(seed, site, device, day)
    if isinstance(device, Pv):
        return lambda day: pv_day_mw(seed, site, device, day)
    raise ValueError(f"{element} is neither wind nor PV nor a load: it has no profile")


def _csv_values(profile: CsvProfile, at: Array) -> Array:
    _within(profile, float(at.min()), float(at.max()))
    k = np.floor((at - profile.start_epoch_s) / profile.step_s).astype(np.int64)
    values = np.maximum(profile.p_mw[np.minimum(k, len(profile.p_mw) - 1)], 0.0)
    return _known(profile, values, at)


def _csv_means(profile: CsvProfile, begin: Array, step_s: float) -> Array:
    _within(profile, float(begin.min()), float(begin.max()) + step_s)
    # a gap would poison the running sum, so it is summed as zero and found apart
    gap = np.isnan(profile.p_mw)
    edges = np.arange(len(profile.p_mw) + 1, dtype=np.float64)
    energy = np.concatenate([[0.0], np.cumsum(np.where(gap, 0.0, np.maximum(profile.p_mw, 0.0)))])
    gaps = np.concatenate([[0.0], np.cumsum(gap)])
    a = (begin - profile.start_epoch_s) / profile.step_s
    b = a + step_s / profile.step_s
    means = (np.interp(b, edges, energy) - np.interp(a, edges, energy)) / (b - a)
    missing = np.interp(b, edges, gaps) - np.interp(a, edges, gaps) > 1e-9
    return _known(profile, np.where(missing, np.nan, means), begin)


def _known(profile: CsvProfile, values: Array, at: Array) -> Array:
    if np.isnan(values).any():
        when = _stamp(float(at[np.isnan(values)][0]))
        wrong = f"no value for {profile.resource} at {when}: the file has a gap there"
        raise InvalidInput((Fault(file=profile.file, wrong=wrong, expected="a series without that gap"),))
    return values


def _within(profile: CsvProfile, first_s: float, last_s: float) -> None:
    start = profile.start_epoch_s
    end = start + profile.step_s * len(profile.p_mw)
    if first_s < start - 1e-6 or last_s > end + 1e-6:
        raise InvalidInput(
            (
                Fault(
                    file=profile.file,
                    wrong=f"asked for {profile.resource} from {_stamp(first_s)} to {_stamp(last_s)}",
                    expected=f"a time within the file's span, {_stamp(start)} to {_stamp(end)}",
                ),
            )
        )


def _stamp(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
