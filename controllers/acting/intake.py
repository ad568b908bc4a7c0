"""What control is told from outside: plans, orders, sheds, remarks; each gets an answer."""

import asyncio
from dataclasses import replace

from controllers.acting import following, modes, orders, registry, restoration, sheds
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.setpoints import trusted_s
from vpp.link import Message, Note, PlanOffer
from vpp.types import DispatchOrder, ModeOrder, ReloadOrder, Reply, RestoreOrder, ShedOrder, ShedReport, wire

MAX_ANSWERS = 256
MAX_REMARKS = 50
"""New remarks of other processes that one cycle takes; assumption."""
SYNC_S = 2.0
"""True seconds that an operator's command waits for the disk before it is refused; assumption."""


async def take(core: Core, message: Message) -> Reply | ShedReport:
    """Return control's answer; never raises for what a peer may send."""
    match message:
        case PlanOffer():
            return _plan(core, message)
        case Note():
            return _note(core, message)
        case ShedOrder():
            async with core.shedding:
                return await _once(core, message)
        case DispatchOrder() | RestoreOrder() | ModeOrder() | ReloadOrder():
            return await _once(core, message)
    return Reply(id="", accepted=False, reason=f"control takes no {type(message).__name__}")


async def _once(core: Core, command: orders.Command) -> Reply | ShedReport:
    """Answer a repeated id as the first time."""
    known = core.answers.get(command.id)
    if known is not None:
        return known
    if not core.acting:
        # not its answer to keep: once it acts, the same id may be given again
        reason = "this control is passive: give the order to the one that acts"
        return Reply(id=command.id, accepted=False, reason=reason)
    answer = await _command(core, command)
    core.answers[command.id] = answer
    if len(core.answers) > MAX_ANSWERS:
        del core.answers[next(iter(core.answers))]
    return answer


def _plan(core: Core, offer: PlanOffer) -> Reply:
    horizon, plan, now = core.park.horizon, offer.plan, core.clock.plant_now()
    ttl_s = trusted_s(horizon.plan_ttl_s, core.clock, horizon.cycle_s)
    current = (
        core.force.plan
        if core.force is not None and now < following.ends_at(core.force.plan, ttl_s)
        else None
    )
    reason = following.refusal(offer, current, core.park, now=now, true_s=core.clock.true_s(), ttl_s=ttl_s)
    if reason:
        core.dropped_plans += 1
        core.journal.append("plan_refused", {"id": plan.id, "reason": reason})
        return Reply(id=plan.id, accepted=False, reason=reason)
    core.force = following.in_force(plan, offer.sensitivities, core.park)
    core.journal.append("plan", plan)
    core.journal.append("sensitivities", offer.sensitivities)
    if core.plan_file is not None and core.owns_folder:
        _store(core, wire.encode(offer))
    return Reply(id=plan.id, accepted=True, reason="")


def _store(core: Core, offer: bytes) -> None:
    """Keep the plan for a restart of control, without waiting for the disk."""
    assert core.plan_file is not None
    beside = core.plan_file.with_suffix(".new")
    try:
        beside.write_bytes(offer)
        beside.replace(core.plan_file)
    except OSError as refused:
        core.journal.append("note", {"text": f"the plan could not be stored: {refused.strerror}"})


def _note(core: Core, note: Note) -> Reply:
    """Keep a remark as an alarm; one said again is not journalled again, a flood is refused (fault R9)."""
    said = Condition(id=note.id, severity=note.severity, source=note.source, text=note.text)
    if note.raised and core.notes.get(note.id) == said:
        return Reply(id=note.id, accepted=True, reason="")
    if core.remarks >= MAX_REMARKS or (note.raised and len(core.notes) >= MAX_ANSWERS):
        return Reply(id=note.id, accepted=False, reason="too many remarks: those that came first stand")
    core.remarks += 1
    core.journal.append("note", note)
    if note.raised:
        core.notes[note.id] = said
    else:
        core.notes.pop(note.id, None)
    return Reply(id=note.id, accepted=True, reason="")


async def _command(core: Core, command: orders.Command) -> Reply | ShedReport:
    reason = orders.refusal(command, core.park, core.clock.plant_now(), len(core.orders))
    if reason:
        return _reply(core, Reply(id=command.id, accepted=False, reason=reason))
    if isinstance(command, ShedOrder):
        return await sheds.shed(core, command)
    if isinstance(command, ModeOrder):
        command = modes.bounded(command, core.clock.plant_now())
    core.journal.append("order", {"type": type(command).__name__, "order": command})
    if not await _secured(core):
        reason = core.journal.trouble or f"the journal was not on disk within {SYNC_S:g} s"
        return _reply(core, Reply(id=command.id, accepted=False, reason=reason))
    text = ""
    if isinstance(command, ReloadOrder):
        taken, text = await registry.reload(core)
        return _reply(core, Reply(id=command.id, accepted=taken, reason=text))
    match command:
        case DispatchOrder():
            core.orders = (*(order for order in core.orders if order.id != command.id), command)
        case ModeOrder():
            modes.put(core, command)
        case RestoreOrder():
            text = restoration.permit(core, command)
    core.taken.append(command.id)
    core.remember()
    return _reply(core, Reply(id=command.id, accepted=True, reason=text))


def _reply(core: Core, reply: Reply) -> Reply:
    """Journal an answer before it is given: after a restart a repeated id gets it again."""
    core.journal.append("reply", reply)
    return reply


async def _secured(core: Core) -> bool:
    """Force the journal to the disk in a thread: the control loop goes on meanwhile."""
    try:
        async with asyncio.timeout(SYNC_S):
            return await asyncio.to_thread(core.journal.sync)
    except TimeoutError:
        return False


def forget_ended(core: Core) -> None:
    """Drop orders whose window has passed."""
    now = core.clock.plant_now()
    left = tuple(order for order in core.orders if order.end > now)
    if left != core.orders:
        core.orders = left
        core.remember()


def recalled(core: Core) -> None:
    """Take the plan that was in force before a restart, where its file is sound and it still holds."""
    if core.plan_file is None or not core.plan_file.exists():
        return
    try:
        offer = wire.decode(core.plan_file.read_bytes(), PlanOffer)
    except (OSError, ValueError) as wrong:
        core.journal.append("note", {"text": f"the stored plan cannot be read: {wrong}"})
        return
    _plan(core, replace(offer, started_true_s=core.clock.true_s()))
