"""Planned outages in a plan: devices stand, weather is lost, the power flow misses the branch."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from network.powerflow import Oracle
from network.timetable import timetabled
from vpp.park.model import PlannedOutage

STEPS = 40


def outage(forecast, element, first, last, lost_mw=None):
    start = forecast.start
    return PlannedOutage(
        element=element,
        start=start + timedelta(minutes=15 * first),
        end=start + timedelta(minutes=15 * last),
        lost_mw=lost_mw,
    )


@pytest.fixture(scope="module")
def out(park, forecast):
    """A plan of a park in which several things are out, that park, and its forecast."""
    outages = (
        outage(forecast, "CAES1", 20, 36),
        outage(forecast, "BESS1", 8, 16, 30.0),
        outage(forecast, "WF", 4, 8, park.resources["WF"].p_max_mw - 5.0),
        outage(forecast, "T_PV", 30, 36),
        outage(forecast, "T_MAIN_1", 12, 20),
    )
    changed = replace(park, outages=outages)
    state = initial_state(changed, forecast.start)
    return changed, Planner(changed).plan(state, forecast, steps=STEPS, deadline_s=60.0).plan


def test_such_a_plan_is_certified(out):
    _, plan = out
    assert plan.certificate.ok
    assert any("planned outages" in note for note in plan.notes)


def test_what_is_out_stands_and_what_is_derated_stays_below(out, park):
    _, plan = out
    assert not plan.series["CAES1"]["mode_code"][20:36].any()
    assert np.abs(plan.series["BESS1"]["p_mw"][8:16]).max() <= 10.0 + 1e-3
    assert plan.series["WF"]["available_mw"][4:8].max() <= 5.0
    assert plan.series["PV"]["available_mw"][30:36].max() == 0.0
    assert plan.series["PV"]["available_mw"][36:].max() > 0.0


def test_the_branch_is_missing_in_its_steps_alone(out):
    _, plan = out
    loading = plan.loading_percent["T_MAIN_1"]
    assert not loading[12:20].any()
    assert (loading[:12] > 0).all()
    assert (loading[20:] > 0).all()
    assert plan.loading_percent["T_MAIN_2"][12:20].min() > 0


def test_a_bus_that_is_cut_off_shows_no_voltage(out):
    _, plan = out
    assert not plan.vm_pu["PV35"][30:36].any()
    assert (plan.vm_pu["PV35"][36:] > 0.9).all()


def test_a_plan_as_if_nothing_were_out_is_refused(out, planner, forecast):
    changed, _ = out
    state = initial_state(changed, forecast.start)
    blind = planner.plan(state, forecast, steps=STEPS, deadline_s=60.0).plan
    there = timetabled(Oracle(changed), [frozenset({"T_MAIN_1"})] * STEPS)
    found = check(changed, blind, forecast, there)
    assert not found.ok
    assert "energy_balance" in {v.rule for v in found.violations}, "losses are those of another grid"


def test_rows_are_solved_on_the_grid_of_their_step(park, forecast):
    oracle = Oracle(park)
    p, q = np.zeros((3, len(oracle.elements))), np.zeros((3, len(oracle.elements)))
    p[:, oracle.elements.index("LD_ZN")] = -40.0
    some = timetabled(oracle, [frozenset(), frozenset({"T_MAIN_1"}), frozenset()])
    whole, rest = oracle.solve(p, q), oracle.without(["T_MAIN_1"]).solve(p, q)
    states = some.solve(p, q)
    assert states.losses_mw == pytest.approx([whole.losses_mw[0], rest.losses_mw[1], whole.losses_mw[2]])
    assert some.solve(p[:1], q[:1], None, np.array([1])).losses_mw == pytest.approx(rest.losses_mw[:1])
    assert some.solve(p[:2], q[:2]).losses_mw == pytest.approx(whole.losses_mw[:2])
