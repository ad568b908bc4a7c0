"""Several batteries: each keeps its own energy for an island, or says by how much it does not."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from vpp.park import load_park

GUARD_S = 60.0
BATTERIES = ("BESS1", "BESS_B", "BESS_BASE")


@pytest.fixture(scope="module")
def fleet(park):
    big = load_park("chifeng96")
    more = {}
    for name, bus in (("BESS_B", "FDR10"), ("BESS_BASE", "PARK66")):
        device = big.devices[name]
        more[name] = replace(device, resource=replace(device.resource, bus=bus))
    devices = {**park.devices, **more}
    return replace(park, devices=devices, resources={name: d.resource for name, d in devices.items()})


@pytest.fixture(scope="module")
def peak(fleet, forecast):
    """The morning peak from full batteries, in which every battery would give all it has."""
    state = initial_state(fleet, forecast.start + timedelta(hours=6))
    full = {
        name: {**values, "e_mwh": 0.9 * fleet.devices[name].e_full_mwh} if name in BATTERIES else values
        for name, values in state.resources.items()
    }
    state = replace(state, resources=full)
    return Planner(fleet).plan(state, forecast, steps=12, deadline_s=GUARD_S).plan


def test_every_battery_keeps_its_own_energy_for_an_island(fleet, forecast, peak):
    assert check(fleet, peak, forecast).ok
    for name in BATTERIES:
        device = fleet.devices[name]
        least = max(fleet.contracts.reserve.island_battery_soc, device.params.soc_reserve_for_island)
        given_up = sum(r.amount for r in peak.relaxations if r.limit == f"island_soc:{name}")
        lowest = peak.series[name]["e_mwh"].min()
        assert lowest >= (least - 0.001) * device.e_full_mwh - given_up
        assert lowest <= (least + 0.05) * device.e_full_mwh


def test_a_battery_below_its_island_energy_is_refused_unless_declared(fleet, forecast, peak):
    low = {**peak.series["BESS_B"], "e_mwh": np.full(peak.steps, 0.1 * 40.0)}
    bad = replace(peak, series={**peak.series, "BESS_B": low}, relaxations=())
    found = [v for v in check(fleet, bad, forecast).violations if v.rule == "reserve"]
    assert [v.resource for v in found] == ["BESS_B"]
