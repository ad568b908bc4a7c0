"""How much a plan leaves the one before it: MW moved in the next hour, starts planned otherwise."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.planning.change import change_of
from vpp.reports import explain
from vpp.reports.plan_explain import text


def put(plan, name, key, value, steps):
    values = plan.series[name][key].copy()
    values[steps] = value
    return replace(plan, series={**plan.series, name: {**plan.series[name], key: values}})


def later(plan, k):
    """The same plan without its first k steps."""
    series = {name: {key: v[k:] for key, v in own.items()} for name, own in plan.series.items()}
    start = plan.start + timedelta(minutes=plan.step_min * k)
    return replace(plan, series=series, start=start, steps=plan.steps - k)


@pytest.mark.parametrize("k", [0, 1, 37])
def test_a_plan_that_is_the_rest_of_the_last_one_changes_nothing(park, plan, k):
    change = change_of(park, plan, later(plan, k))
    assert (change.previous, change.moved_mw, change.starts) == (plan.id, 0.0, 0)


def test_mw_count_within_the_hour_as_their_mean_and_the_weathers_do_not(park, plan):
    rest = later(plan, 8)
    p_mw, wind = rest.series["BESS1"]["p_mw"], rest.series["WF"]["p_mw"]
    assert change_of(park, plan, put(rest, "BESS1", "p_mw", p_mw[:2] + 6.0, slice(0, 2))).moved_mw == (
        pytest.approx(3.0)
    )
    assert change_of(park, plan, put(rest, "BESS1", "p_mw", p_mw[4] + 6.0, 4)).moved_mw == 0.0
    assert change_of(park, plan, put(rest, "WF", "p_mw", wind[0] / 2, 0)).moved_mw == 0.0


def test_a_start_that_moves_is_one_less_here_and_one_more_there(park, plan):
    mode = np.zeros(plan.steps)
    mode[20:28] = 2.0
    before = put(plan, "CAES1", "mode_code", mode, slice(None))
    rest = later(before, 8)
    assert change_of(park, before, rest).starts == 0
    assert change_of(park, before, put(rest, "CAES1", "mode_code", 2.0, 11)).starts == 2
    assert change_of(park, before, put(rest, "CAES1", "mode_code", 0.0, slice(None))).starts == 1
    # what runs when the new plan begins runs on
    running = later(before, 24)
    assert change_of(park, before, running).starts == 0
    assert change_of(park, before, put(running, "CAES1", "mode_code", 1.0, slice(0, 2))).starts == 2


def test_without_a_common_step_there_is_nothing_to_compare(park, plan):
    assert change_of(park, None, plan) is None
    far = replace(plan, start=plan.start + timedelta(days=2))
    assert change_of(park, plan, far) is None


def test_every_replan_carries_it_and_tells_it(park, planner, plan, forecast, after):
    assert plan.change is None
    again = planner.plan(after(plan, 8), forecast, steps=88, deadline_s=20.0, previous=plan).plan
    assert again.change == change_of(park, plan, again)
    assert again.change.previous == plan.id
    for language, word in (("en", "in the next hour"), ("zh", "未来一小时")):
        assert any(word in line for line in text(explain(park, again), language))
        assert not any(word in line for line in text(explain(park, plan), language))
