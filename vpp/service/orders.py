"""Commands to control: built with an expiry, sent over its socket, answered or failed in words."""

import secrets
from datetime import datetime, timedelta

from vpp.clock import RealClock
from vpp.errors import DeviceFailure, Fault, InvalidInput
from vpp.link import Message, StatusRequest, ask
from vpp.state_dir import StateDir
from vpp.types import (
    DispatchOrder,
    Mode,
    ModeOrder,
    ReloadOrder,
    Reply,
    RestoreOrder,
    ShedOrder,
    ShedReport,
    ShedTarget,
    Snapshot,
)

EXPIRY_S = 10.0
"""True seconds after which a command that was not taken must no longer be."""
ANSWER_S = 10.0
"""True seconds to wait for an answer; a shed answers when its metered proof is complete."""


def clock_of(state: StateDir) -> RealClock:
    """Return the clock of the run on `state`; DeviceFailure where none was started there."""
    try:
        return RealClock(state.read_settings().schedule)
    except FileNotFoundError:
        raise DeviceFailure(f"no run was ever started on {state.root}") from None


def expiry(clock: RealClock) -> datetime:
    """Return the plant time that the clock will show `EXPIRY_S` true seconds from now."""
    return clock.schedule.plant_at(clock.true_s() + EXPIRY_S)


def new_id(kind: str) -> str:
    """Return an id that no other command has."""
    return f"{kind}-{secrets.token_hex(4)}"


def send(state: StateDir, message: Message) -> Message:
    """Send a command and return control's answer.

    Raises DeviceFailure where control is not there, TimedOut where it does not answer.
    """
    return ask(state.socket, message, ANSWER_S)


def status(state: StateDir) -> Snapshot:
    """Return control's newest snapshot; DeviceFailure where there is none."""
    answer = send(state, StatusRequest())
    if isinstance(answer, Snapshot):
        return answer
    raise DeviceFailure(answer.reason if isinstance(answer, Reply) else "control gave no snapshot")


def shed_order(state: StateDir, mw: float, *, drill: bool) -> ShedOrder:
    """Return an order to cut so many MW now."""
    kind = "drill" if drill else "shed"
    return ShedOrder(id=new_id(kind), mw=mw, drill=drill, expires_at=expiry(clock_of(state)))


def shed(state: StateDir, order: ShedOrder) -> ShedReport:
    """Shed and return the proof; InvalidInput with control's reason where it refuses."""
    answer = send(state, order)
    if isinstance(answer, ShedReport):
        return answer
    reason = answer.reason if isinstance(answer, Reply) else f"a {type(answer).__name__}"
    raise InvalidInput(
        (Fault(file="shed", field="mw", wrong=reason, expected="an order that control accepts"),)
    )


def restore(state: StateDir, loads: tuple[str, ...]) -> Reply:
    """Permit control to close what was opened; no loads: all."""
    return _reply(
        send(state, RestoreOrder(id=new_id("restore"), loads=loads, expires_at=expiry(clock_of(state))))
    )


def reload(state: StateDir) -> Reply:
    """Let control read its park folder again."""
    return _reply(send(state, ReloadOrder(id=new_id("reload"), expires_at=expiry(clock_of(state)))))


def put(state: StateDir, device: str, mode: Mode, span: timedelta | None = None) -> Reply:
    """Put a device to manual or advisory for a span of plant time (default: a shift), or to auto."""
    clock = clock_of(state)
    until = None if span is None else clock.plant_now() + span
    order = ModeOrder(id=new_id("mode"), device=device, mode=mode, expires_at=expiry(clock), until=until)
    return _reply(send(state, order))


def tie_order(
    state: StateDir, *, import_max_mw: float | None, export_max_mw: float | None, span: timedelta
) -> DispatchOrder:
    """Return an order on the tie that holds from now on for a span of plant time."""
    clock = clock_of(state)
    now = clock.plant_now()
    return DispatchOrder(
        id=new_id("order"),
        import_max_mw=import_max_mw,
        export_max_mw=export_max_mw,
        start=now,
        end=now + span,
        expires_at=expiry(clock),
    )


def narrow_tie(state: StateDir, order: DispatchOrder) -> Reply:
    """Give an order on the tie."""
    return _reply(send(state, order))


def _reply(answer: Message) -> Reply:
    if isinstance(answer, Reply):
        return answer
    raise DeviceFailure(f"control answered with a {type(answer).__name__}")


def shed_lines(report: ShedReport) -> list[str]:
    """Return a shed report for people: megawatts, stages with their times, each breaker.

    A drill opens nothing, so its meter proves nothing and is left out.
    """
    from vpp.reports.shed_text import over_cut, stages

    word, goal = ("drill", "PASSED") if report.drill else ("shed", "REACHED")
    proof = ""
    if not report.drill:
        proof = f": metered {report.metered_cut_mw:.1f} MW, {over_cut(report)}"
    return [
        f"{word} {report.order_id} {'' if report.ok else 'NOT '}{goal} at rate {report.rate:g}",
        f"  ordered {report.ordered_mw:.1f} MW of {report.armed_mw:.1f} armed{proof}",
        f"  {stages(report)}",
        *(_target_line(target, drill=report.drill) for target in report.targets),
        *([f"  {report.text}"] if report.text else []),
    ]


def _target_line(target: ShedTarget, *, drill: bool) -> str:
    if not target.blocks:
        return f"  {target.load:10} not needed"
    answer = "no answer" if target.outcome is None else target.outcome.value
    when = "" if target.ack_ms is None else f" in {target.ack_ms:.1f} ms"
    metered = "" if drill else f", metered {target.metered_cut_mw:.1f} MW"
    count = target.blocks.bit_count()
    return (
        f"  {target.load:10} {count} block{'s' if count > 1 else ''}, "
        f"{target.expected_mw:.1f} MW expected, {answer}{when}{metered}"
    )
