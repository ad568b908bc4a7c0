"""The planner process against a control that only listens: it plans at once and comes back."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controllers.planning import state_from_snapshot
from controllers.planning.process import Desk, replan, serve, steps_left
from vpp.clock import RealClock, Schedule, monotonic_s
from vpp.link import LinkServer, PlanOffer
from vpp.state_dir import StateDir
from vpp.types import Following, ParkMode, Quality, Reading, Reply, Snapshot


def snapshot_of(park, plan, at: datetime, *, silent: tuple[str, ...] = ()) -> Snapshot:
    """What control would publish of a park that stands where `plan` started."""
    readings = {}
    for name, values in plan.initial.resources.items():
        quality = Quality.BAD if name in silent else Quality.GOOD
        readings[name] = Reading(values=dict(values), quality=quality, read_at=at, age_s=0.0)
    for name in park.loads:
        p_mw = float(plan.series[name]["p_mw"][0])
        readings[name] = Reading(values={"p_mw": p_mw}, quality=Quality.GOOD, read_at=at, age_s=0.0)
    return Snapshot(
        cycle=1,
        at=at,
        true_s=monotonic_s(),
        rate=1.0,
        epoch=1,
        readings=readings,
        setpoints={},
        modes={},
        park_mode=ParkMode.CONNECTED,
        following=Following.HOLD,
        plan_id=None,
        plan_made_at=None,
        next_replan_at=None,
        tie_mean_mw=90.0,
        tie_limit_mw=150.0,
        orders=(),
        open_blocks={},
        calls={},
        starts={},
        month_peak_mw=95.0,
        alarms=(),
        missed_ticks=0,
        dropped_plans=0,
    )


def test_a_window_reaches_to_midnight_or_to_the_next_one(park, plan):
    assert steps_left(park, plan.start, None) == 96
    assert steps_left(park, plan.start + timedelta(hours=20), None) == 16
    assert steps_left(park, plan.start + timedelta(hours=23), None) == 100
    assert steps_left(park, plan.start + timedelta(hours=20, minutes=7), plan) == 16


def test_actuators_stand_where_they_say_and_silent_ones_are_unknown(park, plan):
    snapshot = snapshot_of(park, plan, plan.start)
    said = {
        name: Reading(values={"position": 1.0}, quality=quality, read_at=plan.start, age_s=0.0)
        for name, quality in (("A_CAP66", Quality.BAD), ("A_T_MAIN_1", Quality.GOOD))
    }
    state = state_from_snapshot(park, replace(snapshot, readings={**snapshot.readings, **said}))
    assert state.positions == {"A_T_MAIN_1": 1.0}


def test_a_replan_keeps_the_window_and_sets_silent_devices_aside(park, planner, plan):
    desk = Desk(park=park, planner=planner, plan=plan)
    at = plan.start + timedelta(minutes=15, seconds=1)
    released = replan(desk, snapshot_of(park, plan, at, silent=("CAES1",)), 3.0)
    assert released.plan.steps == 95
    assert not released.plan.series["CAES1"]["p_mw"].any()
    expected = plan.series["CAES1"]["e_mwh"][0]
    assert released.plan.initial.resources["CAES1"]["e_mwh"] == pytest.approx(expected)


async def test_the_process_plans_at_once_for_a_lost_device_too_and_comes_back_after_control_restarts(
    park, plan, tmp_path
):
    state = StateDir(tmp_path)
    state.prepare()
    clock = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((plan.start, 1.0),)))
    offers: asyncio.Queue[PlanOffer] = asyncio.Queue(maxsize=4)

    async def take(message, *_ignored):
        if isinstance(message, PlanOffer):
            offers.put_nowait(message)
            return Reply(id=message.plan.id, accepted=True, reason="")
        return Reply(id="", accepted=True, reason="")

    stop = asyncio.Event()
    served = asyncio.create_task(serve(park, clock, state, plan.start, stop))
    for hour in (0, 1):
        server = LinkServer(state.socket, take)
        await server.start()
        try:
            async with asyncio.timeout(30):
                while "planner" not in server.roles:
                    await clock.sleep_true(0.02)
                at = plan.start + timedelta(hours=hour)
                server.publish(snapshot_of(park, plan, at))
                offer = await offers.get()
                # a device that falls silent waits for no quarter hour
                server.publish(snapshot_of(park, plan, at + timedelta(seconds=10), silent=("CAES1",)))
                early = await offers.get()
        finally:
            await server.stop()
        assert offer.plan.start == at
        assert len(offer.sensitivities) == offer.plan.steps
        assert early.plan.made_at == at + timedelta(seconds=10)
        assert not early.plan.series["CAES1"]["p_mw"].any()
    stop.set()
    async with asyncio.timeout(5):
        await served


async def test_what_is_measured_while_the_processes_come_up_is_planned_for_the_start_of_the_run(
    park, plan, tmp_path
):
    state = StateDir(tmp_path)
    state.prepare()
    clock = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((plan.start, 1.0),)))
    offered = asyncio.get_running_loop().create_future()

    async def take(message, *_ignored):
        if isinstance(message, PlanOffer):
            offered.set_result(message.plan)
            return Reply(id=message.plan.id, accepted=True, reason="")
        return Reply(id="", accepted=True, reason="")

    stop, start = asyncio.Event(), plan.start + timedelta(hours=1)
    served = asyncio.create_task(serve(park, clock, state, start, stop))
    server = LinkServer(state.socket, take)
    await server.start()
    try:
        async with asyncio.timeout(30):
            while "planner" not in server.roles:
                await clock.sleep_true(0.02)
            server.publish(snapshot_of(park, plan, start - timedelta(minutes=9)))
            made = await offered
    finally:
        await server.stop()
        stop.set()
    assert (made.start, made.made_at) == (start, start)
    async with asyncio.timeout(5):
        await served
