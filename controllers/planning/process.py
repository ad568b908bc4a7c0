"""The planner's shell: reads control's snapshots, plans when it is due, offers the plan.

Solving runs in a worker thread, one at a time, so that snapshots and SIGTERM are served meanwhile.
The process keeps nothing that it cannot lose: after its restart it plans anew from the next snapshot.
"""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from controllers.planning import derates
from controllers.planning.day_ahead import Inbox
from controllers.planning.news import Agenda
from controllers.planning.outages import free_of
from controllers.planning.planner import Planner
from controllers.planning.release import Released
from controllers.planning.slots import first_step
from controllers.planning.state import measured_mw, state_from_snapshot
from forecasts import nowcast, outlook
from vpp.clock import Clock
from vpp.errors import DeviceFailure, InvalidInput, Mismatch, NoPlan, TimedOut
from vpp.link import LinkClient, PlanOffer
from vpp.park.fingerprint import fingerprint
from vpp.park.model import Park
from vpp.park.pins import local_midnight
from vpp.state_dir import StateDir
from vpp.types import Pin, Plan, Reply, Snapshot

CONNECT_S = 2.0
"""True seconds to connect to control; then a pause of the same length."""
SILENCE_S = 10.0
"""True seconds without a snapshot after which the planner connects anew; assumption: ten cycles."""
OFFER_S = 2.0
"""True seconds for control's answer to a plan."""
LEAST_WINDOW = timedelta(hours=2)
"""A window shorter than this is extended to the end of the next local day."""
DEADLINE_SHARE = 0.8
"""Share of control's deadline that the solver may use; the rest is for the link."""

log = structlog.get_logger("planner")


@dataclass(slots=True)
class Desk:
    """What the planner remembers between plans."""

    park: Park
    planner: Planner
    plan: Plan | None = None
    agenda: Agenda = field(default_factory=Agenda)
    counts: Counter[str] = field(default_factory=Counter)
    """offered, refused, failed, lost, reloaded."""
    names: frozenset[str] | None = None
    """Endpoints of control's snapshots; other ones mean that control reads another park."""
    inbox: Inbox | None = None
    """Day-ahead plans and pins of the run; None for a plant in memory."""


def steps_left(park: Park, at: datetime, plan: Plan | None) -> int:
    """Return the steps from `at` to the end of the planned window.

    The window of the present plan is kept. Without one, or with less than `LEAST_WINDOW` of it left,
    it reaches to the end of the local day, or of the next one where the day ends too soon.
    """
    start = first_step(at, park.horizon.step_min)
    step = timedelta(minutes=park.horizon.step_min)
    end = start if plan is None else plan.start + plan.steps * step
    if end - start < LEAST_WINDOW:
        day = start.astimezone(ZoneInfo(park.site.zone)).date()
        end = local_midnight(park, day + timedelta(days=1))
        if end - start < LEAST_WINDOW:
            end = local_midnight(park, day + timedelta(days=2))
    return round((end - start) / step)


def replan(desk: Desk, snapshot: Snapshot, deadline_s: float) -> Released:
    """Return a plan from a snapshot: state, nowcast, orders; commitments of the last plan are kept.

    When a day begins that has a day-ahead plan in force, its window and commitments are taken over.
    """
    park, at = desk.park, snapshot.at
    state = state_from_snapshot(park, snapshot, desk.plan)
    pins: tuple[Pin, ...] = ()
    if desk.inbox is not None:
        pins = desk.inbox.pins_from(at)
        taken = desk.inbox.day_plan(park, first_step(at, park.horizon.step_min))
        if taken is not None:
            desk.plan = taken.plan
            log.info("day-ahead plan taken over", id=taken.plan.id, approved=taken.approved is not None)
        if desk.inbox.trouble:
            log.error("not read", reason=desk.inbox.trouble)
    pins = free_of(pins, tuple(derates.pins(park, snapshot)))
    steps = steps_left(park, at, desk.plan)
    forecast = outlook(park, at, first_step(at, park.horizon.step_min), steps)
    forecast = nowcast(park, forecast, at, measured_mw(park, snapshot))
    return desk.planner.plan(
        state,
        forecast,
        steps=steps,
        deadline_s=deadline_s,
        previous=desk.plan,
        orders=snapshot.orders,
        pins=pins,
    )


