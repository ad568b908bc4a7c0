"""A plan's Q, steps and taps: kept inside every limit, carried on by re-plans, checked by their own rules."""

from dataclasses import replace

import numpy as np
import pytest

from controllers.planning import check, initial_state
from controllers.planning.reactive import operation_of
from network.reactive import ruled
from network.reactive_moves import MOST_MOVES
from network.security import tie_q_max_mvar, violations
from vpp.devices import q_limits

DEADLINE_S = 20.0


def with_series(plan, owner, **changed):
    return replace(plan, series={**plan.series, owner: {**plan.series[owner], **changed}})


def refused(park, plan, forecast, oracle):
    return {(v.rule, v.resource) for v in check(park, plan, forecast, oracle).violations}


def test_the_planned_q_keeps_the_power_factor_that_fixed_rules_break(park, planner, plan):
    tie = plan.series["tie"]
    p_tie = tie["import_mw"] - tie["export_mw"]
    assert (np.abs(tie["q_mvar"]) <= tie_q_max_mvar(park, p_tie) + 0.05).all()
    rule = ruled(planner.oracle, operation_of(planner.oracle, plan)[0]).states
    assert (np.abs(rule.q_tie_mvar) > tie_q_max_mvar(park, rule.p_tie_mw) + 1.0).any()
    assert plan.series["network"]["losses_mw"].sum() < rule.losses_mw.sum()


def test_series_reproduce_the_ac_states_of_the_plan(planner, plan):
    states = planner.oracle.solve(*operation_of(planner.oracle, plan))
    assert states.q_tie_mvar == pytest.approx(plan.series["tie"]["q_mvar"], abs=1e-6)
    for k, bus in enumerate(states.buses):
        assert states.vm_pu[:, k] == pytest.approx(plan.vm_pu[bus], abs=1e-7)
    assert not [v for v in violations(planner.park, states) if v.rule in ("voltage", "loading")]


def test_batteries_and_weather_stay_inside_their_circle(park, plan):
    for name in ("WF", "PV", "DPV", "BESS1"):
        series = plan.series[name]
        for p_mw, q_mvar in zip(series["p_mw"], series["q_mvar"], strict=True):
            low, high = q_limits(park.devices[name], p_mw)
            assert low - 1e-6 <= q_mvar <= high + 1e-6


def test_a_replan_moves_no_bank_or_tap_without_need(planner, park, plan, after, forecast):
    k = 20
    again = planner.plan(after(plan, k), forecast, steps=96 - k, deadline_s=DEADLINE_S, previous=plan).plan
    for name in park.actuators:
        assert (again.series[name]["position"] == plan.series[name]["position"][k:]).all()


def test_a_plan_starts_from_where_actuators_were_measured_and_leaves_silent_ones(planner, park, forecast):
    state = initial_state(park, forecast.start)
    here = {**state.positions, "A_T_MAIN_1": 1.0, "A_T_MAIN_2": 1.0}
    del here["A_CAP_H2"]
    made = planner.plan(replace(state, positions=here), forecast, steps=96, deadline_s=DEADLINE_S).plan
    assert made.certificate.ok
    assert np.unique(made.series["A_CAP_H2"]["position"]).tolist() == [2.0]
    assert abs(made.series["A_T_MAIN_1"]["position"][0] - 1.0) <= 8


def test_a_move_of_an_actuator_that_does_not_answer_is_refused(park, plan, forecast, planner):
    silent = {k: v for k, v in plan.initial.positions.items() if k != "A_CAP_H2"}
    moved = with_series(plan, "A_CAP_H2", position=np.where(np.arange(96) < 50, 2.0, 1.0))
    moved = replace(moved, initial=replace(plan.initial, positions=silent))
    assert ("position", "A_CAP_H2") in refused(park, moved, forecast, planner.oracle)


def test_a_bank_with_its_moves_of_today_used_up_is_not_moved_by_a_replan(
    planner, plan, after, forecast, park
):
    """The plan before would have switched it twice: it does so only with moves left."""
    k, name = 20, "A_CAP_H2"
    switched = np.where((np.arange(96) < 50) | (np.arange(96) >= 70), 2.0, 1.0)
    before = with_series(plan, name, position=switched)

    def replanned(moved):
        state = replace(after(plan, k), moved={name: moved})
        return planner.plan(state, forecast, steps=96 - k, deadline_s=DEADLINE_S, previous=before).plan

    assert (replanned(MOST_MOVES["shunt"] - 2.0).series[name]["position"] == switched[k:]).all()
    once, never = replanned(MOST_MOVES["shunt"] - 1.0), replanned(float(MOST_MOVES["shunt"]))
    assert np.abs(np.diff(once.series[name]["position"], prepend=2.0)).sum() == 1.0
    assert np.unique(never.series[name]["position"]).tolist() == [2.0]
    moving = with_series(never, name, position=switched[k:])
    assert ("switching", name) in refused(park, moving, forecast, planner.oracle)


def test_more_moves_by_hand_than_a_day_allows_leave_a_plan_without_any(park, plan, forecast, planner):
    worn = replace(plan, initial=replace(plan.initial, moved=dict.fromkeys(park.actuators, 20.0)))
    still = {n: {"position": np.full(96, plan.initial.positions[n])} for n in park.actuators}
    worn = replace(worn, series={**worn.series, **still})
    assert "switching" not in {rule for rule, _ in refused(park, worn, forecast, planner.oracle)}
