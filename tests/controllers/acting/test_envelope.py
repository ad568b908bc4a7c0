"""No command leaves the envelope, whoever asked for it."""

from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting import targets
from controllers.acting.envelope import DEAF_PU_PER_MW, Row, assure, network_rows, row_excess
from controllers.acting.setpoints import ORDER, Bound, Narrowed, narrow
from controllers.acting.tracking import GAIN, Correction, Tracker, corrected
from vpp.devices import DEVICE_TYPES, Command, Initial
from vpp.seeds import generator
from vpp.types import Source, TieSensitivity

NAMES = ("A", "B", "C", "D")
mw = st.floats(-200, 200)
anything = st.one_of(mw, st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e30]))


@st.composite
def rooms(draw):
    low = draw(st.floats(-100, 100))
    high = low + draw(st.floats(0, 100))
    return Narrowed(low_mw=low, high_mw=high, low_why="low", high_why="high")


@st.composite
def row(draw):
    slope = {name: draw(st.floats(-2, 2)) for name in NAMES}
    base = {name: draw(mw) for name in NAMES}
    return Row(name="r", slope=slope, base=base, value=draw(mw), limit=draw(mw))


@given(
    asked=st.fixed_dictionaries(dict.fromkeys(NAMES, anything)),
    ranges=st.fixed_dictionaries(dict.fromkeys(NAMES, rooms())),
    held=st.fixed_dictionaries(dict.fromkeys(NAMES, mw)),
    rows=st.lists(row(), max_size=4),
)
def test_every_value_is_inside_its_range_and_finite(asked, ranges, held, rows):
    result = assure(asked, ranges, held, rows)
    for name in NAMES:
        assert isfinite(result.p_mw[name])
        assert ranges[name].low_mw <= result.p_mw[name] <= ranges[name].high_mw
        if not isfinite(asked[name]) or result.p_mw[name] != pytest.approx(asked[name], abs=1e-5):
            assert result.clipped[name]


@given(
    asked=st.fixed_dictionaries(dict.fromkeys(NAMES, mw)),
    ranges=st.fixed_dictionaries(dict.fromkeys(NAMES, rooms())),
    single=row(),
)
def test_one_row_is_held_wherever_the_ranges_allow_it(asked, ranges, single):
    result = assure(asked, ranges, {}, [single])
    best = {n: ranges[n].low_mw if single.slope[n] > 0 else ranges[n].high_mw for n in NAMES}
    slack = 1e-3
    if row_excess(single, best) <= -slack:
        assert row_excess(single, result.p_mw) <= slack
        assert not result.broken or result.broken["r"] <= slack
    else:
        assert row_excess(single, result.p_mw) >= row_excess(single, best) - slack


@given(st.lists(st.tuples(st.sampled_from(ORDER), mw, st.floats(0, 100)), min_size=1, max_size=6))
def test_a_later_source_never_widens_what_an_earlier_one_left(drawn):
    bounds = [Bound(source=s, low_mw=low, high_mw=low + width, why=s) for s, low, width in drawn]
    result = narrow(bounds)
    first = min(bounds, key=lambda b: ORDER.index(b.source))
    assert result.low_mw <= result.high_mw
    assert first.low_mw <= result.low_mw
    assert result.high_mw <= first.high_mw


def test_protection_beats_the_plan():
    protection = Bound(source=Source.PROTECTION, low_mw=0.0, high_mw=5.0, why="limit of the device")
    plan = Bound(source=Source.PLAN, low_mw=10.0, high_mw=20.0, why="plan")
    result = narrow([plan, protection])
    assert (result.low_mw, result.high_mw) == (5.0, 5.0)


def test_a_network_row_moves_with_what_is_metered():
    around = TieSensitivity(
        step=0,
        p_mw={"A": 10.0, "LOAD": -50.0},
        rows={"T1": {"A": -0.5, "LOAD": -0.5}},
        value={"T1": 90.0},
        limit={"T1": 100.0},
    )
    (metered,) = network_rows(around, {"A": 10.0, "LOAD": -80.0}, {"A": 1.0}, {"A": 10.0})
    assert metered.value == pytest.approx(105.0)
    result = assure(
        {"A": 10.0}, {"A": Narrowed(low_mw=0, high_mw=50, low_why="", high_why="")}, {}, [metered]
    )
    assert result.p_mw["A"] == pytest.approx(20.0)
    assert result.clipped["A"] == ("limit T1",)


def test_a_device_deaf_to_a_voltage_is_not_moved_for_it_and_one_that_hears_is():
    """0.001 pu for 5 MW is the edge; a branch has none, and a row that moves nobody is left out."""

    def rows(name, slope):
        around = TieSensitivity(
            step=0, p_mw={"A": 0.0}, rows={name: slope}, value={name: 1.0}, limit={name: 1.05}
        )
        return network_rows(around, {"A": 0.0, "B": 0.0}, {"A": 1.0, "B": 0.5}, {"A": 0.0, "B": 0.0})

    edge = DEAF_PU_PER_MW
    assert edge == pytest.approx(0.001 / 5)
    assert rows("voltage_max:X", {"A": 0.99 * edge, "B": -0.5 * edge}) == ()
    (row,) = rows("voltage_max:X", {"A": 0.99 * edge, "B": -1.01 * edge})
    assert row.slope == {"B": pytest.approx(-0.505 * edge)}
    (row,) = rows("branch:X", {"A": 0.01 * edge})
    assert row.slope == {"A": pytest.approx(0.01 * edge)}


