"""Who may act: the lease as pure steps, and the seat of a state folder under a clock of our own."""

import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controllers.acting.lease import Lease, Sight, Terms, commands, may_claim, sight, terms, watch
from controllers.acting.seat import Seat
from vpp.clock import SimulatedClock
from vpp.park import load_park
from vpp.types import Quality, Reading

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
LIMITS = Terms(patience_s=10.0, hold_s=7.5)
PARK = load_park("small10")


def lease(**changes):
    return replace(
        Lease(active=False, number=5, highest=0, since_s=0.0, text="", heard=3, cycles=2), **changes
    )


def seen(epoch=0, twin="", heard=3, **marks):
    return Sight(heard=heard, epoch=epoch, twin=twin, marks=marks)


def test_patience_is_a_quarter_of_the_time_to_live_and_at_least_two_cycles():
    assert terms(60.0, 1.0, 1.0) == Terms(patience_s=15.0, hold_s=11.25)
    assert terms(300.0, 60.0, 1.0) == Terms(patience_s=2.0, hold_s=1.5)


def test_one_that_acted_last_acts_again_at_once():
    assert may_claim(lease(highest=4), LIMITS, 0.0, standby=False)
    assert may_claim(lease(highest=4), LIMITS, 0.0, standby=True)
    assert may_claim(lease(highest=0), LIMITS, 0.0, standby=False)


def test_a_standby_and_one_that_was_overtaken_wait_for_the_patience():
    for other, standby in ((lease(highest=0), True), (lease(highest=9), False), (lease(lost=True), False)):
        assert not may_claim(other, LIMITS, 10.0, standby=standby)
        assert may_claim(other, LIMITS, 10.1, standby=standby)


def test_one_that_hears_nothing_knows_nothing():
    assert not may_claim(lease(heard=0, cycles=50), LIMITS, 1e6, standby=True)
    assert not may_claim(lease(heard=0, cycles=50, lost=True), LIMITS, 1e6, standby=False)
    assert may_claim(lease(heard=0, cycles=3), LIMITS, 0.0, standby=False)


def test_every_change_of_a_command_register_is_a_sign_of_life():
    now = watch(lease(highest=9), seen(9, A=(9.0, 1.0), B=(9.0, 2.0)), 1.0)
    assert now.since_s == 0.0
    now = watch(now, seen(9, A=(9.0, 1.0), B=(9.0, 2.0)), 2.0)
    assert now.since_s == 0.0
    now = watch(now, seen(9, B=(9.0, 2.5)), 3.0)
    assert now.since_s == 3.0
    assert "epoch 9" in now.text


def test_an_acting_control_gives_way_to_a_higher_epoch_and_to_its_own_in_other_hands():
    acting = lease(active=True)
    assert watch(acting, seen(5), 1.0).active
    overtaken = watch(acting, seen(6), 1.0)
    assert (overtaken.active, overtaken.lost, overtaken.since_s) == (False, True, 1.0)
    assert "epoch 6" in overtaken.text
    assert not watch(acting, seen(5, twin="BESS1"), 1.0).active


def test_one_that_hears_little_of_what_the_other_commands_does_not_take_its_silence_for_death():
    every = {"A": (9.0, 1.0), "B": (9.0, 2.0), "C": (9.0, 3.0), "LOAD": (4.0, 0.0)}
    now = watch(lease(highest=9, lost=True), seen(9, **every), 1.0)
    assert not now.partial
    apart = watch(now, seen(9, LOAD=(4.0, 0.0)), 11.5)
    assert apart.since_s == 11.5, "the other one never wrote to this load"
    little = watch(now, seen(9, A=(9.0, 1.0)), 11.5)
    assert not may_claim(little, LIMITS, 11.5, standby=True)
    assert may_claim(little, LIMITS, 40.5, standby=True)
    most = watch(now, seen(9, A=(9.0, 1.0), B=(9.0, 2.0)), 11.5)
    assert may_claim(most, LIMITS, 11.5, standby=True)


def reading(at=START, quality=Quality.GOOD, **values):
    return Reading(values=values, quality=quality, read_at=at, age_s=0.0)


def look(readings, since=None, epoch=5, **sent):
    watched = dict.fromkeys(readings, ("epoch", "sequence"))
    return sight(watched, readings, since=since, epoch=epoch, sent=sent, marking=True)


def test_only_what_was_read_well_and_lately_is_seen():
    old, bad = reading(epoch=9.0), reading(epoch=8.0, quality=Quality.BAD)
    assert look({"A": old, "B": bad}).epoch == 9
    later = START + timedelta(seconds=1)
    assert look({"A": old, "B": bad}, since=later).heard == 0
    assert look({"A": reading(later, epoch=6.0)}, since=later).epoch == 6
    assert look({"A": reading(epoch=4294967294.0), "B": reading(epoch=3.0)}).epoch == 3, "noise"


def test_a_sequence_that_was_never_sent_with_the_own_epoch_is_a_twins():
    here = {"A": reading(epoch=5.0, sequence=7.0)}
    assert look(here, A=7).twin == ""
    assert look(here, A=6).twin == "A"
    assert look(here, epoch=6, A=0).twin == ""


