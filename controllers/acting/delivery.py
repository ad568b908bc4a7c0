"""Every setpoint's life beside the readings: what was written, what the registers show, what is metered.

The journal gets one record per cycle and half of it (before and after writing) with every transition of
the lives in it: kind `setpoint`, rows of (device, epoch, sequence, stages passed, MW, why).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from controllers.acting import conditions, shadow
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.envelope import NOT_A_NUMBER
from controllers.acting.lifecycle import Event, Life, Stage, after, begun, repeated, repeats
from controllers.acting.witness import sign
from vpp.types import Ack, Outcome, Quality, Reading, Setpoint, Severity

SHOWN_MW, SHOWN_SHARE = 0.02, 1e-3
"""Registers show a value where they differ by no more than the larger of both (share of the rating): what
16 bits hold of it; assumption."""
REVERTED = 4.0
"""Code of point `status` (docs/architecture.md)."""
FREE_KINDS = ("wind", "pv", "h2_store")
"""What these give is the weather's or their flows', below what they are told."""
OUTCOMES: Mapping[Outcome, Event] = {
    Outcome.ACKNOWLEDGED: Event.ACKNOWLEDGE,
    Outcome.REFUSED: Event.FAIL,
    Outcome.WRONG: Event.FAIL,
    Outcome.DISCONNECTED: Event.FAIL,
    Outcome.UNKNOWN: Event.TIME_OUT,
}
Row = tuple[str, int, int, tuple[Stage, ...], float, str]


def tell(core: Core, rows: Sequence[Row]) -> None:
    """Journal transitions; nothing where there are none."""
    if rows:
        core.journal.append("setpoint", rows)


def _passed(core: Core, life: Life, events: Sequence[Event], why: str = "") -> Iterator[Row]:
    """Lead a life through events; yield the row of the stages it passed, if any."""
    sent, stages = life.setpoint, []
    for event in events:
        new = after(life, event, epoch=sent.epoch, sequence=sent.sequence)
        if new is not life:
            life = new
            stages.append(new.stage)
    if stages:
        core.lives[sent.device] = life
        yield sent.device, sent.epoch, life.first, tuple(stages), sent.p_mw, why


def watch(core: Core) -> None:
    """Take what this cycle's readings show of every life: read back, metered, foreign, lost, expired."""
    rows: list[Row] = []
    for name, sent in core.setpoints.items():
        life = core.lives.get(name)
        if life is None or life.setpoint.sequence != sent.sequence:
            # written between two cycles: a shed lowers electrolysers at once
            rows += _begin(core, sent)
            life = core.lives[name]
        if not life.ended:
            rows += _passed(core, life, *_shown(core, life, core.readings[name]))
        if name in core.intruders:
            _release(core, name)
    tell(core, rows)
    _watch_signs(core)


def _watch_signs(core: Core) -> None:
    """Note of every device that moves by commands alone whether its power went the other way (fault D17)."""
    for name, state in core.expected.items():
        own_will = name in core.astray or name in core.probation
        if core.readings[name].quality is Quality.GOOD and not own_will:
            last, rating_mw = core.signs.get(name), _rating_mw(core, name)
            core.signs[name] = sign(last, state.p_mw, core.readings[name], rating_mw)


def _shown(core: Core, life: Life, reading: Reading) -> tuple[Sequence[Event], str]:
    """Return what a reading tells of a value."""
    sent = life.setpoint
    if core.last_at is not None and core.last_at >= life.expires_at:
        return (Event.EXPIRE,), f"not repeated within {sent.ttl_s:g} s"
    values = reading.values
    if reading.quality is not Quality.GOOD or reading.read_at is None or reading.read_at <= sent.issued_at:
        return (), ""
    shown = values.get("setpoint_mw", sent.p_mw)
    near_mw = max(SHOWN_MW, SHOWN_SHARE * _rating_mw(core, sent.device))
    if abs(shown - sent.p_mw) > near_mw:
        if any(abs(shown - value) <= near_mw for value in life.maybe_mw):
            return (), ""
        return _other(core, life, shown, values)
    if life.stage is Stage.METERED and not core.deviations[sent.device].lasting:
        return (), ""
    return (Event.SHOW, _metered(core, sent, reading)), ""