def test_a_machine_on_its_ramp_is_not_expected_to_arrive_within_a_cycle(park):
    """A turbine at 15 MW/min called from 20 to 99 MW: 15 MW in a minute, whatever else is asked."""
    turbine = park.devices["CAES1"]
    state = DEVICE_TYPES["caes"].initial(turbine, Initial(soc=0.5, mode="discharge", p_mw=40.0))
    wanted = targets.Wanted(99.4, 0.0, 0.0, 0.0)
    asked = targets.request(turbine, wanted, state, sent=None, flow=0.0, dt_s=60.0)
    assert asked.share == pytest.approx(0.0, abs=0.02)
    assert asked.drift_mw == pytest.approx(15.0, abs=1.0)
    settled = DEVICE_TYPES["caes"].step(turbine, state, Command(p_mw=99.4), 1200.0, 0.0)
    asked = targets.request(turbine, wanted, settled, sent=None, flow=0.0, dt_s=60.0)
    assert asked.share == pytest.approx(1.0)
    assert asked.drift_mw == pytest.approx(0.0, abs=0.1)


KINDS = {"A": "bess", "B": "caes", "C": "wind", "D": "electrolyzer"}
TRACKER = Tracker(NAMES, KINDS)


@settings(max_examples=40)
@given(
    targets=st.fixed_dictionaries(dict.fromkeys(NAMES, st.floats(-100, 100))),
    ranges=st.fixed_dictionaries(dict.fromkeys(NAMES, rooms())),
    limit=mw,
)
def test_qp_and_envelope_together_hold_every_reachable_row(targets, ranges, limit):
    base = dict.fromkeys(NAMES, 0.0)
    single = Row(name="tie", slope=dict.fromkeys(NAMES, 1.0), base=base, value=0.0, limit=limit)
    failures = TRACKER.failures
    found = TRACKER.solve(targets, ranges, [single])
    assert all(ranges[n].low_mw - 1e-9 <= found[n] <= ranges[n].high_mw + 1e-9 for n in NAMES)
    if sum(ranges[n].low_mw for n in NAMES) < limit - 1:
        assert row_excess(single, found) <= 0.5 or TRACKER.failures > failures
        assert row_excess(single, assure(found, ranges, {}, [single]).p_mw) <= 1e-3


def test_the_qp_hardly_ever_gives_up():
    rng = generator(1, "qp")
    tracker, base = Tracker(NAMES, KINDS), dict.fromkeys(NAMES, 0.0)
    for _ in range(500):
        lows, widths, wanted = rng.uniform(-100, 100, 4), rng.uniform(0, 100, 4), rng.uniform(-100, 100, 4)
        ranges = {
            n: Narrowed(low_mw=low, high_mw=low + width, low_why="", high_why="")
            for n, low, width in zip(NAMES, lows.tolist(), widths.tolist(), strict=True)
        }
        limit = float(rng.uniform(-200, 200))
        single = Row(name="tie", slope=dict.fromkeys(NAMES, 1.0), base=base, value=0.0, limit=limit)
        tracker.solve(dict(zip(NAMES, wanted.tolist(), strict=True)), ranges, [single])
    assert tracker.failures <= 5


def test_targets_that_break_no_row_come_back_to_the_last_bit():
    ranges = dict.fromkeys(NAMES, Narrowed(low_mw=-50, high_mw=50, low_why="", high_why=""))
    base = dict.fromkeys(NAMES, 0.0)
    near = Row(name="tie", slope=dict.fromkeys(NAMES, 1.0), base=base, value=0.0, limit=0.5)
    wanted = {"A": -40.0, "B": 60.0, "C": 0.1, "D": -10.0}
    assert TRACKER.solve(wanted, ranges, [near]) == {**wanted, "B": 50.0}


def test_the_qp_moves_the_battery_first_and_the_wind_last():
    ranges = dict.fromkeys(NAMES, Narrowed(low_mw=-50, high_mw=50, low_why="", high_why=""))
    base = dict.fromkeys(NAMES, 0.0)
    single = Row(name="tie", slope=dict.fromkeys(NAMES, 1.0), base=base, value=0.0, limit=-12.0)
    found = TRACKER.solve(dict.fromkeys(NAMES, 0.0), ranges, [single])
    assert sum(found.values()) == pytest.approx(-12.0, abs=0.02)
    assert found["A"] < found["D"] < found["B"] < found["C"] < 0.0


def test_a_device_without_a_target_takes_no_part():
    ranges = {"A": Narrowed(low_mw=-50, high_mw=50, low_why="", high_why="")}
    single = Row(name="tie", slope={"A": 1.0, "B": 1.0}, base={"A": 0.0, "B": 30.0}, value=5.0, limit=0.0)
    assert TRACKER.solve({"A": 0.0}, ranges, [single])["A"] == pytest.approx(-5.0, abs=0.02)


@given(st.floats(-50, 50), st.lists(st.sampled_from([1.0, 10.0, 60.0]), min_size=1, max_size=60))
def test_the_correction_of_a_lasting_error_never_overshoots_and_ends(error, cycles_s):
    correction = Correction()
    for dt_s in cycles_s:
        correction = corrected(correction, error, dt_s)
        assert min(0.0, error) - 1e-9 <= correction.battery_mw <= max(0.0, error) + 1e-9
    for _ in range(40):
        correction = corrected(correction, error, 60.0)
    assert correction.battery_mw == 0.0
    assert GAIN <= 0.3
