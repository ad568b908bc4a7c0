"""Six days of the Chifeng park's year, and how its farms and roofs hang together."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasts import CHIFENG_2026, available_mw, day_types, load_mw
from vpp.park import load_park

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def chifeng():
    return load_park("chifeng96")


def hours_of(day: date):
    begin = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return [begin + timedelta(hours=k) for k in range(24)]


def mean_mw(park, kind, day):
    ids = [i for i, r in park.resources.items() if r.kind == kind]
    return sum(available_mw(park, i, hours_of(day), 3600.0).mean() for i in ids)


def test_the_named_days_are_those_that_a_year_of_the_generator_holds(chifeng):
    assert day_types(chifeng, 2026) == CHIFENG_2026


def test_the_days_are_what_their_names_say(chifeng):
    wind = {name: mean_mw(chifeng, "wind", day) for name, day in CHIFENG_2026.items()}
    sun = {name: mean_mw(chifeng, "pv", day) for name, day in CHIFENG_2026.items()}
    load = {
        n: sum(load_mw(chifeng, i, hours_of(d), 3600.0).mean() for i in chifeng.loads)
        for n, d in CHIFENG_2026.items()
    }
    assert len(set(CHIFENG_2026.values())) == 6
    assert wind["calm winter evening"] < 0.2 * wind["windy winter"]
    assert wind["spring surplus"] + sun["spring surplus"] > load["spring surplus"]
    assert wind["calm winter evening"] < wind["typical"] < wind["windy winter"]
    assert CHIFENG_2026["summer"].month in (6, 7, 8)


def year_of(park, resource):
    starts = [datetime(2026, 1, 1, tzinfo=ZONE) + timedelta(hours=k) for k in range(8760)]
    return available_mw(park, resource, starts, 3600.0) / park.resources[resource].p_max_mw


def test_every_farm_of_base_and_parks_feels_the_same_wind_alike(chifeng):
    farms = [i for i, r in chifeng.resources.items() if r.kind == "wind"]
    assert len(farms) == 6
    together = np.corrcoef([year_of(chifeng, farm) for farm in farms])
    apart = together[~np.eye(len(farms), dtype=bool)]
    # 0.85 holds for the speeds; the power curve bends it a little
    assert apart.min() > 0.75
    assert apart.max() < 0.92


def test_trackers_and_roofs_share_the_day_and_not_the_minute(chifeng):
    plants = [year_of(chifeng, i) for i in ("PVB1", "PVB2", "DPV01", "DPV12")]
    noon = np.array([plant.reshape(365, 24)[:, 11:14] for plant in plants])
    days = np.corrcoef(noon.mean(axis=2))
    assert days.min() > 0.8, "one cloud cover over the site, however a plant is tilted"
    ratio = noon[:, :, 0] / noon.mean(axis=2)
    minutes = np.corrcoef(ratio)
    assert abs(minutes[0, 1]) < 0.5, "each has clouds of its own within the day"
    assert abs(minutes[2, 3]) < 0.5


def test_rolling_pulses_and_keeps_its_mean(chifeng):
    starts = [datetime(2026, 3, 2, tzinfo=ZONE) + timedelta(minutes=5 * k) for k in range(288 * 5)]
    mill, potline = (load_mw(chifeng, i, starts, 300.0) for i in ("LD_STL2", "LD_AL"))
    jump = {i: np.abs(np.diff(s)).mean() / s.mean() for i, s in (("mill", mill), ("potline", potline))}
    assert jump["mill"] > 0.02
    assert jump["mill"] > 4 * jump["potline"]
    assert mill.max() < 1.1 * chifeng.loads["LD_STL2"].p_peak_mw


def test_every_element_of_the_park_has_its_profile(chifeng):
    starts = hours_of(date(2026, 3, 17))
    for resource in chifeng.resources.values():
        if resource.kind in ("wind", "pv"):
            assert 0 <= available_mw(chifeng, resource.id, starts, 3600.0).max() <= resource.p_max_mw
    for load in chifeng.loads.values():
        series = load_mw(chifeng, load.id, starts, 3600.0)
        assert 0 < series.min() <= series.max() <= 1.1 * load.p_peak_mw
