"""What is offered is what the simulated device then does, and never more than rows let through."""

import asyncio
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting.capability import believe, capability
from controllers.acting.envelope import Row, assure, row_excess, tie_rows
from controllers.acting.holding import Hydrogen, ramp_mw_per_min, segments
from controllers.acting.pooling import RESOLVED, Member, pool
from controllers.acting.reach import HORIZONS_S, LEAST_HOLD_S, Cap, Reach, device_reach
from controllers.acting.setpoints import Bound, narrow
from vpp.devices import DEVICE_TYPES, Bess, Caes, Command, Electrolyzer, H2Store, Initial
from vpp.park import load_park
from vpp.park.model import PlannedOutage
from vpp.types import Mode, Quality, Source, TieSensitivity

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


@pytest.fixture
def snapshot(run):
    return asyncio.run(run(3))


def test_the_park_is_not_the_sum_of_its_parts(snapshot):
    """No export is allowed: all up together take the import to zero and no further."""
    found = capability(PARK, snapshot)
    import_mw = snapshot.readings["TIE"].values["p_mw"]
    alone = sum(e.up.reach[-1].mw for e in found.elements.values())
    assert alone > import_mw
    assert found.park.up[-1].mw == pytest.approx(import_mw, abs=1e-6)
    assert found.park.up[-1].limit == "tie_export"
    assert all(e.up.reach[-1].mw <= import_mw + 1e-6 for e in found.elements.values())


def test_a_pool_takes_loads_by_whole_blocks_and_machines_at_levels_they_hold(snapshot):
    found = capability(PARK, snapshot)
    for pooled in (*found.park.up, *found.park.down):
        for name, mw in pooled.shares_mw.items():
            element = found.elements[name]
            if name in PARK.loads:
                whole = -element.p_mw * PARK.loads[name].interruptible_share / PARK.loads[name].blocks
                assert mw / whole == pytest.approx(round(mw / whole), abs=1e-6)
            else:
                sign = 1 if pooled in found.park.up else -1
                level = element.p_mw + sign * mw
                assert any(a - 1e-3 <= level <= b + 1e-3 for a, b in segments(PARK.devices[name]))


def test_a_network_row_narrows_one_and_all(snapshot, offer):
    """4.5 % of room and 0.5 % of grace on a branch that each MW of both loads by 0.5 %: 10 MW, together."""
    powers = {n: r.values["p_mw"] for n, r in snapshot.readings.items() if n != "TIE" and "p_mw" in r.values}
    made = offer(made_at=snapshot.at)
    row = {"BESS1": 0.5, "CAES1": 0.5, "ALK1": 0.02}
    sensitivity = TieSensitivity(
        step=0, p_mw=powers, rows={"branch:T": row}, value={"branch:T": 95.5}, limit={"branch:T": 100.0}
    )
    found = capability(PARK, snapshot, replace(made, sensitivities=(sensitivity,)))
    assert found.network
    assert found.elements["BESS1"].up.reach[0].mw == pytest.approx(10.0, abs=1e-3)
    assert found.elements["BESS1"].up.reach[0].limit == "branch:T"
    assert found.elements["CAES1"].up.reach[-1].mw == 0.0  # least load is 30 MW
    assert found.elements["ALK1"].up.reach[-1].mw > 20  # moves the branch by less than a twentieth of them
    shares = found.park.up[-1].shares_mw
    assert sum(0.5 * shares.get(n, 0.0) for n in ("BESS1", "CAES1")) <= 5.0 + 1e-6


def test_who_cannot_be_moved_offers_nothing_and_says_why(snapshot):
    silent = replace(snapshot.readings["CAES1"], quality=Quality.BAD)
    fault = replace(snapshot.readings["WF"], values={**snapshot.readings["WF"].values, "status": 3.0})
    seen = replace(
        snapshot,
        readings={**snapshot.readings, "CAES1": silent, "WF": fault},
        modes={**snapshot.modes, "BESS1": Mode.MANUAL},
    )
    found = capability(PARK, seen)
    for name, why in (("CAES1", "silent"), ("WF", "fault"), ("BESS1", "manual")):
        assert {r.limit for r in (*found.elements[name].up.reach, *found.elements[name].down.reach)} == {why}
        assert all(r.mw == 0.0 for r in found.elements[name].up.reach)


