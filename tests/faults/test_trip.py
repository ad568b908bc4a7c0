"""Device fault D22 of docs/faults.md: a device that trips in the middle of its ramp."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from controllers.acting.build import build_control
from controllers.planning import Planner, state_from_snapshot
from forecasts import outlook
from hil.loopback import LoopbackField
from hil.rig import Rig
from hil.scenario import QUIET, Trip
from vpp.clock import SimulatedClock
from vpp.journal import Journal

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)


async def test_d22_a_device_that_trips_in_its_ramp_is_told_at_once_and_planned_without(park, tmp_path):
    clock = SimulatedClock(START)
    rig = Rig(park, START, 1, replace(QUIET, events=(Trip(resource="ALK1", at_min=0.5, for_min=90),)))
    journal = Journal(tmp_path, clock)
    control = build_control(park, LoopbackField(rig, clock), clock, journal, epoch=1)
    before = None
    for _ in range(40):
        clock.advance(1.0)
        rig.advance(clock.plant_now())
        snapshot = await control.cycle()
        if clock.true_s() < 30:
            before = snapshot
        elif clock.true_s() < 32:
            seen = {alarm.id for alarm in snapshot.alarms}
    assert before.readings["ALK1"].values["status"] != 3.0
    assert "status:ALK1" in seen, "within one cycle"
    assert snapshot.tie_mean_mw < snapshot.tie_limit_mw
    now = snapshot.at
    forecast = outlook(park, now - timedelta(hours=1), START, 8)
    state = state_from_snapshot(park, snapshot)
    plan = Planner(park).plan(state, forecast, steps=8, deadline_s=10.0).plan
    assert plan.certificate.ok
    assert np.abs(plan.series["ALK1"]["p_mw"]).max() < 0.05
    journal.close()
