"""A CAES plant that stands spins as a synchronous condenser where the other sources of Q do not suffice."""

from dataclasses import replace

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state

STEPS = 24
GUARD_S = 60.0


def without_q(park, power_factor):
    """No inverter, bank or tap to plan with: the CAES plant is the only source of Q."""

    def cut(plate):
        return plate if plate.kind == "caes" else replace(plate, s_mva=None)

    devices = {name: replace(device, resource=cut(device.resource)) for name, device in park.devices.items()}
    tie = replace(park.contracts.tie, power_factor_min=power_factor)
    return replace(
        park,
        devices=devices,
        resources={name: device.resource for name, device in devices.items()},
        actuators={},
        contracts=replace(park.contracts, tie=tie),
    )


@pytest.fixture(scope="module")
def spinning(park, forecast):
    bare = without_q(park, 0.999)
    state = initial_state(bare, forecast.start)
    return bare, Planner(bare).plan(state, forecast, steps=STEPS, deadline_s=GUARD_S).plan


def test_the_power_factor_is_kept_by_the_condenser_and_the_plan_passes(spinning, forecast):
    bare, plan = spinning
    assert check(bare, plan, forecast).ok
    assert not [r for r in plan.relaxations if r.limit == "power_factor"]
    spins = plan.series["CAES1"]["mode_code"] == 6
    assert spins.any()
    assert np.abs(plan.series["CAES1"]["q_mvar"][spins]).max() > 0.5


def test_a_condenser_draws_its_loss_and_stands_where_no_machine_runs(spinning):
    bare, plan = spinning
    s, plant = plan.series["CAES1"], bare.devices["CAES1"]
    spins = s["mode_code"] == 6
    assert s["p_mw"][spins] == pytest.approx(plant.condenser_p_mw)
    assert (s["charge_mw"][spins] + s["discharge_mw"][spins]).max() < 1e-6
    at_rest = s["mode_code"] == 0
    assert s["q_mvar"][at_rest] == pytest.approx(0.0, abs=1e-6)


def test_nothing_spins_where_the_other_sources_suffice(plan):
    assert not (plan.series["CAES1"]["mode_code"] == 6).any()


def test_a_condenser_that_is_told_as_rest_is_refused(spinning, forecast):
    bare, plan = spinning
    series = plan.series["CAES1"]
    told = replace(
        plan,
        series={**plan.series, "CAES1": {**series, "mode_code": np.where(series["mode_code"] == 6, 0, 0.0)}},
    )
    rules = {v.rule for v in check(bare, told, forecast).violations if v.resource == "CAES1"}
    assert "energy_balance" in rules
