"""Interruptible loads: calls inside their ledgers, what is trimmed, what comes back afterwards."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from controllers.planning.blocks.load import rebound_mw
from vpp.types import NoticeClass, PlanLabel

GUARD_S = 30.0


def scarce(park, mw):
    """The park with so little import that loads must give way."""
    return replace(park, contracts=replace(park.contracts, tie=replace(park.contracts.tie, import_max_mw=mw)))


@pytest.fixture(scope="module")
def calm(forecast):
    """The day without wind."""
    return replace(forecast, available_mw={**forecast.available_mw, "WF": 0 * forecast.available_mw["WF"]})


@pytest.fixture(scope="module")
def tight(park, calm):
    """A calm evening of a park whose tie is too narrow and whose stores are empty."""
    narrow = scarce(park, 70.0)
    state = initial_state(narrow, calm.start + timedelta(hours=17))
    return narrow, Planner(narrow).plan(drained(state), calm, steps=24, deadline_s=GUARD_S).plan


def drained(state):
    """The same state with next to nothing in store."""
    empty = {"BESS1": {"e_mwh": 20.0}, "CAES1": {"e_mwh": 30.0}}
    resources = {name: {**values, **empty.get(name, {})} for name, values in state.resources.items()}
    return replace(state, resources=resources)


def calls_of(opened):
    """(start, end) of each call."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (opened > 0.5).astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))


def test_a_narrow_tie_calls_loads_and_the_checker_agrees(tight, calm):
    park, plan = tight
    assert check(park, plan, calm).ok
    assert sum(len(calls_of(plan.series[name]["open_blocks"])) for name in park.loads) > 0


def test_calls_keep_their_longest_duration_their_rest_and_their_number(tight):
    park, plan = tight
    for name, load in park.loads.items():
        calls = calls_of(plan.series[name]["open_blocks"])
        assert len(calls) <= load.max_calls_per_day
        assert all((end - start) * 15 <= load.max_shed_min for start, end in calls)
        for (_, end), (start, _) in pairwise(calls):
            assert (start - end) * 15 >= load.min_between_sheds_min


def test_closed_blocks_come_back_with_a_rebound_that_ends(tight):
    park, plan = tight
    rebounds = 0.0
    for name, load in park.loads.items():
        series = plan.series[name]
        part = series["load_mw"] * load.interruptible_share / max(load.blocks, 1)
        for _, end in calls_of(series["open_blocks"]):
            if end < plan.steps:
                closing = series["open_blocks"][end - 1]
                share = min(1.0, load.restart_min / 15)
                expected = closing * part[end] * load.rebound_share * share
                assert series["rebound_mw"][end] == pytest.approx(expected, abs=1e-6)
                rebounds += expected
    assert rebounds > 0


def test_a_rebound_lasts_as_long_as_the_restart(park):
    load = replace(park.loads["LD_ZN"], restart_min=20.0, rebound_share=0.5)
    opened = np.array([0.0, 2.0, 2.0, 0.0, 0.0, 0.0])
    drawn = rebound_mw(load, opened, np.full(6, 4.0), 15)
    assert drawn == pytest.approx([0.0, 0.0, 0.0, 4.0, 4.0 / 3, 0.0])


def test_a_load_that_must_be_warned_is_not_called_at_once(park, calm):
    slow = replace(park.loads["LD_ZN"], notice_class=NoticeClass.MINUTES)
    narrow = scarce(park, 40.0)
    narrow = replace(narrow, loads={**narrow.loads, "LD_ZN": slow})
    state = initial_state(narrow, calm.start + timedelta(hours=18, minutes=3))
    plan = Planner(narrow).plan(drained(state), calm, steps=12, deadline_s=GUARD_S).plan
    first = calm.start + timedelta(hours=18, minutes=18)
    calls = calls_of(plan.series["LD_ZN"]["open_blocks"])
    assert calls
    for start, _ in calls:
        assert plan.start + timedelta(minutes=15 * int(start)) >= first


def test_a_call_under_way_is_held_and_its_rest_kept(park, forecast):
    at = forecast.start + timedelta(hours=18)
    state = initial_state(park, at)
    called = {"calls_left": 1.0, "rest_min": 0.0, "open_blocks": 2.0, "running_min": 30.0}
    state = replace(state, calls={**state.calls, "LD_ZN": called})
    plan = Planner(park).plan(state, forecast, steps=20, deadline_s=GUARD_S).plan
    assert plan.label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE, PlanLabel.RELAXED)
    opened = plan.series["LD_ZN"]["open_blocks"]
    assert opened[:2].tolist() == [2.0, 2.0]
    assert not opened[2:18].any()


def test_a_shed_that_nobody_restored_in_time_is_declared_and_planned_to_end(park, planner, forecast):
    """Only a dispatcher may close again: the contract is broken already, and every plan says so."""
    state, load = initial_state(park, forecast.start + timedelta(hours=18)), park.loads["LD_ZN"]
    late = {"calls_left": 0.0, "rest_min": 0.0, "open_blocks": 1.0, "running_min": load.max_shed_min + 40.0}
    state = replace(state, calls={**state.calls, "LD_ZN": late})
    for deadline_s in (GUARD_S, 0.0):
        released = planner.plan(state, forecast, steps=12, deadline_s=deadline_s)
        plan = released.plan
        assert plan.label is not PlanLabel.OPTIMAL
        assert plan.series["LD_ZN"]["open_blocks"].tolist() == [1.0] + [0.0] * 11
        told = [r for r in plan.relaxations if r.limit == "call:LD_ZN"]
        assert [(r.step, r.amount, r.unit) for r in told] == [(0, 55.0, "min")]
        assert "restore" in told[0].reason
        silent = replace(plan, relaxations=tuple(r for r in plan.relaxations if r not in told))
        refused = check(park, silent, forecast).violations
        assert any("longer than its contract allows" in v.text for v in refused)
        longer = {**plan.series["LD_ZN"], "open_blocks": np.array([1.0, 1.0] + [0.0] * 10)}
        held = replace(plan, series={**plan.series, "LD_ZN": longer})
        assert any(
            "longer than its contract allows" in v.text for v in check(park, held, forecast).violations
        )


def test_blocks_that_closed_before_the_plan_still_draw_their_rebound(park, planner, calm):
    load, state = park.loads["LD_ZN"], initial_state(park, calm.start + timedelta(hours=12))
    ended = {"calls_left": 1.0, "rest_min": load.min_between_sheds_min - 15.0, "closed_blocks": 2.0}
    state = replace(state, calls={**state.calls, "LD_ZN": {**state.calls["LD_ZN"], **ended}})
    for deadline_s in (GUARD_S, 0.0):
        plan = planner.plan(state, calm, steps=12, deadline_s=deadline_s).plan
        series = plan.series["LD_ZN"]
        part = series["load_mw"] * load.interruptible_share / load.blocks
        # 45 minutes of restart, one quarter of an hour of which is over
        assert series["rebound_mw"][:2] == pytest.approx(2.0 * load.rebound_share * part[:2])
        assert (series["rebound_mw"][2:] == 0).all()
        assert plan.cost_breakdown_cny["interruption"] == pytest.approx(0.0, abs=1e-3)
