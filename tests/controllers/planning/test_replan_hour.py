"""An hour of the large park as it is run: re-plans are optimised plans, never a plan moved on or a rule."""

from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise

import pytest

from vpp.park import load_park
from vpp.service.memory import planner_of, run_in_memory
from vpp.types import PlanLabel

START = datetime(2026, 3, 17, 13, 0, tzinfo=timezone.utc)
ROOM_S = 60.0
"""True seconds for a plan: what is asked is whether it passes, on however busy a machine."""


@pytest.fixture(scope="module")
def plans():
    """Three plans, each from what control measured and knowing the one before."""
    park = load_park("chifeng96")
    park = replace(park, horizon=replace(park.horizon, planner_deadline_s=ROOM_S))
    return run_in_memory(park, START, planner_of(park), duration_s=45 * 60, tick_s=60, seed=1).plans


def test_every_replan_of_an_hour_is_an_optimised_plan(plans):
    assert len(plans) == 3
    for plan in plans:
        assert plan.label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE)
        assert plan.certificate.ok
        assert plan.relaxations == ()


def test_they_come_from_kept_commitments_and_say_what_they_change(plans):
    assert plans[0].change is None
    for before, plan in pairwise(plans):
        assert plan.status == "optimal for the commitments of the previous plan"
        assert plan.change.previous == before.id


def test_nothing_that_armed_actions_could_end_is_left(plans):
    for plan in plans:
        assert sum(len(own.actions) for own in plan.contingencies) > 50
        assert [breach for own in plan.contingencies for breach in own.left] == []
