"""One cycle of control: read, judge, track, clip, write, close, tell."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from controllers.acting import (
    actuators,
    alarms,
    balance,
    commands,
    conditions,
    delivery,
    derating,
    emergency,
    expectation,
    expiry,
    following,
    intake,
    interruptions,
    lowering,
    metering,
    modes,
    plausible,
    present,
    recovery,
    registry,
    restoration,
    shadow,
    sheds,
    targets,
    tie,
    trims,
)
from controllers.acting.core import Core
from controllers.acting.envelope import Assured, Row, assure, network_rows, tie_rows
from controllers.acting.image import Moment, freeze
from controllers.acting.judge import judge
from controllers.acting.setpoints import Narrowed, ahead_s, narrow
from vpp.devices import Pv, Wind
from vpp.link import Message
from vpp.types import (
    Ack,
    Mode,
    Outcome,
    Plan,
    Quality,
    Reply,
    Setpoint,
    ShedReport,
    Snapshot,
)

SAVE_EVERY = 60
"""Cycles between two writes of the memory file when nothing asked for one."""


class Control:
    """Control as its composition roots see it: `cycle()` once per tick, `take()` in between."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def active(self) -> bool:
        """False while another control acts and this one only watches."""
        return self._core.acting

    @property
    def snapshot(self) -> Snapshot:
        """The newest cycle; RuntimeError before the first."""
        if self._core.snapshot is None:
            raise RuntimeError("control has not run a cycle yet")
        return self._core.snapshot

    @property
    def reads(self) -> str:
        """Fingerprint of the park in force."""
        return self._core.park.fingerprint

    async def cycle(self) -> Snapshot:
        """Run one cycle and return its snapshot."""
        registry.settle(self._core)
        return await run(self._core)

    async def take(self, message: Message) -> Reply | ShedReport:
        """Take a plan, an order or a remark; the answer says what became of it."""
        return await intake.take(self._core, message)

    def count_missed(self, ticks: int) -> None:
        """Count ticks that the machine was too slow for; they are skipped, never made up for."""
        self._core.missed_ticks += ticks

    def connected(self, roles: frozenset[str]) -> None:
        """Tell which peers are on the link now."""
        self._core.roles = roles
        self._core.planner_seen |= "planner" in roles


async def run(core: Core) -> Snapshot:
    """Run one cycle."""
    horizon, clock = core.park.horizon, core.clock
    now, rate = clock.plant_now(), clock.rate()
    cycle_s = horizon.cycle_s * rate
    dt_s = (now - core.last_at).total_seconds() if core.last_at is not None else cycle_s
    core.last_at, core.cycle, core.remarks = now, core.cycle + 1, 0
    raw = await core.field.read()
    judged, core.pulses = judge(raw, core.pulses, now, max(cycle_s, dt_s))
    core.readings = plausible.sift(core, judged)
    metering.count_until(core, now, cycle_s)
    core.look_around()
    if core.adopting is not None and core.acting:
        recovery.adopt(core, core.adopting)
    intake.forget_ended(core)
    modes.end_due(core, now)
    contract = core.park.contracts.tie
    limits = tie.limits(core.orders, now, contract.import_max_mw, contract.export_max_mw)
    least_s = ahead_s(clock, horizon.cycle_s)
    shadow.follow(core, dt_s)
    metered = present.present(core, metering.tie_meter(core))
    step = _step(core, now, max(horizon.plan_ttl_s, least_s))
    expiry.count(core, step, now)
    moment = Moment(
        now=now,
        true_s=clock.true_s(),
        rate=rate,
        dt_s=dt_s,
        ahead_s=least_s,
        step=step,
        import_mw=metered.import_mw,
        output_mw=metered.output_mw,
        import_max_mw=limits[0],
        export_max_mw=limits[1],
    )
    quarter = core.tie.start
    metering.take(core, moment, limits)
    core.unsaved |= bool(core.sheds.standing)
    sheds.account(core, dt_s)
    emergency.watch(core, now)
    actuators.count(core, now)
    if core.acting:
        delivery.watch(core)
        derating.learn(core, now)
    assured, requests, ranges = _decide(core, moment)
    acks: Mapping[str, Ack] = {}
    if core.acting:
        acks = await _act(core, moment, commands.commands(core, moment, assured, requests, ranges))
    _alarms(core, moment, assured, acks)
    if core.tie.start != quarter or core.cycle % SAVE_EVERY == 0 or core.unsaved:
        core.remember()
    core.snapshot = freeze(core, moment)
    core.log.append(core.snapshot, core.sent[-1].at if core.acting else None)
    return core.snapshot


async def _act(core: Core, moment: Moment, sent: Sequence[Setpoint]) -> Mapping[str, Ack]:
    """Send what this cycle commands; a passive control does none of it."""
    moved = actuators.moves(core, moment)
    actuators.remember(core, moved)
    trimmed = trims.orders(core, moment)
    trims.remember(core, trimmed)
    present.note_sending(core, core.clock.plant_now())
    delivery.begin(core, sent)
    acks = await core.field.write([*sent, *moved, *trimmed])
    if failed := {name: ack for name, ack in acks.items() if ack.outcome is not Outcome.ACKNOWLEDGED}:
        core.journal.append("acks", failed)
    delivery.answered(core, acks)
    core.setpoints |= {setpoint.device: setpoint for setpoint in sent}
    await emergency.open_breakers(core, moment.now)
    await interruptions.carry_out(core, moment.step, moment.now)
    await restoration.go_on(core, moment)
    return acks


def _step(core: Core, now: datetime, ttl_s: float) -> int | None:
    """Return the plan's step to follow; None: hold."""
    if core.force is None or now >= following.ends_at(core.force.plan, ttl_s):
        return None
    return following.step_of(core.force.plan, now)