def _other(core: Core, life: Life, shown: float, values: Mapping[str, float]) -> tuple[Sequence[Event], str]:
    """Return what a value is that control never sent: another master's, or a restarted device's."""
    sent = life.setpoint
    epoch = values.get("epoch", sent.epoch)
    if epoch > sent.epoch:
        return (), ""  # another control: the lease settles it
    if epoch < sent.epoch:
        shadow.guess(core, sent.device)
        return (Event.FORGET,), "its registers are as after a restart"
    if life.stage not in (Stage.ACKNOWLEDGED, Stage.READ_BACK, Stage.METERED):
        return (), ""
    core.intruders[sent.device] = shown
    return (Event.INTRUDE,), f"{shown:.2f} MW stands in its registers"


def _metered(core: Core, sent: Setpoint, reading: Reading) -> Event:
    name = sent.device
    state, rating = core.expected.get(name), _rating_mw(core, name)
    if core.deviations.get(name, conditions.Deviation()).lasting:
        return Event.STRAY
    if state is None or conditions.is_away(state.p_mw, reading, rating):
        return Event.SHOW
    near_mw = max(conditions.DEVIATION_MW, conditions.DEVIATION_SHARE * rating)
    done = core.park.resources[name].kind in FREE_KINDS or abs(state.p_mw - sent.p_mw) <= near_mw
    return Event.METER if done else Event.SHOW


def _rating_mw(core: Core, name: str) -> float:
    row = core.park.resources[name]
    return max(row.p_max_mw, -row.p_min_mw)


def ramps_from(core: Core, name: str) -> Setpoint | None:
    """Return the command that a device's next one may ramp from: its last, or where it stands without one."""
    sent, life = core.setpoints.get(name), core.lives.get(name)
    if sent is None or life is None or not life.ended:
        return sent
    return replace(sent, p_mw=core.readings[name].values.get("p_mw", sent.p_mw))


def begin(core: Core, commands: Sequence[Setpoint]) -> None:
    """Note commands before they are written."""
    tell(core, [row for command in commands for row in _begin(core, command)])


def _begin(core: Core, command: Setpoint) -> Iterator[Row]:
    name, last = command.device, core.lives.get(command.device)
    if NOT_A_NUMBER in command.clipped_by:
        put_aside = (Stage.CREATED, Stage.REFUSED)
        yield name, command.epoch, command.sequence, put_aside, command.p_mw, NOT_A_NUMBER
    if last is not None and repeats(last, command):
        core.lives[name] = repeated(last, command)
        return
    if last is not None and not last.ended:
        yield from _passed(core, last, (Event.SUPERSEDE,))
        last = core.lives[name]
    life = begun(command, last)
    events = (Event.CLIP, Event.SEND) if command.clipped_by else (Event.SEND,)
    for _, epoch, first, stages, p_mw, why in _passed(core, life, events, "; ".join(command.clipped_by)):
        yield name, epoch, first, (Stage.CREATED, *stages), p_mw, why


def answered(core: Core, acks: Mapping[str, Ack]) -> None:
    """Take the answers to this cycle's writes."""
    rows: list[Row] = []
    for name, ack in acks.items():
        life = core.lives.get(name)
        if life is not None and not life.ended:
            failed = ack.outcome is not Outcome.ACKNOWLEDGED
            rows += _passed(core, life, (OUTCOMES[ack.outcome],), ack.detail if failed else "")
    tell(core, rows)


def _release(core: Core, name: str) -> None:
    """Take a device back whose foreign command is over: it has reverted by itself, or restarted."""
    reading, sent = core.readings[name], core.setpoints[name]
    forgotten = reading.values.get("epoch", sent.epoch) < sent.epoch
    if reading.quality is Quality.GOOD and (reading.values.get("status") == REVERTED or forgotten):
        del core.intruders[name]
    elif reading.quality is Quality.GOOD:
        core.intruders[name] = reading.values.get("setpoint_mw", core.intruders[name])


def of_intruders(core: Core) -> Iterator[Condition]:
    """Name devices that another master commands."""
    for name, shown in core.intruders.items():
        yield Condition(
            id=f"foreign:{name}",
            severity=Severity.ALARM,
            source=name,
            text=f"{name} is commanded by another master ({shown:.2f} MW in its registers): control sends it "
            "nothing until it has reverted, or is put to auto again",
        )
