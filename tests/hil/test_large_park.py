"""The Chifeng park as a simulated plant: every endpoint answers with every point of its map."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hil.rig import Rig
from vpp.park import endpoints, load_park
from vpp.types import Access

PARK = load_park("chifeng96")
START = datetime(2026, 3, 17, 9, tzinfo=ZoneInfo(PARK.site.zone))


@pytest.fixture(scope="module")
def rig() -> Rig:
    plant = Rig(PARK, START, 1)
    for minute in range(1, 6):
        plant.advance(START + timedelta(minutes=minute))
    return plant


def test_every_endpoint_shows_every_point_that_its_map_reads(rig: Rig) -> None:
    assert len(endpoints(PARK)) > 60
    for name, endpoint in endpoints(PARK).items():
        image = rig.image(name)
        read = {
            point.point
            for point in PARK.register_maps[endpoint.register_map]
            if point.access is Access.READ and not point.point.endswith("_sf")
        }
        assert read <= image.keys(), (name, read - image.keys())
        assert all(np.isfinite(image[point]) for point in read), name


def test_the_tie_carries_what_the_park_draws_and_the_grid_loses(rig: Rig) -> None:
    drawn = -sum(rig.image(name)["p_mw"] for name in (*PARK.resources, *PARK.loads))
    assert rig.image("TIE")["p_mw"] == pytest.approx(drawn, rel=0.04)
    assert rig.image("TIE")["p_mw"] > drawn, "the grid has losses"


def test_feeder_meters_show_what_stands_at_their_busbar(rig: Rig) -> None:
    for name, meter in PARK.meters.items():
        if meter.kind == "feeder":
            here = [i for i, row in (*PARK.resources.items(), *PARK.loads.items()) if row.bus == meter.bus]
            drawn = -sum(rig.image(i)["p_mw"] for i in here)
            assert here, name
            assert rig.image(name)["p_mw"] == pytest.approx(drawn, abs=0.02 * abs(drawn) + 0.1), name