def test_every_device_load_and_actuator_of_the_parks_carries_an_epoch():
    for name in ("small10", "chifeng96"):
        park = load_park(name)
        for table in (park.resources, park.actuators):
            for row in table.values():
                assert commands(park.register_maps[row.endpoint.register_map])


@pytest.fixture
def clock():
    return SimulatedClock(START)


@pytest.fixture
def seat(tmp_path, clock):
    def make(standby=False):
        return Seat(tmp_path / "lease", PARK, clock, standby=standby)

    return make


def test_the_folder_has_one_holder_and_its_death_frees_it(seat):
    first, second = seat(), seat(standby=True)
    assert first.take()
    assert not second.take()
    os.close(first._fd)
    assert second.take()
    assert second.lease.number == first.lease.number + 1
    assert not first.renew(), "a number once overtaken is never renewed"


def test_a_holder_that_stands_still_loses_the_folder_after_the_patience(seat, clock):
    first, second = seat(), seat(standby=True)
    first.take()
    clock.advance(first.terms().patience_s)
    assert not second.take()
    clock.advance(0.1)
    assert not first.fresh
    assert first.owns(), "it may still write into the folder"
    assert second.take()
    assert not first.owns()
    assert not first.renew()
    assert (first.holds, first.active, first.lease.lost) == (False, False, True)


def answers(epoch=0.0, at=START):
    return {name: reading(at, epoch=epoch) for name in PARK.resources}


def test_nothing_is_sent_before_the_field_was_read_and_none_after_a_lapse_until_it_was_read_anew(seat, clock):
    mine = seat()
    assert mine.take()
    assert not mine.may_send
    assert mine.see(answers(), {}, young=True)
    assert mine.may_send
    clock.advance(mine.terms().hold_s + 0.1)
    assert not mine.may_send
    mine.renew()
    assert not mine.may_send, "it woke: what it knows of the field is old"
    assert not mine.see(answers(), {}, young=False)
    assert mine.see(answers(at=clock.plant_now()), {}, young=False)
    assert mine.may_send


def test_a_folder_that_is_new_in_an_old_field_takes_an_epoch_above_all(seat, clock):
    mine = seat()
    mine.take()
    assert not mine.see(answers(41.0), {}, young=True)
    for _ in range(4):
        clock.advance(mine.terms().patience_s / 3)
        mine.renew()
        mine.see(answers(41.0, clock.plant_now()), {}, young=True)
    assert mine.active
    assert mine.lease.number == 42


def test_a_beat_that_a_full_disk_does_not_take_leaves_the_lock_to_speak(seat, clock, monkeypatch):
    first, second = seat(), seat(standby=True)
    first.take()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuse)
        assert first.renew()
    clock.advance(1000.0)
    assert not second.take()
    assert first.renew()


class TwoControls(RuleBasedStateMachine):
    """Two controls, one field, any order of reads, pauses and losses: never two that may send at once."""

    @initialize()
    def begin(self):
        self.now_s, self.field = 0.0, {"epoch": 0, "sequence": 0}
        self.leases = [
            lease(number=1, highest=0, heard=0, cycles=0),
            lease(number=2, highest=0, heard=0, cycles=0),
        ]
        self.beats = [-100.0, -100.0]
        self.history = []

    @rule(who=st.integers(0, 1), deaf=st.booleans(), steps=st.integers(1, 3))
    def cycle(self, who, deaf, steps):
        for _ in range(steps):
            self.now_s += 1.0
            self.beats[who] = self.now_s
            mark = () if deaf else (float(self.field["epoch"]), float(self.field["sequence"]))
            view = Sight(
                heard=0 if deaf else 1,
                epoch=0 if deaf else self.field["epoch"],
                twin="",
                marks={} if deaf else {"A": mark},
            )
            mine = watch(self.leases[who], view, self.now_s)
            if not deaf and may_claim(mine, LIMITS, self.now_s, standby=True):
                mine = replace(
                    mine, active=True, number=max(mine.number, mine.highest + 1), lost=False, marks={}
                )
            self.leases[who] = mine
            if mine.active and not deaf and mine.number >= self.field["epoch"]:
                self.field = {"epoch": mine.number, "sequence": self.field["sequence"] + 1}
                self.history.append(mine.number)

    @rule(seconds=st.floats(0.0, 30.0))
    def pause(self, seconds):
        self.now_s += seconds

    @invariant()
    def epochs_in_the_field_never_fall(self):
        assert self.history == sorted(self.history)

    @invariant()
    def at_most_one_thinks_that_it_acts_with_the_newest_epoch(self):
        numbers = [one.number for one in self.leases if one.active and one.number >= self.field["epoch"]]
        assert len(set(numbers)) == len(numbers)


TestTwoControls = TwoControls.TestCase
TestTwoControls.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


@given(ttl=st.floats(30.0, 900.0), rate=st.floats(1.0, 60.0), cycle=st.floats(0.2, 2.0))
def test_the_patience_with_its_cycle_fits_into_half_of_the_time_to_live_wherever_that_has_twelve_cycles(
    ttl, rate, cycle
):
    limits = terms(ttl, rate, cycle)
    assert limits.hold_s < limits.patience_s
    if ttl / rate >= 12 * cycle:
        assert limits.patience_s + 2 * cycle <= ttl / rate / 2
