"""The process image: what one cycle knows, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import nan

from controllers.acting import derating
from controllers.acting.core import Core
from controllers.acting.switching import today
from vpp.types import Following, ParkMode, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What holds throughout one cycle."""

    now: datetime
    true_s: float
    rate: float
    dt_s: float
    """Plant seconds since the last cycle."""
    ahead_s: float
    """Plant seconds of the next five cycles: no time-out is shorter."""
    step: int | None
    """Step of the plan that is followed; None: hold."""
    import_mw: float | None
    """Tie meter, brought to now (`present`); None without a reading that can be trusted."""
    output_mw: Mapping[str, float]
    """By device and load what it gives now, metered and brought to now; without those that are silent."""
    import_max_mw: float
    export_max_mw: float


def freeze(core: Core, moment: Moment) -> Snapshot:
    """Return the snapshot of this cycle."""
    now = moment.now
    plan = core.force.plan if core.force is not None else None
    replan_s = core.park.horizon.replan_min * 60
    starts = {
        name: {
            "turbine": core.readings[name].values.get("starts_turbine", 0.0),
            "compressor": core.readings[name].values.get("starts_compressor", 0.0),
        }
        for name, resource in core.park.resources.items()
        if resource.kind == "caes"
    }
    return Snapshot(
        cycle=core.cycle,
        at=now,
        true_s=moment.true_s,
        rate=moment.rate,
        epoch=core.epoch,
        readings=core.readings,
        setpoints=dict(core.setpoints),
        modes=dict(core.modes),
        mode_ends=dict(core.mode_ends),
        park_mode=ParkMode.CONNECTED,
        following=Following.PLAN if moment.step is not None else Following.HOLD,
        plan_id=plan.id if plan is not None else None,
        plan_made_at=plan.made_at if plan is not None else None,
        next_replan_at=now - timedelta(seconds=now.timestamp() % replan_s) + timedelta(seconds=replan_s),
        tie_mean_mw=core.tie.mean_mw if core.tie.covered_s else nan,
        tie_limit_mw=moment.import_max_mw,
        orders=core.orders,
        open_blocks={name: entry.open_blocks for name, entry in core.ledger.items() if entry.open_blocks},
        calls=core.calls(now),
        starts=starts,
        month_peak_mw=core.tie.month_peak_mw,
        alarms=tuple(core.board.standing.values()),
        missed_ticks=core.missed_ticks,
        dropped_plans=core.dropped_plans,
        positions={name: move.position for name, move in core.moves.items()},
        moved=today(core.park, core.moved, now),
        trims={name: told.trim_mw for name, told in core.trims.items()},
        links=core.field.links(),
        derated=derating.spans(core, now),
    )