def _movable(core: Core, name: str) -> bool:
    """Return whether control may command this device now."""
    reading = core.readings[name]
    return (
        core.modes[name] is not Mode.MANUAL
        and name in core.expected
        and name not in core.intruders
        and reading.quality is not Quality.BAD
        and reading.values.get("status") not in (3.0, 5.0)
    )


def _decide(core: Core, moment: Moment) -> tuple[Assured, dict[str, targets.Request], dict[str, Narrowed]]:
    """Return the values that the envelope lets through, what was asked, and the ranges for it."""
    requests: dict[str, targets.Request] = {}
    armed_mw = emergency.moves_mw(core)
    for name in core.tracker.names:
        device, sent = core.park.devices[name], core.setpoints.get(name)
        if not _movable(core, name):
            continue
        if moment.step is not None and core.force is not None and following.knows(core.force.plan, name):
            wanted = targets.from_plan(core.park, core.force, name, moment.now, moment.step)
            if name in armed_mw:
                planned_mw = float(core.force.plan.series[name]["p_mw"][moment.step])
                wanted = targets.armed(device, wanted, planned_mw, armed_mw[name])
        else:
            wanted = targets.held(device, sent, core.readings[name])
            if expiry.is_over(core, moment, core.turns[name]):
                wanted = targets.reverted(wanted, sent)
        flow, ramps_from = expectation.drive(core.park, name, core.readings), delivery.ramps_from(core, name)
        asked_of = targets.request(
            device, wanted, core.expected[name], sent=ramps_from, flow=flow, dt_s=moment.dt_s
        )
        requests[name] = lowering.within(core, derating.within(core, asked_of, name, moment.now), name)
    ranges = {name: narrow(request.bounds) for name, request in requests.items()}
    asked = {name: request.p_mw for name, request in requests.items()}
    balance.feed_back(core, moment, asked, ranges)
    rows = _rows(core, moment, requests)
    solved = core.tracker.solve(asked, ranges, rows)
    held = {name: setpoint.p_mw for name, setpoint in core.setpoints.items()}
    assured = assure(solved, ranges, held, rows)
    weather = [n for n in requests if isinstance(core.park.devices[n], Wind | Pv)]
    core.curtailed_mw = sum(max(asked[n] - assured.p_mw[n], 0.0) for n in weather)
    return assured, requests, ranges


def _rows(core: Core, moment: Moment, requests: Mapping[str, targets.Request]) -> tuple[Row, ...]:
    """Return the rows of tie and network around what is metered now."""
    measured = dict(moment.output_mw)
    share = {name: request.share for name, request in requests.items() if request.share > 0.0}
    base = {name: targets.row_base_mw(requests[name], measured[name]) for name in share if name in measured}
    # who is on a ramp that nobody can change goes on with it
    still = {n: r.drift_mw for n, r in requests.items() if r.share == 0.0 and r.drift_mw and n in measured}
    measured |= {name: measured[name] + drift for name, drift in still.items()}
    rows: tuple[Row, ...] = ()
    if moment.import_mw is not None:
        aim_mw = tie.aim_mw(core.park.contracts.tie.import_max_mw, moment.dt_s)
        limits = (moment.import_max_mw, moment.export_max_mw)
        allowed = tie.allowed_now_mw(core.tie, moment.now, *limits, aim_mw)
        rows = tie_rows(
            moment.import_mw - sum(still.values()),
            measured,
            share,
            base,
            import_max_mw=allowed.import_mw,
            export_max_mw=allowed.export_mw,
        )
    if core.force is not None and moment.step is not None:
        around = core.force.sensitivities.get(moment.step)
        rows += network_rows(around, measured, share, base) if around is not None else ()
    return rows


def _of_plan(core: Core, plan: Plan | None, moment: Moment) -> Iterator[alarms.Condition]:
    """Tell of plan and planner; after control's start the planner has time to make its first plan."""
    starting = core.cycle <= conditions.PLANNER_START_CYCLES
    if not core.acting or (starting and (plan is None or (core.roles is not None and not core.planner_seen))):
        return iter(())
    replan_min = core.park.horizon.replan_min
    return conditions.of_plan(plan, moment.step, moment.now, replan_min, core.roles)


def _alarms(core: Core, moment: Moment, assured: Assured, acks: Mapping[str, Ack]) -> None:
    """Settle the alarm board and journal what came and went."""
    plan, now = core.force.plan if core.force is not None else None, moment.now
    causes = [
        *conditions.of_endpoints(core.readings, core.pulses, core.cycle, core.field.links()),
        *conditions.of_writes(acks, core.readings),
        *conditions.of_following(core.deviations, core.readings, core.setpoints),
        *delivery.of_intruders(core),
        *derating.of_learned(core, now),
        *plausible.of_doubts(core),
        *actuators.of_moves(core, moment),
        *trims.of_trims(core, moment),
        *emergency.of_outages(core),
        *conditions.of_tie(core.tie, assured.broken),
        *_of_plan(core, plan, moment),
        *expiry.conditions(core, moment),
        *modes.conditions(core, now),
        *conditions.of_loads(core.park, core.calls(now)),
        *sheds.conditions(core),
        *conditions.of_lease(core.seat),
        *conditions.of_journal(core.journal.trouble, core.journal.lost),
        *core.notes.values(),
    ]
    core.board, raised, cleared = alarms.settle(core.board, causes, now)
    for alarm in raised:
        core.journal.append("alarm", alarm)
    for alarm in cleared:
        core.journal.append("alarm_cleared", alarm)
