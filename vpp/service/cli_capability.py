"""`vpp capability`: what a park could still do, from a run or at rest."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpp.service.cli_options import JsonOption, StateOption
from vpp.service.terminal import say, to_json

if TYPE_CHECKING:
    from vpp.park import Park
    from vpp.state_dir import StateDir
    from vpp.types import Snapshot


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("capability")(capability)


def capability(
    park: Annotated[
        str | None, typer.Argument(metavar="[PARK]", help="A park at rest; default: the run that goes on.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what can still be adjusted, up and down: MW, ramp, duration, price and limit.

    From one snapshot of a running control, by park and device; or of a park that does not run: every
    device at rest as `park.toml` has it, in the weather of now.
    """
    if park is not None and state is not None:
        raise typer.BadParameter("give PARK or --state, not both")
    from controllers.acting.capability import capability as found_at
    from vpp.park import load_park
    from vpp.service.api_capability import read_offer
    from vpp.service.capability_text import capability_lines
    from vpp.service.times import local_text

    if park is not None:
        loaded = load_park(park)
        snapshot, offer = resting(loaded), None
        head = f"{loaded.name} at rest, {local_text(snapshot.at, loaded.site.zone)}"
    else:
        loaded, snapshot, folder = _running(state)
        offer = read_offer(folder.current_plan)
        offer = offer if offer is not None and offer.plan.id == snapshot.plan_id else None
        head = f"{loaded.name} running, {local_text(snapshot.at, loaded.site.zone)}"
    found = found_at(loaded, snapshot, offer)
    if as_json:
        say(to_json(found))
        return
    say("\n".join([head, "", *capability_lines(found)]).rstrip())


def _running(option: Path | None) -> "tuple[Park, Snapshot, StateDir]":
    from vpp.park import load_park
    from vpp.service import orders
    from vpp.service.runs import find_running

    folder = find_running(option)
    return load_park(folder.read_settings().park), orders.status(folder), folder


def resting(park: "Park", at: "datetime | None" = None) -> "Snapshot":
    """Return the snapshot of a park that stands as `park.toml` says, in the weather and demand of `at`.

    The tie carries the balance without losses; no reading is older than now.
    """
    import numpy as np

    from controllers.planning import initial_state
    from forecasts import instant_mw
    from vpp.clock import wall_now
    from vpp.types import Following, Mode, ParkMode, Quality, Reading, Snapshot

    now = at or wall_now()
    start, values = initial_state(park, now), {}
    for name, resource in park.resources.items():
        values[name] = dict(start.resources[name])
        if resource.kind in ("wind", "pv"):
            values[name]["available_mw"] = float(instant_mw(park, name, np.array([now.timestamp()]))[0])
            values[name]["p_mw"] = values[name]["available_mw"]
    for name in park.loads:
        values[name] = {"p_mw": -float(instant_mw(park, name, np.array([now.timestamp()]))[0])}
    import_mw = -sum(row["p_mw"] for row in values.values())
    values |= {m.id: {"p_mw": import_mw} for m in park.meters.values() if m.kind == "tie"}
    return Snapshot(
        cycle=0,
        at=now,
        true_s=0.0,
        rate=1.0,
        epoch=0,
        readings={
            name: Reading(values=row, quality=Quality.GOOD, read_at=now, age_s=0.0)
            for name, row in values.items()
        },
        setpoints={},
        modes=dict.fromkeys(park.resources, Mode.AUTO),
        park_mode=ParkMode.CONNECTED,
        following=Following.HOLD,
        plan_id=None,
        plan_made_at=None,
        next_replan_at=None,
        tie_mean_mw=import_mw,
        tie_limit_mw=park.contracts.tie.import_max_mw,
        orders=(),
        open_blocks={},
        calls=start.calls,
        starts={},
        month_peak_mw=start.month_peak_mw,
        alarms=(),
        missed_ticks=0,
        dropped_plans=0,
    )
