"""What a single device offers is what it then does, simulated with its own `step()`."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting.envelope import assure
from controllers.acting.holding import Hydrogen, ramp_mw_per_min, segments
from controllers.acting.reach import LEAST_HOLD_S, Cap, device_reach
from controllers.acting.setpoints import Bound, narrow
from vpp.devices import DEVICE_TYPES, Bess, Caes, Command, Electrolyzer, H2Store, Initial
from vpp.park import load_park
from vpp.types import Source

PARK = load_park("small10")
LARGE = load_park("chifeng96")
DEVICES = [(PARK, name) for name, device in PARK.devices.items() if not isinstance(device, H2Store)]
DEVICES += [(LARGE, name) for name in ("PEM1", "NH3", "CHP1", "BESS_BASE", "WF1", "CAES1")]
HYDROGEN = Hydrogen(room_kg=1500.0, above_kg=3000.0, pipeline_kg_per_h=800.0, made_kg_per_h={"ALK1": 0.0})
pieces = st.lists(
    st.tuples(st.floats(0, 1), st.floats(1, 3600)), min_size=0, max_size=5
)  # (share of the bounds, seconds)


def wandered(device, soc, moves, drive):
    """The state after some orders inside the bounds of the moment."""
    kind = DEVICE_TYPES[device.resource.kind]
    busy = device.resource.p_min_mw * soc if device.resource.kind == "ammonia" else 0.0
    state = kind.initial(device, Initial(soc=soc, p_mw=busy or min(drive, device.resource.p_max_mw)))
    for share, dt_s in moves:
        low, high = kind.command_bounds(device, state, drive)
        state = kind.step(device, state, Command(p_mw=low + share * (high - low)), dt_s, drive)
    return state


def in_minutes(device, state, order_mw, span_s, drive):
    """The device's own motion, a minute at a time, as a plant at rate 60 makes it."""
    while span_s > 0:
        dt_s = min(span_s, 60.0)
        state = DEVICE_TYPES[device.resource.kind].step(device, state, Command(p_mw=order_mw), dt_s, drive)
        span_s -= dt_s
    return state


@settings(max_examples=150, deadline=None)
@given(
    owned=st.sampled_from(DEVICES),
    soc=st.floats(0, 1),
    moves=pieces,
    weather=st.floats(0, 1),
    sign=st.sampled_from((1, -1)),
)
def test_every_device_gives_what_it_offers_within_its_ramp_and_for_its_duration(
    owned, soc, moves, weather, sign
):
    park, name = owned
    device = park.devices[name]
    kind = DEVICE_TYPES[device.resource.kind]
    drive = weather * device.resource.p_max_mw if device.resource.kind in ("wind", "pv") else 0.0
    drive = math.inf if device.resource.kind == "ammonia" else drive
    state = wandered(device, soc, moves, drive)
    low, high = kind.command_bounds(device, state, drive)
    room = narrow([Bound(source=Source.PROTECTION, low_mw=low, high_mw=high, why="limit of the device")])
    near = 2e-3 * max(device.resource.p_max_mw, -device.resource.p_min_mw)
    for reach in device_reach(park, device, state, drive, sign, hydrogen=HYDROGEN):
        if reach.mw == 0.0:
            continue
        assured = assure({name: reach.setpoint_mw}, {name: room}, {}, ())
        assert assured.p_mw[name] == pytest.approx(reach.setpoint_mw, abs=1e-6)
        after = in_minutes(device, state, reach.setpoint_mw, reach.reached_s, drive)
        assert sign * (after.p_mw - state.p_mw) >= reach.mw - near
        assert reach.reached_s <= reach.within_s
        assert reach.mw <= ramp_mw_per_min(device) * reach.within_s / 60 + near
        lasts_s = min(reach.hold_s, 2 * 3600.0) * 0.995
        for _ in range(4):
            after = in_minutes(device, after, reach.setpoint_mw, lasts_s / 4, drive)
            assert sign * (after.p_mw - state.p_mw) >= reach.mw - near


@settings(max_examples=60, deadline=None)
@given(soc=st.floats(0, 1), moves=pieces, sign=st.sampled_from((1, -1)), most=st.floats(0, 120))
def test_a_cap_leaves_only_powers_that_a_machine_can_stay_at(soc, moves, sign, most):
    plant = PARK.devices["CAES1"]
    state = wandered(plant, soc, moves, 0.0)
    cap = Cap(mw=most, limit="tie_import")
    for reach in device_reach(PARK, plant, state, 0.0, sign, hydrogen=HYDROGEN, cap=cap):
        assert reach.mw <= most + 1e-3
        if reach.mw > 0:
            assert any(a - 1e-6 <= reach.setpoint_mw <= b + 1e-6 for a, b in segments(plant))


def test_a_battery_by_hand():
    """80 MWh at 50 %, 25 % kept for an island: 20 MWh x 0.945 / 40 MW = 28.35 min at full power.

    Own use is 0.8 % of 40 MW = 0.32 MW, so 39.68 MW leave the terminals. Self-discharge of 0.1 % a
    day takes 0.0005 MWh meanwhile: below a second.
    """
    device = PARK.devices["BESS1"]
    assert isinstance(device, Bess)
    state = DEVICE_TYPES["bess"].initial(device, Initial(soc=0.5))
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert [r.setpoint_mw for r in up] == [39.68] * 4
    assert [r.mw for r in up] == pytest.approx([40.0] * 4, abs=1e-3)
    assert up[0].hold_s == pytest.approx(20 * 0.945 / 40 * 3600, abs=2)
    assert {r.limit for r in up} == {"rating"}


