"""The shipped park, its endpoints and its prices."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasts.constants import LOAD_SHAPES
from vpp.devices import Caes, Electrolyzer
from vpp.park import endpoints, load_park, price_cny_per_mwh, shipped_parks, with_port_base
from vpp.park.rating_rules import LOAD_PROFILES

PARK = load_park("small10")
LOCAL = ZoneInfo("Asia/Shanghai")


def test_every_shipped_park_loads_without_a_warning() -> None:
    assert "small10" in shipped_parks()
    assert all(load_park(name).warnings == () for name in shipped_parks())


def test_small10_holds_the_devices_of_the_reference_case() -> None:
    kinds = {id_: row.kind for id_, row in PARK.resources.items()}
    assert kinds == {
        "WF": "wind",
        "PV": "pv",
        "DPV": "pv",
        "CAES1": "caes",
        "BESS1": "bess",
        "ALK1": "electrolyzer",
        "H2S": "h2_store",
    }
    assert list(PARK.devices) == list(PARK.resources)
    caes = PARK.devices["CAES1"]
    assert isinstance(caes, Caes)
    assert caes.e_air_mwh == pytest.approx(510, abs=1)
    assert isinstance(PARK.devices["ALK1"], Electrolyzer)


def test_endpoints_come_in_the_order_of_the_tables_and_move_to_any_port_base() -> None:
    before = endpoints(PARK)
    assert list(before) == [*PARK.resources, *PARK.loads, *PARK.meters, *PARK.actuators]
    moved = with_port_base(PARK, 40000)
    assert [e.port for e in endpoints(moved).values()] == [40000 + k for k in range(len(before))]
    assert all(moved.devices[id_].resource == moved.resources[id_] for id_ in moved.resources)


@pytest.mark.parametrize("port_base", [0, -1, 65536, 65530])
def test_a_port_base_without_room_is_refused(port_base: int) -> None:
    with pytest.raises(ValueError, match="ports from there"):
        with_port_base(PARK, port_base)


def test_prices_follow_the_hours_of_the_notice_in_plant_time() -> None:
    starts = [datetime(2026, 3, 17, h, tzinfo=LOCAL) for h in range(24)]
    cny = price_cny_per_mwh(PARK, starts)
    valley, flat, peak = 301.0, 479.0, 711.0
    assert cny[:5].tolist() == [valley] * 5
    assert cny[5:11].tolist() == [flat, peak, peak, peak, flat, flat]
    assert cny[11:14].tolist() == [valley] * 3
    assert cny[14:17].tolist() == [flat] * 3
    assert cny[17:22].tolist() == [peak] * 5
    assert cny[22:].tolist() == [flat] * 2


def test_summer_has_a_super_peak_and_a_deep_valley() -> None:
    def at(month: int, hour: int) -> float:
        return float(price_cny_per_mwh(PARK, [datetime(2026, month, 5, hour, 45, tzinfo=LOCAL)])[0])

    assert [at(7, h) for h in (11, 12, 13, 17, 18, 19, 20)] == pytest.approx(
        [301, 268, 268, 711, 826, 826, 711]
    )
    assert at(5, 18) == at(9, 18) == pytest.approx(711)


def test_prices_do_not_depend_on_the_zone_of_the_stamps() -> None:
    local = [datetime(2026, 6, 30, 16, tzinfo=LOCAL) + timedelta(hours=h) for h in range(24)]
    utc = [stamp.astimezone(timezone.utc) for stamp in local]
    np.testing.assert_array_equal(price_cny_per_mwh(PARK, local), price_cny_per_mwh(PARK, utc))


def test_the_loader_knows_exactly_the_demand_shapes_of_the_generator() -> None:
    assert set(LOAD_PROFILES) == set(LOAD_SHAPES)