def test_a_load_follows_its_ledger(snapshot):
    spent = {**snapshot.calls, "LD_ZN": {**snapshot.calls["LD_ZN"], "calls_left": 0.0}}
    resting = {**spent, "LD_SME": {**snapshot.calls["LD_SME"], "rest_min": 10.0}}
    found = capability(PARK, replace(snapshot, calls=resting))
    assert {r.limit for r in found.elements["LD_ZN"].up.reach} == {"calls"}
    assert {r.limit for r in found.elements["LD_SME"].up.reach} == {"rest"}
    minutes = found.elements["LD_PUB"].up.reach
    assert [r.mw > 0 for r in minutes] == [False, False, True, True]


def test_the_pool_passes_the_envelope(snapshot):
    """What the park offers at once is accepted by the tie's rows as it stands."""
    found = capability(PARK, snapshot)
    measured = {
        n: r.values["p_mw"] for n, r in snapshot.readings.items() if n != "TIE" and "p_mw" in r.values
    }
    one = dict.fromkeys(measured, 1.0)
    rows = tie_rows(
        snapshot.readings["TIE"].values["p_mw"],
        measured,
        one,
        measured,
        import_max_mw=150.0,
        export_max_mw=0.0,
    )
    for sign, side in ((1, found.park.up), (-1, found.park.down)):
        for pooled in side:
            moved = {n: p + sign * pooled.shares_mw.get(n, 0.0) for n, p in measured.items()}
            assert all(row_excess(row, moved) <= 1e-6 for row in rows)


def test_a_start_under_way_is_known_where_the_snapshots_before_were_seen(run):
    """A machine that control started five minutes ago needs less than one at rest."""
    first = asyncio.run(run(1))
    states = believe(PARK, None, {}, first)
    order = replace(first.setpoints["CAES1"], p_mw=60.0)
    told = replace(first, setpoints={**first.setpoints, "CAES1": order})
    later = replace(told, at=told.at.replace(minute=told.at.minute + 5))
    known = believe(PARK, told, states, later)
    guessed = capability(PARK, later).elements["CAES1"].up.reach
    found = capability(PARK, later, None, known).elements["CAES1"].up.reach
    assert known["CAES1"].turbine.phase_s == pytest.approx(300.0)
    assert guessed[2].mw <= found[2].mw
    assert all(h == r.within_s for h, r in zip(HORIZONS_S, found, strict=True))
    assert not any(math.isnan(r.mw) for r in found)


def test_the_outage_calendar_is_kept(snapshot):
    """The battery is out, the electrolyser 40 MW short of its 50: it draws 30 and may draw no more."""
    span = {"start": snapshot.at, "end": snapshot.at + timedelta(hours=1)}
    short = replace(
        PARK,
        outages=(
            PlannedOutage(element="BESS1", lost_mw=None, **span),
            PlannedOutage(element="ALK1", lost_mw=40.0, **span),
            PlannedOutage(
                element="WF", lost_mw=None, start=span["end"], end=span["end"] + timedelta(hours=1)
            ),
        ),
    )
    found = capability(short, snapshot).elements
    assert {r.limit for r in (*found["BESS1"].up.reach, *found["BESS1"].down.reach)} == {"outage"}
    assert found["ALK1"].down.reach[-1].mw == 0.0
    assert found["ALK1"].down.reach[-1].limit == "outage"
    assert found["ALK1"].up.reach[-1].mw > 20
    assert found["WF"].down.reach[-1].mw > 40


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


