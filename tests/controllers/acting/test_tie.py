"""The quarter-hour mean of the tie, limits and the memory between cycles."""

from datetime import datetime, timedelta, timezone
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.acting import ledger
from controllers.acting.alarms import CLEAR_AFTER, EMPTY, Condition, settle
from controllers.acting.judge import judge
from controllers.acting.memory import Memory, load, save
from controllers.acting.tie import (
    SLACK_MW,
    TOLERANCE_MW,
    TieWindow,
    advance,
    aim_mw,
    allowed_now_mw,
    limits,
    metered_mwh,
)
from vpp.types import DispatchOrder, Quality, Reading, Severity

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)


def at(seconds):
    return START + timedelta(seconds=seconds)


@given(st.lists(st.floats(-50, 150), min_size=90, max_size=90), st.sampled_from([10.0]))
def test_the_mean_of_a_quarter_is_the_mean_of_its_samples(samples, dt_s):
    window = TieWindow(start=START, month_peak_mw=0.0)
    for k, import_mw in enumerate(samples):
        window = advance(window, at((k + 1) * dt_s), import_mw, dt_s, (150.0, 0.0))
    assert window.last_mean_mw == pytest.approx(sum(samples) / 90, abs=1e-6)
    assert window.month_peak_mw == pytest.approx(max(window.last_mean_mw, 0.0))
    assert window.start == at(900)
    assert isnan(window.mean_mw)


def test_an_excursion_is_one_quarter_however_many_cycles_it_has():
    window = TieWindow(start=START, month_peak_mw=0.0)
    for k in range(2 * 90):
        window = advance(window, at((k + 1) * 10), 120.0 if k < 90 else 80.0, 10.0, (100.0, 0.0))
    assert (window.excursions, window.instants) == (1, 90)


def test_a_quarter_that_was_hardly_metered_sets_no_peak():
    window = TieWindow(start=START, month_peak_mw=10.0)
    window = advance(window, at(10), 500.0, 10.0, (100.0, 0.0))
    window = advance(window, at(900), None, 890.0, (100.0, 0.0))
    assert window.month_peak_mw == 10.0
    assert window.excursions == 0


@given(st.floats(0, 200), st.floats(0, 890))
def test_the_allowance_stays_within_reach_of_the_limit(mean, elapsed):
    window = TieWindow(
        start=START,
        month_peak_mw=0.0,
        mwh=mean * elapsed / 3600,
        covered_s=elapsed,
        import_mwh=100.0 * elapsed / 3600,
    )
    allowed = allowed_now_mw(window, at(elapsed), 100.0, 0.0)
    assert 90.0 <= allowed.import_mw <= 110.0
    assert -5.0 <= allowed.export_mw <= 5.0
    if mean <= 100.0:
        assert allowed.import_mw >= 100.0 + SLACK_MW
    if mean >= 0.0:
        assert allowed.export_mw >= SLACK_MW


@given(st.floats(-8.0, 8.0), st.sampled_from([1.0, 10.0]))
def test_whatever_pushes_the_quarter_ends_within_its_limits(push_mw, dt_s):
    window, t = TieWindow(start=START, month_peak_mw=0.0), 0.0
    while t < 900:
        allowed = allowed_now_mw(window, at(t), 0.0, 0.0)
        t += dt_s
        # whatever holds the tie does so within 5 MW of the limit
        tie_mw = min(max(push_mw, -allowed.export_mw), allowed.import_mw)
        window = advance(window, at(t), tie_mw, dt_s, (0.0, 0.0))
        if t < 900:
            assert abs(window.mwh) * 4 <= TOLERANCE_MW
    assert abs(window.last_mean_mw) <= 0.2