def test_a_battery_near_its_reserve_offers_what_lasts_a_quarter_of_an_hour():
    """1 MWh above the reserve: 1 x 0.945 / 0.25 h = 3.78 MW of the converter."""
    device = PARK.devices["BESS1"]
    state = DEVICE_TYPES["bess"].initial(device, Initial(soc=0.25 + 1 / 80))
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert up[2].mw == pytest.approx(3.78, abs=0.01)
    assert up[2].hold_s == pytest.approx(LEAST_HOLD_S, abs=2)
    assert up[2].limit == "soc"


def test_a_battery_below_its_reserve_may_stop_charging_but_not_discharge():
    device = PARK.devices["BESS1"]
    state = replace(DEVICE_TYPES["bess"].initial(device, Initial(soc=0.2)), p_mw=-20.0)
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert up[-1].mw == pytest.approx(20 - 0.32, abs=1e-3)
    assert up[-1].limit == "island_reserve"


def test_a_turbine_at_rest_by_hand():
    """8 min to start, then 15 MW/min: nothing in a minute, 100 MW within 15 min.

    At rating the air flow is 100 / 0.785 MW; from half of 400 / 0.785 MWh, the throttled inlet carries
    100 MW down to 15 %: 35 % x 400 = 140 MWh of electricity. The ramp of 6 min 40 s has taken
    100 x 6.67 / 2 / 60 = 5.56 MWh and 20 s at rating 0.56 MWh of it (a little more at part load).
    """
    device = PARK.devices["CAES1"]
    assert isinstance(device, Caes)
    state = DEVICE_TYPES["caes"].initial(device, Initial(soc=0.5))
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert [round(r.mw, 3) for r in up] == [0.0, 0.0, 100.0, 100.0]
    assert [r.limit for r in up] == ["start", "start", "rating", "rating"]
    assert up[2].hold_s == pytest.approx((140 - 5.56 - 0.56) / 100 * 3600, rel=0.01)


def test_compressors_must_stop_before_the_turbine_gives_anything():
    device = PARK.devices["CAES1"]
    state = DEVICE_TYPES["caes"].initial(device, Initial(soc=0.5, mode="charge", p_mw=-80.6))
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert up[1].mw == pytest.approx(8.0, abs=0.2)  # two trains, 4 MW/min each
    assert up[2].limit in ("turn_round", "start", "ramp")
    assert up[3].mw > 80 + 30


def test_starts_of_the_day_are_not_offered_twice():
    device = PARK.devices["CAES1"]
    state = replace(DEVICE_TYPES["caes"].initial(device, Initial(soc=0.5)), starts_turbine=3)
    up = device_reach(PARK, device, state, 0.0, 1, hydrogen=HYDROGEN)
    assert [r.mw for r in up] == [0.0] * 4
    assert {r.limit for r in up} == {"starts"}


def test_more_hydrogen_is_offered_only_where_it_finds_room():
    """100 kg of room and a closed pipeline take 400 kg/h for a quarter of an hour."""
    device = PARK.devices["ALK1"]
    assert isinstance(device, Electrolyzer)
    state = DEVICE_TYPES["electrolyzer"].initial(device, Initial(p_mw=0.0))
    state = DEVICE_TYPES["electrolyzer"].step(device, state, Command(p_mw=-10.0), 2 * 3600.0, 0.0)
    full = Hydrogen(room_kg=100.0, above_kg=0.0, pipeline_kg_per_h=0.0, made_kg_per_h={"ALK1": 190.0})
    down = device_reach(PARK, device, state, 0.0, -1, hydrogen=full)
    made = DEVICE_TYPES["electrolyzer"].step(device, state, Command(p_mw=down[-1].setpoint_mw), 3600.0, 0.0)
    assert down[-1].limit == "hydrogen"
    assert made.h2_kg_per_h == pytest.approx(400.0, rel=0.05)


def test_a_loop_takes_more_only_while_the_store_lasts():
    """25 MW, 10 MWh/t and 180 kg/t would take 450 kg/h: 100 kg above the least content last 13 minutes."""
    device = LARGE.devices["NH3"]
    state = DEVICE_TYPES["ammonia"].initial(device, Initial(p_mw=-0.9 * device.rated_mw))
    per_mwh = device.h2_kg_per_mwh
    little = Hydrogen(
        room_kg=0.0, above_kg=0.2 * device.rated_mw * per_mwh, pipeline_kg_per_h=0.0, made_kg_per_h={}
    )
    down = device_reach(LARGE, device, state, math.inf, -1, hydrogen=little)
    assert [r.mw for r in down] == [0.0] * 4
    assert {r.limit for r in down} == {"hydrogen"}
    enough = replace(little, above_kg=10 * device.rated_mw * per_mwh)
    assert device_reach(LARGE, device, state, math.inf, -1, hydrogen=enough)[-1].mw > 0
    up = device_reach(LARGE, device, state, math.inf, 1, hydrogen=enough)
    assert up[-1].mw == pytest.approx(device.ramp_mw_per_h, rel=1e-3)
    assert up[-1].limit == "ramp"
