"""Counters and commands as witnesses: who is steady or slow is never accused, who is frozen or turned is."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from controllers.acting.unit import SLOW_EVERY, polls_behind
from controllers.acting.witness import COUNTERS, contradiction, sign, still
from vpp.park import load_park
from vpp.types import Quality, Reading

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
RATING_MW = 50.0


def reading(k, p_mw, counted_mwh, cycle_s=1.0):
    values = {"p_mw": p_mw, "energy_out_mwh": max(counted_mwh, 0.0), "energy_in_mwh": max(-counted_mwh, 0.0)}
    at = START + timedelta(seconds=k * cycle_s)
    return Reading(values=values, quality=Quality.GOOD, read_at=at, age_s=0.0)


def accused(p_mw, true_mw, polls, *, cycle_s=1.0, step_mwh=1e-6, behind=0, first=0):
    """Return what is said after so many polls; the counter is read in each, or in every `behind`th alone."""
    spell = None
    for k in range(first, first + polls):
        counted = true_mw * (k - k % behind if behind else k) * cycle_s / 3600
        spell = still(spell, reading(k, p_mw, round(counted / step_mwh) * step_mwh, cycle_s))
    return contradiction(spell, RATING_MW, behind)


counters = st.fixed_dictionaries(
    {
        "polls": st.integers(2, 400),
        "cycle_s": st.sampled_from([0.25, 1.0, 60.0]),
        "step_mwh": st.sampled_from([1e-6, 1e-3, 0.1]),
        "behind": st.sampled_from([0, SLOW_EVERY]),
        "first": st.integers(0, SLOW_EVERY),
    }
)


@given(p_mw=st.floats(-RATING_MW, RATING_MW), error=st.floats(-0.01, 0.01), how=counters)
def test_a_steady_device_is_never_called_frozen(p_mw, error, how):
    assert accused(p_mw, p_mw * (1 + error), **how) == ""


def test_slow_counters_take_longer_to_tell():
    assert "frozen" in accused(20.0, 0.0, 50)
    assert accused(20.0, 0.0, 50, behind=SLOW_EVERY) == ""
    assert "frozen" in accused(20.0, 0.0, 60, behind=SLOW_EVERY)


def test_a_map_says_whether_its_counters_are_read_less_often():
    points = load_park("small10").register_maps["caes"]
    assert polls_behind(points, COUNTERS) == 0
    slow = [replace(p, rate="slow") if p.point in COUNTERS else p for p in points]
    assert polls_behind(slow, COUNTERS) == SLOW_EVERY
    assert polls_behind(slow, ["p_mw"]) == 0


def test_one_at_rest_that_shows_power_is_frozen_and_the_other_way_round():
    assert "frozen" in accused(20.0, 0.0, 60)
    assert "frozen" in accused(0.0, -20.0, 60)
    assert accused(20.0, 0.0, 20) == ""


def test_a_counter_that_goes_back_accuses_nobody():
    spell = None
    for k in range(60):
        spell = still(spell, reading(k, 20.0, 1000.0 if k < 30 else 0.1))
    assert spell.repeats == 29


def after(path, expected):
    last = None
    for k, (p_mw, expected_mw) in enumerate(zip(path, expected, strict=True)):
        last = sign(last, expected_mw, reading(k, p_mw, 0.0), RATING_MW)
    return last.turned


def test_only_who_went_the_other_way_has_a_wrong_sign():
    asked = [0.0] + [20.0] * 5
    assert after([0.0] + [-20.0] * 5, asked)
    assert not after([0.0] * 6, asked)
    assert not after([-20.0] * 6, [-20.0] + [20.0] * 5), "it has not heard"
    assert not after([20.0, 12.0, 11.0, 10.0, 9.0, 8.0], [20.0] + [-10.0] * 5), "it is on its way"


@given(st.lists(st.floats(-RATING_MW, RATING_MW), min_size=1, max_size=40))
def test_who_follows_never_has_a_wrong_sign(path):
    assert not after(path, path)