def test_a_row_over_its_limit_may_not_get_worse_than_meters_tell(snapshot, offer):
    """A voltage 0.01 pu too high: 0.002 pu of grace at 0.0005 pu per MW are 4 MW up, all of it down."""
    powers = {n: r.values["p_mw"] for n, r in snapshot.readings.items() if n != "TIE" and "p_mw" in r.values}
    row = {"voltage_max:BESS35": {"BESS1": 0.0005}}
    high = TieSensitivity(
        step=0, p_mw=powers, rows=row, value={"voltage_max:BESS35": 1.06}, limit={"voltage_max:BESS35": 1.05}
    )
    found = capability(PARK, snapshot, replace(offer(made_at=snapshot.at), sensitivities=(high,)))
    battery = found.elements["BESS1"]
    assert battery.up.reach[0].mw == pytest.approx(4.0, abs=1e-3)
    assert battery.up.reach[0].limit == "voltage_max:BESS35"
    assert battery.down.reach[0].limit != "voltage_max:BESS35"


def test_a_load_offers_what_it_can_trim_beside_its_blocks_and_both_share_one_cut(snapshot):
    """55 MW at 20 % trim 11 MW within a minute, 60 % behind blocks; together 33 MW, not 44."""
    load, p_mw = PARK.loads["LD_ZN"], snapshot.readings["LD_ZN"].values["p_mw"]
    found = capability(PARK, snapshot)
    trim, blocks = found.elements["trim:LD_ZN"], found.elements["LD_ZN"]
    most = -p_mw * load.continuous_modulation_share
    assert [r.mw for r in trim.up.reach] == pytest.approx([load.p_peak_mw * 0.2 / 60, most, most, most])
    assert [r.limit for r in trim.up.reach] == ["ramp", "share", "share", "share"]
    assert trim.up.reach[-1].setpoint_mw == pytest.approx(most)
    assert trim.up.price_cny_per_mwh == 1000 * load.contract_energy_cny_per_kwh
    assert [r.mw for r in trim.down.reach] == [0.0] * 4
    shares = found.buses[load.bus].up[-1].shares_mw
    both = shares.get("LD_ZN", 0.0) + shares.get("trim:LD_ZN", 0.0)
    assert both == pytest.approx(blocks.up.reach[-1].mw) == pytest.approx(-p_mw * load.interruptible_share)


def test_what_is_trimmed_can_be_taken_back(snapshot):
    reading = snapshot.readings["LD_ZN"]
    trimmed = replace(reading, values={**reading.values, "trimmed_mw": 4.0})
    found = capability(PARK, replace(snapshot, readings={**snapshot.readings, "LD_ZN": trimmed}))
    down = found.elements["trim:LD_ZN"].down.reach[-1]
    assert (down.mw, down.setpoint_mw, down.limit) == (4.0, 0.0, "share")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    offers=st.lists(st.tuples(st.floats(0, 60), st.floats(0, 1)), min_size=1, max_size=5),
    room=st.floats(0, 80),
    more=st.floats(0, 20),
)
def test_a_pool_is_at_least_its_best_member_and_at_most_its_rows(offers, room, more):
    """Members that take any level: never over the row, never less than one alone, more room no less."""

    def reach(mw):
        return (Reach(within_s=1.0, mw=mw, setpoint_mw=mw, reached_s=1.0, hold_s=900.0, limit="rating"),)

    battery = replace(
        PARK.devices["BESS1"],
        resource=replace(PARK.resources["BESS1"], p_max_mw=1000.0, p_min_mw=-1000.0),
    )
    members = [
        Member(id=f"M{k}", reach=reach(mw), p_mw=0.0, device=battery) for k, (mw, _) in enumerate(offers)
    ]
    slope = {f"M{k}": s for k, (_, s) in enumerate(offers)}

    def pooled(limit):
        row = Row(name="branch:T", slope=slope, base=dict.fromkeys(slope, 0.0), value=0.0, limit=limit)
        return pool(members, (row,), HYDROGEN, 1)[0]

    found = pooled(room)
    assert sum(slope[n] * mw for n, mw in found.shares_mw.items()) <= room + 1e-5
    # a row may be over by what it resolves, so a slope of numerical noise holds nobody back
    alone = [min(mw, (room + RESOLVED) / s if s > 0.0 else mw) for mw, s in offers]
    assert found.mw >= max(alone) - 1e-2
    assert found.mw <= sum(mw for mw, _ in offers) + 1e-6
    assert pooled(room + more).mw >= found.mw - 1e-2
