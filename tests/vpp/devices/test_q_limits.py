"""Reactive spans by kind: circles, the wind farms' cone, the condenser, and those that have no choice."""

from dataclasses import replace
from math import hypot, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.devices import DEVICE_TYPES, q_limits
from vpp.park import load_park

DEVICES = load_park("chifeng96").devices
KINDS = {d.resource.kind: name for name, d in DEVICES.items()}


def test_a_battery_gives_what_its_circle_leaves():
    assert q_limits(DEVICES["BESS_GPS"], 100.0) == pytest.approx((-56.789, 56.789), abs=1e-3)
    assert q_limits(DEVICES["BESS_GPS"], 0.0) == (-115.0, 115.0)


def test_a_wind_farm_keeps_a_power_factor_of_0_95_inside_its_circle():
    low, high = q_limits(DEVICES["WF1"], 200.0)
    assert (low, high) == pytest.approx((-65.737, 65.737), abs=1e-3)
    assert 200.0 / hypot(200.0, high) == pytest.approx(0.95)
    assert q_limits(DEVICES["WF1"], 0.0) == (0.0, 0.0)


def test_a_caes_plant_gives_nothing_at_rest_its_circle_while_it_runs_and_its_table_as_a_condenser():
    plant = DEVICES["CAES1"]
    assert q_limits(plant, -plant.params.standby_aux_mw) == (0.0, 0.0)
    assert q_limits(plant, 99.4, 2)[1] == pytest.approx(sqrt(118**2 - 100**2))
    assert q_limits(plant, -80.6, 1)[0] == pytest.approx(-sqrt(118**2 - 80**2))
    assert q_limits(plant, plant.condenser_p_mw, 6) == (-50.0, 60.0)


@pytest.mark.parametrize("name", ["ALK1", "NH3", "H2S"])
def test_what_has_no_choice_has_one_point(name):
    low, high = q_limits(DEVICES[name], -20.0)
    assert low == high <= 0.0


def test_a_pv_plant_without_an_apparent_rating_keeps_its_fixed_rule():
    plant = DEVICES["PVB1"]
    bare = replace(plant, resource=replace(plant.resource, s_mva=None))
    assert q_limits(bare, 100.0) == (100.0 * plant.params.q_per_p,) * 2


@pytest.mark.parametrize("kind", sorted(DEVICE_TYPES))
@given(share=st.floats(0, 1), mode=st.sampled_from([0, 1, 2, 6]))
def test_every_kind_has_an_ordered_span_inside_its_apparent_rating(kind, share, mode):
    device = DEVICES[KINDS[kind]]
    plate = device.resource
    p_mw = plate.p_min_mw + share * (plate.p_max_mw - plate.p_min_mw)
    low, high = q_limits(device, p_mw, mode)
    assert low <= high
    if plate.s_mva is not None and mode != 6:
        assert max(hypot(p_mw, low), hypot(p_mw, high)) <= plate.s_mva * 1.01
