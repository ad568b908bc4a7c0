"""A device that control found to give less is planned for as found."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from controllers.planning import derates
from controllers.planning.state import initial_state
from vpp.types import Hold


def found(at, **spans):
    return SimpleNamespace(at=at, derated=spans)


def test_what_a_device_gives_becomes_a_pin_on_the_side_that_it_lacks(park, plan):
    seen = found(plan.start, BESS1=(-40.0, 6.0), CAES1=(-0.6, -0.6), WF=(0.0, 3.0))
    pins = {(p.element, p.hold): p.p_mw for p in derates.pins(park, seen)}
    least, most = park.resources["BESS1"].p_min_mw, 6.0
    expected = {("BESS1", Hold.MOST): most, ("CAES1", Hold.POWER): -0.6}
    assert least >= -40.0
    assert pins == expected


@pytest.mark.parametrize("span", [(-40.0, 6.0), (-5.0, 40.0)])
def test_the_next_plan_stays_inside_what_a_device_gives(park, planner, plan, forecast, span):
    low, high = span
    state = initial_state(park, plan.start)
    pins = tuple(
        replace(pin, end=pin.start + 96 * derates.AHEAD)
        for pin in derates.pins(park, found(plan.start, BESS1=span))
    )
    planned = planner.plan(state, forecast, steps=96, deadline_s=20.0, previous=plan, pins=pins).plan
    assert planned.certificate.ok
    assert not [r for r in planned.relaxations if r.limit.startswith("pin:")]
    power = planned.series["BESS1"]["p_mw"]
    assert power.min() >= low - 0.01
    assert power.max() <= high + 0.01
    usual = plan.series["BESS1"]["p_mw"]
    assert usual.min() < low - 0.01 or usual.max() > high + 0.01, "else it proves nothing"
