"""Holding ends: without a plan to trust, devices go to their reversion values, one after the other."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from vpp.state_dir import StateDir
from vpp.types import DispatchOrder, Following

KEPT = {"BESS1": 11.0, "ALK1": -20.0, "CAES1": -0.6}


@pytest.fixture
def brief(park):
    """The park with short trust: a plan for 40 s, then holding for 30 s."""
    return replace(park, horizon=replace(park.horizon, plan_ttl_s=40.0, hold_ttl_s=30.0))


@pytest.fixture
def control(brief, plant, clock, journal) -> Control:
    return build_control(brief, plant, clock, journal, epoch=7)


@pytest.fixture
def kept(offer):
    """An offer that charges and draws less than at rest; BESS1 and ALK1 hold where they revert to."""
    made = offer(BESS1=12.0, ALK1=-30.0)
    series = {name: dict(columns) for name, columns in made.plan.series.items()}
    for name, columns in series.items():
        if "p_mw" in columns:
            columns["reversion_mw"] = np.full(made.plan.steps, KEPT.get(name, 0.0))
    series["BESS1"]["q_mvar"] = np.full(made.plan.steps, 2.0)
    series["LD_ZN"] = {"modulated_mw": np.full(made.plan.steps, 3.0)}
    return replace(made, plan=replace(made.plan, series=series))


def ids(snapshot):
    return {alarm.id for alarm in snapshot.alarms}


async def test_holding_keeps_last_and_reversion_values_and_then_goes_to_these_in_turn(
    control, run, kept, plant
):
    assert (await control.take(kept)).accepted
    followed = await run(39)
    assert followed.following is Following.PLAN
    held = await run(30)
    assert held.following is Following.HOLD
    assert "plan:reversion" not in ids(held)
    for name, sent in followed.setpoints.items():
        assert held.setpoints[name].p_mw == pytest.approx(sent.p_mw), name
        assert held.setpoints[name].reversion_mw == pytest.approx(sent.reversion_mw), name
    assert held.trims == {"LD_ZN": 3.0}
    first = len(plant.written)
    over = await run(60)
    assert "plan:reversion" in ids(over)
    for name, value in KEPT.items():
        assert over.setpoints[name].p_mw == pytest.approx(value, abs=0.01), name
    assert over.setpoints["WF"].p_mw == 0.0
    assert followed.setpoints["BESS1"].q_mvar == over.setpoints["BESS1"].q_mvar == 2.0, "Q stays as it is"
    assert over.trims == {"LD_ZN": 0.0}
    turned = {}
    for told in plant.written[first:]:
        if abs(told.p_mw - followed.setpoints[told.device].p_mw) > 0.01:
            turned.setdefault(told.device, told.issued_at)
    assert turned["BESS1"] < turned["WF"] < turned["PV"] < turned["DPV"]
    assert len(set(turned.values())) == len(turned), "no two of them in one second"


async def test_a_new_plan_is_followed_from_where_the_devices_are(control, run, kept, offer, clock):
    await control.take(kept)
    await run(120)
    back = await control.take(offer(made_at=clock.plant_now()))
    assert back.accepted
    again = await run(10)
    assert again.following is Following.PLAN
    assert "plan:reversion" not in ids(again)
    assert again.setpoints["ALK1"].p_mw == pytest.approx(-30.0)
    assert again.setpoints["WF"].p_mw == 100.0, "its cap is open again"


async def test_an_order_on_the_tie_is_kept_beyond_the_end_of_holding(control, run, kept, clock, plant):
    await control.take(kept)
    over = await run(120)
    drawn_mw = over.readings["TIE"].values["p_mw"]
    now = clock.plant_now()
    order = DispatchOrder(
        id="o",
        import_max_mw=drawn_mw - 15.0,
        export_max_mw=None,
        start=now,
        end=now + timedelta(hours=1),
        expires_at=now + timedelta(hours=1),
    )
    assert (await control.take(order)).accepted
    kept_to = await run(120)
    assert kept_to.readings["TIE"].values["p_mw"] <= drawn_mw - 15.0 + 0.5
    assert kept_to.setpoints["BESS1"].p_mw > KEPT["BESS1"] + 5.0


async def test_a_plan_that_is_about_to_begin_is_waited_for(control, run, offer, clock):
    soon = offer(made_at=clock.plant_now() + timedelta(minutes=3))
    start = clock.plant_now() + timedelta(minutes=3)
    soon = replace(soon, plan=replace(soon.plan, start=start, valid_until=start + timedelta(hours=1)))
    assert (await control.take(soon)).accepted
    waiting = await run(170)
    assert waiting.following is Following.HOLD
    assert "plan:reversion" not in ids(waiting)


async def test_a_restart_does_not_begin_the_holding_anew(brief, plant, clock, kept, journal):
    state = StateDir(journal.folder.parent / "state")
    state.prepare()
    control = build_control(brief, plant, clock, journal, epoch=1, state=state)
    await control.take(kept)
    for _ in range(65):
        clock.advance(1)
        assert "plan:reversion" not in ids(await control.cycle())
    control = build_control(brief, plant, clock, journal, epoch=2, state=state)
    for _ in range(10):
        clock.advance(1)
        last = await control.cycle()
    assert "plan:reversion" in ids(last)
