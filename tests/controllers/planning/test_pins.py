"""Pins hold, or what cannot be held is declared."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from controllers.planning import check, initial_state
from vpp.park.pins import read_pins
from vpp.types import PlanLabel

DAY = date(2026, 3, 17)
STEPS = 48
"""The first half of the day: half the time to solve."""


@pytest.fixture(scope="module")
def pinned(park, planner, forecast):
    """Texts of pins -> the plan that holds them."""
    state = initial_state(park, forecast.start)

    def plan(*texts, base=None):
        pins = read_pins(park, texts, DAY, base=base)
        return planner.plan(state, forecast, steps=STEPS, deadline_s=60.0, pins=pins).plan

    return plan


def span(plan, first, last):
    return slice(first * 4, last * 4)


def test_power_mode_and_service_are_held_all_in_one_plan(pinned):
    plan = pinned(
        "BESS1@02:00-03:00=-20", "CAES1@06:00-09:00=off", "ALK1@04:00-05:00=off", "LD_ZN@00:00-12:00=serve"
    )
    assert plan.certificate.ok
    assert not [r for r in plan.relaxations if r.limit.startswith("pin")]
    assert plan.series["BESS1"]["p_mw"][span(plan, 2, 3)] == pytest.approx(-20.0, abs=2e-3)
    assert not plan.series["CAES1"]["mode_code"][span(plan, 6, 9)].any()
    assert not plan.series["ALK1"]["h2_kg"][span(plan, 4, 5)].any()
    assert not plan.series["LD_ZN"]["shed_mw"].any()
    assert {pin.element for pin in plan.pins} == {"BESS1", "CAES1", "ALK1", "LD_ZN"}


def test_a_machine_is_made_to_run(pinned):
    plan = pinned("CAES1@03:00-04:00=charge", "BESS1@06:00-07:00=charge")
    assert (plan.series["CAES1"]["mode_code"][span(plan, 3, 4)] == 1).all()
    assert not plan.series["BESS1"]["discharge_mw"][span(plan, 6, 7)].any()


def test_what_cannot_be_held_gives_way_and_is_said(pinned, park):
    plan = pinned("BESS1@00:00-12:00=30")
    gave = [r for r in plan.relaxations if r.limit.startswith("pin:BESS1")]
    assert plan.certificate.ok
    assert plan.label is PlanLabel.RELAXED
    assert 0 < len(gave) < STEPS, "what there is in store is given as asked"
    assert all("asked 30 MW" in r.reason for r in gave)
    given = {r.step for r in gave}
    kept = [k for k in range(STEPS) if k not in given]
    assert plan.series["BESS1"]["p_mw"][kept] == pytest.approx(30.0, abs=5e-3)
    assert (plan.series["BESS1"]["p_mw"] <= 30.0 + 5e-3).all()


def test_a_pin_beyond_the_weather_takes_what_there_is(pinned, forecast):
    plan = pinned("WF@05:00=100")
    assert plan.label is PlanLabel.RELAXED
    assert plan.series["WF"]["p_mw"][20] == pytest.approx(
        min(100.0, forecast.available_mw["WF"][20]), abs=0.01
    )


def test_a_step_held_as_it_was_planned_changes_nothing(pinned):
    free = pinned()
    again = pinned("*@03:00-04:00=plan", base=free)
    assert not [r for r in again.relaxations if r.limit.startswith("pin")]
    for name in ("WF", "PV", "BESS1", "ALK1", "CAES1"):
        kept = again.series[name]["p_mw"][12:16] - free.series[name]["p_mw"][12:16]
        assert np.abs(kept).max() < 5e-3
    assert again.cost_cny == pytest.approx(
        free.cost_cny, abs=2e-3 * sum(map(abs, free.cost_breakdown_cny.values()))
    )


def test_the_checker_refuses_a_pin_that_is_not_held(pinned, park, forecast):
    plan = pinned("BESS1@02:00-03:00=-20")
    (pin,) = plan.pins
    for wrong in (replace(pin, p_mw=-25.0), replace(pin, element="WF", p_mw=-1.0)):
        found = check(park, replace(plan, pins=(wrong,)), forecast)
        assert not found.ok
        assert {v.rule for v in found.violations} == {"pin"}


def test_the_next_plan_from_it_holds_it_too(park, planner, forecast, pinned, after):
    first = pinned("BESS1@05:00-06:00=-15")
    state = after(first, 4)
    pins = first.pins
    second = planner.plan(state, forecast, steps=STEPS - 4, deadline_s=60.0, previous=first, pins=pins).plan
    assert second.series["BESS1"]["p_mw"][16:20] == pytest.approx(-15.0, abs=2e-3)


def test_what_a_pin_holds_down_is_curtailed_by_it(pinned):
    plan = pinned("WF@02:00-03:00=off")
    causes, curtailed = plan.curtailment_cause["WF"], plan.series["WF"]["curtailed_mw"]
    assert {causes[k] for k in range(8, 12)} == {"pin:WF@2026-03-17T02:00-03:00=off"}
    assert all((causes[k] == "") == (curtailed[k] <= 0.01) for k in range(STEPS))
