"""Where devices go when they hear nothing: whoever goes there, limits hold by AC power flow."""

from dataclasses import replace

import numpy as np
import pytest

from controllers.planning import reversion
from controllers.planning.checker import check
from controllers.planning.checker.seen import seen
from controllers.planning.reactive import operation_of
from vpp.park import with_port_base
from vpp.types import Plan

ZERO = pytest.approx(0.0, abs=1e-9)


def told(plan: Plan, name: str, value) -> Plan:
    series = {**plan.series[name], "reversion_mw": np.broadcast_to(value, plan.steps).astype(float)}
    return replace(plan, series={**plan.series, name: series})


def test_every_plan_carries_a_reversion_value_for_each_device_and_step(park, plan):
    for name in park.resources:
        assert plan.series[name]["reversion_mw"].shape == (plan.steps,)
    assert "reversion" in plan.certificate.checked_rules


def test_devices_rest_where_limits_allow_it_and_hold_their_power_where_they_do_not(park, planner, plan):
    found = reversion.reversions(park, planner.oracle, plan, np.arange(plan.steps))
    planned = np.column_stack([plan.series[name]["p_mw"] for name in park.resources])
    assert found.left == ()
    assert found.value_mw[found.holds] == pytest.approx(planned[found.holds])
    batteries = [k for k, r in enumerate(park.resources.values()) if r.kind == "bess"]
    resting = found.value_mw[:, batteries][~found.holds[:, batteries]]
    assert resting.size
    assert resting == ZERO


def test_a_tie_that_has_no_room_makes_those_hold_who_relieve_it(park, planner, plan):
    """With the import limit at what is imported, nobody may leave who takes load off the tie."""
    tie = {**plan.series["tie"], "import_max_mw": plan.series["tie"]["import_mw"] + 0.01}
    tight = replace(plan, series={**plan.series, "tie": tie})
    found = reversion.reversions(park, planner.oracle, tight, np.arange(tight.steps))
    names = list(park.resources)
    battery = names.index(next(n for n, r in park.resources.items() if r.kind == "bess"))
    giving = tight.series[names[battery]]["p_mw"] > 0.5
    assert giving.any()
    assert found.holds[giving, battery].all()


def test_who_shares_a_gateway_falls_silent_together(park):
    assert reversion.gateways(with_port_base(park, 15000)) == ()
    first, second = list(park.resources)[:2]
    one = replace(park.resources[first].endpoint, port=1502)
    moved = {n: replace(park.resources[n], endpoint=one) for n in (first, second)}
    assert reversion.gateways(replace(park, resources={**park.resources, **moved})) == ((0, 1),)


def test_the_checker_refuses_reversions_that_break_a_limit(park, plan, forecast):
    names = list(park.resources)
    worse = plan
    for name in names:
        worse = told(worse, name, 0.0)
    tie = {**worse.series["tie"], "import_max_mw": worse.series["tie"]["import_mw"] + 0.01}
    worse = replace(worse, series={**worse.series, "tie": tie})
    broken = {v.resource for v in check(park, worse, forecast).violations if v.rule == "reversion"}
    assert "BESS1" in broken


def test_the_checker_refuses_a_value_beyond_the_rating(park, plan, forecast):
    wrong = told(plan, "BESS1", 4000.0)
    found = [v for v in check(park, wrong, forecast).violations if v.rule == "reversion"]
    assert any("beyond its rating" in v.text for v in found)


def test_a_device_at_its_reversion_value_gives_the_mvar_of_that_power(park, planner, plan, forecast):
    """A wind farm at rest takes no Mvar any more: the voltage that they held down rises."""
    oracle, bus = planner.oracle, park.resources["WF"].bus
    p_mw, q_mvar, positions = operation_of(oracle, plan)
    wind, at = oracle.elements.index("WF"), oracle.buses.index(bus)
    step = int(np.argmin(q_mvar[:, wind]))
    resting, without = p_mw.copy(), q_mvar.copy()
    resting[step, wind] = without[step, wind] = 0.0
    own, kept, risen = (
        float(oracle.solve(p, q, positions).vm_pu[step, at])
        for p, q in ((p_mw, q_mvar), (resting, q_mvar), (resting, without))
    )
    assert risen > max(own, kept) + 1e-3

    def refused(vm_max_pu: float) -> set[int | None]:
        kv = next(b.vn_kv for b in park.grid.buses if b.name == bus)
        bands = tuple(
            replace(band, vm_max_pu=vm_max_pu) if band.vn_kv_min <= kv <= band.vn_kv_max else band
            for band in park.voltage_bands
        )
        rests = plan.series["WF"]["p_mw"].copy()
        rests[step] = 0.0
        found = check(replace(park, voltage_bands=bands), told(plan, "WF", rests), forecast, oracle)
        return {v.step for v in found.violations if (v.rule, v.resource) == ("reversion", "WF")}

    assert refused((risen + max(own, kept)) / 2) == {step}
    assert refused(risen + 1e-3) == set()


def test_a_plan_of_an_older_version_without_reversions_is_still_one(park, plan, forecast):
    bare = {n: {k: v for k, v in s.items() if k != "reversion_mw"} for n, s in plan.series.items()}
    old = replace(plan, series=bare)
    assert seen(park, old, forecast)[1] == []
    assert check(park, old, forecast).ok


def test_steps_behind_a_plans_end_of_trust_hold(park, planner, plan):
    carried = reversion.carried(park, planner.oracle, plan, every_step=False)
    last = len(reversion.looked_at(plan, every_step=False))
    assert last < plan.steps
    for name in park.resources:
        series = carried.series[name]
        assert series["reversion_mw"][last:] == pytest.approx(series["p_mw"][last:])


def test_trims_behind_a_plans_end_of_trust_are_the_next_plans(park, planner, plan, forecast):
    """Trims lapse with everybody silent; where nothing is sent any more, no choice could answer that."""
    carried = reversion.carried(park, planner.oracle, plan, every_step=False)
    last = len(reversion.looked_at(plan, every_step=False))
    tie = {**carried.series["tie"], "import_max_mw": carried.series["tie"]["import_mw"] + 0.11}
    load = next(iter(park.loads))
    trimmed = np.zeros(plan.steps)
    for step in (0, last):
        trimmed[:] = 0.0
        trimmed[step] = 5.0
        loads = {**carried.series[load], "modulated_mw": trimmed}
        tight = replace(carried, series={**carried.series, "tie": tie, load: loads})
        broken = {v.step for v in check(park, tight, forecast).violations if v.resource == "everybody"}
        assert (step in broken) == (step < last)
