"""True parameters and noise: by seed and element alone, near the name plate, hidden from the park."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import truth
from vpp.clock import UTC
from vpp.devices import Bess, Caes, Electrolyzer
from vpp.park import Park

AT = datetime(2026, 3, 10, tzinfo=UTC)


@given(seed=st.integers(0, 2**31), second=st.integers(0, 5000))
def test_noise_is_a_function_of_seed_element_and_second(seed: int, second: int) -> None:
    warm = truth.Noise(seed)
    for k in range(0, 5000, 977):
        warm.at("CAES1", AT + timedelta(seconds=k))
    when = AT + timedelta(seconds=second)
    assert warm.at("CAES1", when) == truth.Noise(seed).at("CAES1", when)
    assert warm.at("CAES1", when) != warm.at("BESS1", when)


def test_a_meter_stays_within_its_class() -> None:
    noise = truth.Noise(1)
    shown = [noise.metered("TIE", 100.0, AT + timedelta(seconds=k)) for k in range(3000)]
    assert max(abs(value - 100.0) for value in shown) == pytest.approx(0.2)
    assert sum(shown) / len(shown) == pytest.approx(100.0, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_parameters_lie_near_the_name_plate_but_not_on_it(park: Park, seed: int) -> None:
    for name, plate in park.devices.items():
        real = truth.true_device(plate, seed)
        assert real.resource is plate.resource
        match plate, real:
            case Bess(), Bess():
                assert 0 < abs(real.params.eta_ch / plate.params.eta_ch - 1) <= 0.01
                assert 0 < abs(real.params.response_s / plate.params.response_s - 1) <= 0.2
            case Caes(), Caes():
                assert 0 < abs(real.params.eta_charge / plate.params.eta_charge - 1) <= 0.01
                ramps = real.params.turbine.ramp_mw_per_min / plate.params.turbine.ramp_mw_per_min
                assert 0 < abs(ramps - 1) <= 0.05
            case Electrolyzer(), Electrolyzer():
                first, plated = real.params.kwh_per_kg_vs_load[0], plate.params.kwh_per_kg_vs_load[0]
                assert 0 < abs(first[1] / plated[1] - 1) <= 0.01
            case _:
                assert name in park.resources


def test_a_load_draws_within_half_a_percent_of_its_profile(park: Park) -> None:
    levels = {truth.load_level(7, name) for name in park.loads}
    assert len(levels) == len(park.loads)
    assert all(0 < abs(level - 1) <= 0.005 for level in levels)
