"""The checker passes a released plan; ramps and declared breaches in detail (defects: `test_defects`)."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from controllers.planning import check
from vpp.types import Array, Certificate, Plan, Relaxation


def with_series(plan: Plan, owner: str, **changed: Array) -> Plan:
    """The plan with some series of one owner replaced."""
    return replace(plan, series={**plan.series, owner: {**plan.series[owner], **changed}})


def moved(plan: Plan, owner: str, name: str, step: int, by: float) -> Plan:
    values = plan.series[owner][name].copy()
    values[step] += by
    return with_series(plan, owner, **{name: values})


def first_step(mask: Array) -> int:
    assert mask.any()
    return int(np.flatnonzero(mask)[0])


def import_over_limit(plan: Plan) -> Plan:
    narrow = np.full(plan.steps, 20.0)
    return with_series(plan, "tie", import_max_mw=narrow)


def refusals(certificate: Certificate) -> set[tuple[str, str]]:
    return {(v.rule, v.resource) for v in certificate.violations}


def test_a_clean_plan_passes(park, plan, forecast):
    certificate = check(park, plan, forecast)
    assert certificate.ok, certificate.violations
    assert certificate.max_balance_error_mw < 0.02
    assert 0 < certificate.max_loading_percent <= 100


def test_a_change_beyond_the_ramp_is_refused_by_name(park, plan, forecast, planner):
    # the reference plant crosses its band within a step, so the plan is judged by a slower one
    caes = park.devices["CAES1"]
    turbine = replace(caes.params.turbine, ramp_mw_per_min=1.0)
    slow = replace(caes, params=replace(caes.params, turbine=turbine))
    slow_park = replace(park, devices={**park.devices, "CAES1": slow})
    assert "ramp" not in {rule for rule, _ in refusals(check(park, plan, forecast, planner.oracle))}
    power = plan.series["CAES1"]["discharge_mw"].copy()
    step = first_step((power[1:] > 0) & (power[:-1] > 0)) + 1
    power[step] = 30.0 if power[step - 1] > 60 else 95.0
    jumped = with_series(plan, "CAES1", discharge_mw=power)
    assert ("ramp", "CAES1") in refusals(check(slow_park, jumped, forecast, planner.oracle))


def test_a_rise_from_the_measured_power_beyond_the_ramp_is_refused(park, plan, forecast, planner, after):
    running = first_step(plan.series["CAES1"]["discharge_mw"] > 60) + 1
    late = replace(after(plan, running), at=plan.start + timedelta(minutes=15 * running + 13))
    own = {"mode_code": 2.0, "mode_min": 90.0}
    own["p_mw"] = 30.0
    state = replace(late, resources={**late.resources, "CAES1": {**late.resources["CAES1"], **own}})
    rest = plan.steps - running
    low = planner.plan(state, forecast, steps=rest, deadline_s=20.0, previous=plan).plan
    power = low.series["CAES1"]["discharge_mw"].copy()
    assert power[0] <= 30.0 + 15.0 * 2 + 1e-3
    assert ("ramp", "CAES1") not in refusals(check(park, low, forecast, planner.oracle))
    power[0] = 100.0
    jumped = with_series(low, "CAES1", discharge_mw=power)
    assert ("ramp", "CAES1") in refusals(check(park, jumped, forecast, planner.oracle))


def test_an_undeclared_relaxation_is_refused_and_a_declared_one_passes(park, plan, forecast, planner):
    limited = import_over_limit(plan)
    excess = plan.series["tie"]["import_mw"] - 20.0
    declared = tuple(
        Relaxation(limit="tie_import", step=k, amount=float(mw), unit="MW", reason="test")
        for k, mw in enumerate(excess)
        if mw > 0
    )
    assert ("tie_limit", "tie") in refusals(check(park, limited, forecast, planner.oracle))
    given_up = replace(limited, relaxations=declared)
    # beyond an order the tie is off its curve as well: both have to be paid
    certificate = check(park, given_up, forecast, planner.oracle)
    assert refusals(certificate) == {("declared_curve", "tie"), ("cost", "slack")}
    (owed,) = (v.allowed for v in certificate.violations if v.rule == "declared_curve")
    costs = {**plan.cost_breakdown_cny, "deviation": owed, "slack": 1.0}
    paid = replace(given_up, cost_breakdown_cny=costs, cost_cny=sum(costs.values()), cost_by_owner_cny={})
    assert check(park, paid, forecast, planner.oracle).ok


def test_power_out_of_thin_air_is_refused(park, plan, forecast, planner):
    certificate = check(park, moved(plan, "WF", "p_mw", 3, 200.0), forecast, planner.oracle)
    assert ("power_limit", "WF") in refusals(certificate)
