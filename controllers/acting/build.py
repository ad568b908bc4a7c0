"""The one place where control is put together, for memory and for its own process."""

from controllers.acting import intake, memory, recovery, tie
from controllers.acting.alarms import Condition
from controllers.acting.core import Core
from controllers.acting.cycle import Control
from controllers.acting.field import Field
from controllers.acting.ledger import Sheds, Standing
from controllers.acting.seat import Seat
from controllers.acting.setpoints import turns
from controllers.acting.tracking import Tracker
from vpp.clock import Clock
from vpp.journal import Journal, SnapshotLog, recent
from vpp.park.model import Park
from vpp.state_dir import StateDir
from vpp.types import Mode, Severity


def build_control(
    park: Park,
    field: Field,
    clock: Clock,
    journal: Journal,
    *,
    epoch: int,
    state: StateDir | None = None,
    seat: Seat | None = None,
) -> Control:
    """Return control, with what a run before remembered where `state` is given.

    `epoch` must be greater than at every start before: devices fence older commands by it. With a
    `seat` control is passive until the lease lets it act, with the seat's own number.
    """
    kept = memory.load(state.root / "control.memory") if state is not None else memory.Memory()
    now = clock.plant_now()
    start = tie.quarter(now)
    peak = park.contracts.tie.month_peak_so_far_mw
    window = kept.tie if kept.tie is not None and kept.tie.start == start else None
    if window is None:
        peak = max(peak, kept.tie.month_peak_mw) if kept.tie is not None else peak
        window = tie.TieWindow(start=start, month_peak_mw=peak)
    kinds = {name: resource.kind for name, resource in park.resources.items()}
    core = Core(
        park=park,
        field=field,
        clock=clock,
        journal=journal,
        log=SnapshotLog(journal),
        tracker=Tracker(tuple(park.resources), kinds),
        turns=turns(kinds),
        epoch=epoch,
        seat=seat,
        acting=seat is None,
        plan_file=state.current_plan if state is not None else None,
        memory_file=state.root / "control.memory" if state is not None else None,
        tie=window,
        modes={name: kept.modes.get(name, Mode.AUTO) for name in park.resources},
        mode_ends={name: end for name, end in kept.mode_ends.items() if name in park.resources},
        ledger={name: entry for name, entry in kept.ledger.items() if name in park.loads},
        planned={name: mask for name, mask in kept.planned.items() if name in park.loads},
        moved={name: moved for name, moved in kept.moved.items() if name in park.actuators},
        orders=tuple(order for order in kept.orders if order.end > now),
        held_since=kept.held_since,
        closed_at=kept.closed_at,
        ending={name for name in kept.ending if name in park.loads},
        sheds=Sheds(
            standing=list(kept.standing),
            stuck={name for name in kept.stuck if name in park.loads},
            lowered_mw={name: mw for name, mw in kept.lowered_mw.items() if name in park.resources},
        ),
        closing=[(name, bit) for name, bit in kept.closing if name in park.loads],
    )
    journal.append("start", {"park": park.name, "epoch": epoch, "acting": core.acting})
    if state is not None:
        _recall(core, kept)
    if kept.damaged:
        text = (
            "control.memory was damaged or of another version and is set aside: orders, modes and calls are "
            "lost; breakers that stand open wait for a permission"
        )
        core.notes["memory"] = Condition(id="memory", severity=Severity.ALARM, source="control", text=text)
    intake.recalled(core)
    return Control(core)


def _recall(core: Core, kept: memory.Memory) -> None:
    """Take over the answers of the run before, and answer what it left without one."""
    before = recovery.recovered(recent(core.journal.folder, recovery.KINDS), kept)
    core.answers = dict(list(before.answers.items())[-intake.MAX_ANSWERS :])
    lost = Standing(order_id="", ordered_mw=0.0, masks={}, since=core.clock.plant_now())
    core.adopting = before.shed or kept.adopting or (lost if kept.damaged else None)
    core.unsaved = core.adopting is not None
    core.taken.extend(kept.taken)
    for reply in before.cut_short:
        core.journal.append("reply", reply)
