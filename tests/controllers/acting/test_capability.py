"""What is offered for loads, nodes and the park keeps every row, bound and ledger."""

import asyncio
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.acting.capability import believe, capability
from controllers.acting.envelope import Row, row_excess, tie_rows
from controllers.acting.holding import Hydrogen, segments
from controllers.acting.pooling import RESOLVED, Member, pool
from controllers.acting.reach import HORIZONS_S, Reach
from vpp.park import load_park
from vpp.park.model import PlannedOutage
from vpp.types import Mode, Quality, TieSensitivity

PARK = load_park("small10")
LARGE = load_park("chifeng96")
HYDROGEN = Hydrogen(room_kg=1500.0, above_kg=3000.0, pipeline_kg_per_h=800.0, made_kg_per_h={"ALK1": 0.0})


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