@given(st.floats(90.0, 130.0), st.sampled_from([1.0, 10.0, 60.0]))
def test_a_quarter_that_is_pushed_up_ends_inside_its_limit_by_the_aim(push_mw, dt_s):
    window, t = TieWindow(start=START, month_peak_mw=0.0), 0.0
    while t < 900:
        allowed = allowed_now_mw(window, at(t), 100.0, 0.0, 0.2)
        t += dt_s
        window = advance(window, at(t), min(push_mw, allowed.import_mw), dt_s, (100.0, 0.0))
    assert window.last_mean_mw <= 100.0 - 0.2 + 0.11


def test_an_order_that_comes_within_a_quarter_counts_from_then_on():
    """Five minutes at 100 MW under a limit of 100 leave nothing to make up for when 80 come."""
    window = TieWindow(start=START, month_peak_mw=0.0)
    window = advance(window, at(300), 100.0, 300.0, (100.0, 0.0))
    window = advance(window, at(310), 80.0, 10.0, (80.0, 0.0))
    assert allowed_now_mw(window, at(310), 80.0, 0.0).import_mw == pytest.approx(80.0, abs=0.02)
    window = advance(window, at(899), 80.0, 589.0, (80.0, 0.0))
    assert window.over_mwh == pytest.approx(SLACK_MW * 590 / 3600)
    assert window.limit_mw == pytest.approx((5 * 100 + 599 / 60 * 80) / (899 / 60), abs=SLACK_MW)


def test_room_left_before_an_order_is_no_room_under_it():
    window = advance(TieWindow(start=START, month_peak_mw=0.0), at(300), 20.0, 300.0, (100.0, 0.0))
    window = advance(window, at(310), 40.0, 10.0, (40.0, 0.0))
    assert allowed_now_mw(window, at(310), 40.0, 0.0).import_mw <= 40.02


def test_a_cycle_across_the_quarters_end_is_shared_by_time():
    window = TieWindow(start=START, month_peak_mw=0.0)
    window = advance(window, at(880), 60.0, 880.0, (100.0, 0.0))
    window = advance(window, at(940), 90.0, 60.0, (100.0, 0.0))
    assert window.last_mean_mw == pytest.approx((880 * 60 + 20 * 90) / 900)
    assert (window.covered_s, window.mwh) == (40.0, pytest.approx(1.0))


def test_the_quarter_hour_is_metered_by_the_counters_that_the_contract_is_billed_by():
    """Power is read once a minute and jumps in between; the counters know; a late answer is made up for."""

    def shown(seconds, imported, exported=0.0):
        values = {"energy_in_mwh": imported, "energy_out_mwh": exported}
        return Reading(values=values, quality=Quality.GOOD, read_at=at(seconds), age_s=0.0)

    moved, counters = metered_mwh(None, shown(0, 7.0), 60.0, 60.0)
    assert moved == 1.0, "nothing to compare with: power times time"
    moved, counters = metered_mwh(counters, shown(60, 9.5, 0.5), 60.0, 60.0)
    assert moved == pytest.approx(2.0)
    moved, counters = metered_mwh(counters, shown(60, 9.5, 0.5), 90.0, 60.0)
    assert moved == pytest.approx(1.5), "it has not answered since"
    moved, counters = metered_mwh(counters, shown(180, 13.5, 0.5), 90.0, 60.0)
    assert moved == pytest.approx(4.0 - 1.5)
    moved, _ = metered_mwh(counters, shown(240, 0.1), 30.0, 60.0)
    assert moved == pytest.approx(0.5), "a meter that begins anew"


def test_running_orders_narrow_the_contract_and_others_do_not():
    order = DispatchOrder(
        id="o", import_max_mw=90.0, export_max_mw=None, start=at(60), end=at(120), expires_at=at(60)
    )
    assert limits([order], at(59), 150.0, 5.0) == (150.0, 5.0)
    assert limits([order], at(60), 150.0, 5.0) == (90.0, 5.0)
    assert limits([order], at(120), 150.0, 5.0) == (150.0, 5.0)