async def serve(park: Park, clock: Clock, state: StateDir, start: datetime, stop: asyncio.Event) -> None:
    """Serve control until `stop` is set; a lost connection is made again.

    `start` is the run's plant start: what is measured before it, while the processes come up, is planned
    for from there on.
    """
    desk = Desk(park=park, planner=await asyncio.to_thread(Planner, park), inbox=Inbox(state=state))
    ended = asyncio.ensure_future(stop.wait())
    while not stop.is_set() and not desk.counts["reloaded"]:
        work = asyncio.ensure_future(_attend(desk, clock, state, start))
        await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        if not stop.is_set() and not desk.counts["reloaded"]:
            desk.counts["lost"] += 1
            await clock.sleep_true(CONNECT_S / 4)
    ended.cancel()
    log.info("planner ends", **desk.counts, early=desk.agenda.early, postponed=desk.agenda.postponed)


async def _attend(desk: Desk, clock: Clock, state: StateDir, start: datetime) -> None:
    """Plan for one connection until it ends."""
    try:
        async with await LinkClient.connect(
            state.socket, "planner", CONNECT_S, desk.park.fingerprint
        ) as link:
            snapshots = link.snapshots()
            while True:
                # a control that was stopped keeps its connections open: another one may act by now
                async with asyncio.timeout(SILENCE_S):
                    measured = await anext(snapshots)
                names = frozenset(measured.readings)
                if desk.names not in (None, names):
                    # control took over another park: the supervisor starts a planner that reads it
                    desk.counts["reloaded"] += 1
                    return
                desk.names = names
                snapshot = replace(measured, at=max(measured.at, start))
                # control without a plan needs one at once, whatever the period
                wanting = snapshot.plan_id is None and desk.plan is None
                wanting |= desk.inbox is not None and desk.inbox.has_news()
                if wanting or desk.agenda.asks(desk.park, snapshot, desk.plan):
                    await _serve_plan(desk, clock, link, snapshot)
    except Mismatch as other:
        # what the folder holds now may be what control has read: a planner that starts reads it
        desk.counts["reloaded"] += fingerprint(Path(desk.park.folder)) != desk.park.fingerprint
        log.error("control reads another park", reason=str(other))
    except (DeviceFailure, TimedOut, TimeoutError) as lost:
        log.info("control is not there", reason=str(lost))


async def _serve_plan(desk: Desk, clock: Clock, link: LinkClient, snapshot: Snapshot) -> None:
    began, deadline_s = clock.true_s(), desk.park.horizon.planner_deadline_s
    desk.agenda.seen = snapshot
    try:
        released = await asyncio.to_thread(replan, desk, snapshot, DEADLINE_SHARE * deadline_s)
    except (NoPlan, InvalidInput) as failed:
        desk.counts["failed"] += 1
        log.error("no plan", reason=str(failed))
        return
    offer = PlanOffer(
        plan=released.plan,
        sensitivities=released.sensitivities,
        started_true_s=began,
        deadline_s=deadline_s,
    )
    reply = await link.request(offer, OFFER_S)
    accepted = isinstance(reply, Reply) and reply.accepted
    desk.counts["offered" if accepted else "refused"] += 1
    if accepted:
        desk.plan = released.plan
    log.info(
        "plan",
        id=released.plan.id,
        label=released.plan.label.value,
        accepted=accepted,
        solve_s=released.plan.solve_s,
        moved_mw=released.plan.change and released.plan.change.moved_mw,
        starts_changed=released.plan.change and released.plan.change.starts,
    )
