"""A setpoint's life: each step once, in an order that makes sense, whatever comes how often."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from controllers.acting.lifecycle import (
    ENDED,
    TRANSITIONS,
    Event,
    Life,
    Stage,
    after,
    begun,
    repeated,
    repeats,
)
from vpp.types import Setpoint, Source

AT = datetime(2026, 3, 17, 4, tzinfo=timezone.utc)
TOLD = Setpoint(
    device="BESS1", p_mw=10.0, q_mvar=0.0, h2_kg_per_h=0.0, p_min_mw=-40.0, p_max_mw=40.0, epoch=7,
    sequence=1, issued_at=AT, ttl_s=60.0, reversion_mw=0.0, reversion_s=60.0, source=Source.PLAN,
)  # fmt: skip
WAY = (Event.SEND, Event.ACKNOWLEDGE, Event.SHOW, Event.METER)


def led(*events, life=None):
    life = life or begun(TOLD, None)
    for event in events:
        life = after(life, event, epoch=7, sequence=life.setpoint.sequence)
    return life


def test_the_way_of_a_value_that_is_done():
    stages = [led(*WAY[:k]).stage for k in range(5)]
    assert stages == [Stage.CREATED, Stage.SENT, Stage.ACKNOWLEDGED, Stage.READ_BACK, Stage.METERED]


def test_metered_is_reached_by_way_of_a_read_back_alone():
    assert {stage for (stage, event), to in TRANSITIONS.items() if to is Stage.METERED} == {Stage.READ_BACK}


@pytest.mark.parametrize("stage", sorted(ENDED))
def test_nothing_leaves_an_end(stage):
    assert not [event for was, event in TRANSITIONS if was is stage]


def test_every_stage_can_be_reached_and_every_event_does_something():
    reached = {Stage.CREATED, *TRANSITIONS.values()}
    assert reached == set(Stage)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_an_answer_to_an_older_write_changes_nothing():
    life = led(*WAY)
    newer = repeated(life, replace(TOLD, sequence=2))
    for event in Event:
        assert after(newer, event, epoch=7, sequence=1) is newer
        assert after(newer, event, epoch=6, sequence=2) is newer


def test_a_time_out_is_unknown_until_a_read_back_tells():
    assert led(Event.SEND, Event.TIME_OUT).stage is Stage.UNKNOWN
    assert led(Event.SEND, Event.TIME_OUT, Event.SHOW).stage is Stage.READ_BACK


def test_a_repeat_is_no_new_life_and_another_value_is_one():
    life = led(*WAY)
    assert repeats(life, replace(TOLD, sequence=2))
    assert not repeats(life, replace(TOLD, sequence=2, p_mw=11.0))
    assert not repeats(life, replace(TOLD, sequence=1, epoch=8))
    assert not repeats(led(Event.SEND, Event.EXPIRE), replace(TOLD, sequence=2))


class Lives(RuleBasedStateMachine):
    """Writes, answers and readings in any order; what was journaled is what happened."""

    reached: ClassVar[set[Stage]] = set()
    """Over all examples of a run."""

    def __init__(self):
        super().__init__()
        self.life: Life | None = None
        self.path: list[Stage] = []
        self.sequence = 0

    @rule(p_mw=st.sampled_from([0.0, 10.0, -20.0]))
    def write(self, p_mw):
        self.sequence += 1
        told = replace(TOLD, p_mw=p_mw, sequence=self.sequence)
        if self.life is not None and repeats(self.life, told):
            before = self.life.stage
            self.life = repeated(self.life, told)
            assert self.life.stage is before
            return
        if self.life is not None and not self.life.ended:
            self.happen(Event.SUPERSEDE)
            assert self.life.stage is Stage.SUPERSEDED
        self.life, self.path = begun(told, self.life), [Stage.CREATED]
        self.happen(Event.SEND)

    @precondition(lambda self: self.life is not None)
    @rule(event=st.sampled_from(sorted(set(Event) - {Event.SEND, Event.SUPERSEDE})), late=st.integers(0, 2))
    def happen(self, event, late=0):
        was = self.life
        new = after(was, event, epoch=7, sequence=was.setpoint.sequence - late)
        if late or (was.stage, event) not in TRANSITIONS:
            assert new is was
        else:
            self.path.append(new.stage)
            self.reached.add(new.stage)
            again = after(new, event, epoch=7, sequence=new.setpoint.sequence)
            assert again is new, "a repeated event has no second effect"
        self.life = new

    @invariant()
    def the_path_is_one_way_through_the_table(self):
        for was, now in zip(self.path, self.path[1:], strict=False):
            assert now in {to for (stage, _), to in TRANSITIONS.items() if stage is was}
        assert Stage.METERED not in self.path or Stage.READ_BACK in self.path
        assert sum(stage in ENDED for stage in self.path) <= 1

    @invariant()
    def registers_may_show_few_values(self):
        assert self.life is None or len(self.life.maybe_mw) <= 17


def lead(examples, steps):
    """Run the machine; the stages that lives have reached in it."""
    Lives.reached.clear()
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Lives, settings=how)
    return set(Lives.reached)


def test_whatever_happens_in_any_order_is_one_way_through_the_table():
    reached = lead(10, 50)
    assert Stage.SENT in reached
    assert len(reached) > 2, "lives go on; which stages ten examples reach is chance, the soak reaches all"


@pytest.mark.soak
def test_a_hundred_thousand_steps_of_any_kind():
    assert lead(1000, 100) == set(Stage) - {Stage.CREATED, Stage.CLIPPED, Stage.REFUSED}