def test_an_alarm_keeps_its_time_and_clears_after_a_dead_band():
    cause = Condition(id="a", severity=Severity.ALARM, source="x", text="first")
    board, raised, _ = settle(EMPTY, [cause], at(0))
    assert [alarm.since for alarm in raised] == [at(0)]
    newer = Condition(id="a", severity=Severity.ALARM, source="x", text="second")
    board, raised, _ = settle(board, [newer], at(1))
    assert raised == ()
    assert (board.standing["a"].since, board.standing["a"].text) == (at(0), "second")
    for k in range(CLEAR_AFTER):
        board, _, cleared = settle(board, [], at(2 + k))
    assert [alarm.id for alarm in cleared] == ["a"]
    assert board.standing == {}


def test_a_flood_of_alarms_is_bounded_and_counted():
    flood = [Condition(id=str(k), severity=Severity.ACTION, source="x", text="x") for k in range(700)]
    board, _, _ = settle(EMPTY, flood, at(0))
    assert (len(board.standing), board.dropped) == (500, 200)


@pytest.mark.parametrize(
    ("age_s", "quality"), [(0, Quality.GOOD), (90, Quality.GOOD), (120, Quality.STALE), (240, Quality.BAD)]
)
def test_quality_counts_cycles_not_seconds(age_s, quality):
    reading = Reading(values={"p_mw": 1.0}, quality=Quality.GOOD, read_at=at(0), age_s=0.0)
    judged, _ = judge({"A": reading}, {}, at(age_s), 60.0)
    assert judged["A"].quality is quality
    assert judged["A"].age_s == age_s


def test_the_ledger_counts_a_call_once_and_rests_after_its_end(park):
    load_zn = park.loads["LD_ZN"]
    entry = ledger.opened(ledger.Calls(), 0b01, 9.0, at(0), "Asia/Shanghai")
    entry = ledger.opened(entry, 0b10, 9.0, at(60), "Asia/Shanghai")
    assert entry.today == 1
    running = ledger.standing(load_zn, entry, at(120), "Asia/Shanghai")
    assert (running["running_min"], running["closed_blocks"]) == (2.0, 0.0)
    entry = ledger.closed(entry, 0b01, at(300))
    assert entry.cut_mw == pytest.approx(9.0)
    entry = ledger.closed(entry, 0b10, at(600))
    resting = ledger.standing(load_zn, entry, at(660), "Asia/Shanghai")
    assert (resting["open_blocks"], resting["closed_blocks"]) == (0, 2)
    assert resting["rest_min"] == load_zn.min_between_sheds_min - 1
    tomorrow = ledger.standing(load_zn, entry, at(86400), "Asia/Shanghai")
    assert tomorrow["calls_left"] == load_zn.max_calls_per_day
    again = ledger.closed(ledger.opened(entry, 0b01, 9.0, at(9e4), "Asia/Shanghai"), 0b01, at(9e4 + 60))
    assert ledger.standing(load_zn, again, at(9e4 + 60), "Asia/Shanghai")["closed_blocks"] == 1


def test_the_memory_round_trips_and_a_damaged_file_is_an_empty_one(tmp_path):
    path = tmp_path / "control.memory"
    entry = ledger.opened(ledger.Calls(), 1, 9.0, at(0), "Asia/Shanghai")
    memory = Memory(tie=TieWindow(start=START, month_peak_mw=95.0), ledger={"LD_ZN": entry})
    assert save(path, memory)
    kept = load(path)
    assert (kept.ledger, kept.tie.month_peak_mw) == (memory.ledger, 95.0)
    raw = path.read_bytes()
    for cut in range(len(raw)):
        path.write_bytes(raw[:cut])
        assert load(path) == Memory(damaged=True)


def test_a_long_cycle_ends_its_quarter_hour_further_inside():
    assert aim_mw(600.0, 1.0) == 0.6
    assert aim_mw(600.0, 60.0) == pytest.approx(4.0)
    assert aim_mw(600.0, 7200.0) == 60.0
