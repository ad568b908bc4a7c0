"""Six days of a year that try a planner in different ways, found in the generator's truth."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasts.profiles import available_mw, load_mw
from vpp.devices import Ammonia, Chp, Pv, Wind
from vpp.park.model import Park
from vpp.park.tariff import price_cny_per_mwh
from vpp.types import Array

CHIFENG_2026: Mapping[str, date] = MappingProxyType(
    {
        "typical": date(2026, 2, 4),
        "windy winter": date(2026, 12, 8),
        "near-zero net cost": date(2026, 10, 16),
        "summer": date(2026, 6, 19),
        "spring surplus": date(2026, 4, 11),
        "calm winter evening": date(2026, 2, 2),
    }
)
"""`day_types` of the shipped park chifeng96 in 2026, so that nobody waits for a year of weather."""

H2_MWH_PER_KG = 0.055
"""Electricity of a kilogram of hydrogen, for the estimate of a day's cost only."""
EVENING = slice(17, 22)
"""Hours of the evening peak."""


def day_types(park: Park, year: int) -> dict[str, date]:
    """Return name -> local date of six days of `year`, judged by hours and without a plan.

    Residual demand is demand, ammonia and hydrogen owed, less wind, sun and CHP at rest. `typical`
    and `summer` are the working days nearest to the median, in net cost and in the evening's residual
    demand alike, of the year and of June to August; `windy winter` and `calm winter evening` the
    working days of December to February with most wind and with the greatest residual demand from 17
    to 22 h, `spring surplus` the day of March to May with most energy that nobody wants, `near-zero
    net cost` the day whose estimate is nearest to zero. No day bears two names.
    """
    days, wind, residual, cost = _year(park, year)
    month = np.array([day.month for day in days])
    working = np.array([day.weekday() < 5 for day in days])
    winter, spring = np.isin(month, (12, 1, 2)), np.isin(month, (3, 4, 5))
    summer = np.isin(month, (6, 7, 8))
    surplus = np.maximum(-residual, 0.0).sum(axis=1)
    evening = residual[:, EVENING].mean(axis=1)

    def usual(among: npt.NDArray[np.bool_]) -> Array:
        away = [np.abs(x - np.median(x[among])) / x.std() for x in (cost, evening)]
        return np.asarray(-np.sum(away, axis=0))

    wanted = (
        ("typical", usual(working), working),
        ("windy winter", wind.sum(axis=1), winter & working),
        ("spring surplus", surplus, spring),
        ("calm winter evening", evening, winter & working),
        ("summer", usual(summer & working), summer & working),
        ("near-zero net cost", -np.abs(cost), np.ones(len(days), dtype=np.bool_)),
    )
    found: dict[str, date] = {}
    for name, score, among in wanted:
        free = among & np.array([day not in found.values() for day in days])
        found[name] = days[int(np.argmax(np.where(free, score, -np.inf)))]
    return found


def _year(park: Park, year: int) -> tuple[list[date], Array, Array, Array]:
    """Return the days, and per day and hour wind MW and residual MW, and per day the cost in CNY."""
    zone = ZoneInfo(park.site.zone)
    count = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    begin = datetime(year, 1, 1, tzinfo=zone)
    starts = [begin + timedelta(hours=hour) for hour in range(24 * count)]

    def total(ids: list[str], load: bool) -> Array:
        series = [(load_mw if load else available_mw)(park, i, starts, 3600.0) for i in ids]
        return np.sum(series, axis=0).reshape(count, 24) if series else np.zeros((count, 24))

    wind = total([i for i, d in park.devices.items() if isinstance(d, Wind)], load=False)
    sun = total([i for i, d in park.devices.items() if isinstance(d, Pv)], load=False)
    owed_mw, revenue_cny, worth = _gases(park)
    units = [d.params for d in park.devices.values() if isinstance(d, Chp)]
    chp_mw = len(units) * park.contracts.initial.chp_mw
    residual = total(list(park.loads), load=True) + owed_mw - wind - sun - chp_mw
    price = price_cny_per_mwh(park, starts).reshape(count, 24)
    fuel = 24 * park.contracts.initial.chp_mw * sum(unit.fuel_cny_per_mwh for unit in units)
    bought, left = np.maximum(residual, 0.0), np.maximum(-residual, 0.0)
    cost = (bought * price).sum(axis=1) + fuel - revenue_cny - worth * left.sum(axis=1)
    return [(begin + timedelta(days=k)).date() for k in range(count)], wind, residual, cost


def _gases(park: Park) -> tuple[float, float, float]:
    """Return the mean MW and the daily CNY of hydrogen and ammonia owed, and what a spare MWh yields."""
    hydrogen, ammonia = park.contracts.hydrogen, park.contracts.ammonia
    if hydrogen is None:
        return 0.0, 0.0, 0.0
    kg, cny = hydrogen.pipeline_daily_min_kg, hydrogen.pipeline_daily_min_kg * hydrogen.price_cny_per_kg
    mwh = kg * H2_MWH_PER_KG
    loop = next((d.params for d in park.devices.values() if isinstance(d, Ammonia)), None)
    if loop is not None and ammonia is not None:
        mwh += ammonia.daily_min_t * (1000 * loop.h2_t_per_t * H2_MWH_PER_KG + loop.el_mwh_per_t)
        cny += ammonia.daily_min_t * ammonia.price_cny_per_t
    return mwh / 24, cny, hydrogen.price_cny_per_kg / H2_MWH_PER_KG
