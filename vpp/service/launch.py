"""From what a user wishes to a run: settings, schedule, refusals in words, and the run itself."""

import asyncio
import os
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from vpp.clock import Schedule, monotonic_s, wall_now
from vpp.errors import Fault, InvalidInput
from vpp.park import Park, load_park, uncovered, with_port_base
from vpp.service import ready
from vpp.service.request import PLANT, WEB, RunRequest, addresses, children_of
from vpp.service.runs import ROOT, RunLock, state_for, writing
from vpp.service.supervise import Live, Watcher, supervise
from vpp.service.times import parse_stamp
from vpp.state_dir import RunSettings

LEAD_S = 8.0
"""True seconds from the launch of a simulated run to its plant start, beside the planner's own deadline:
the time that the processes need to come up (two cores: 4 s to start, 4 s to spare)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What stood on the command line."""

    park: str
    hil: bool
    speed: float = 1.0
    length: timedelta | None = None
    """Plant time."""
    start: str | None = None
    """ISO stamp, plant zone."""
    state: Path | None = None
    scenario: Path | None = None
    seed: int = 1
    port_base: int | None = None
    web_port: int = 8000
    own_process: tuple[str, ...] = ()
    standby: bool = False


def request_for(wishes: Wishes) -> RunRequest:
    """Return the run that was wished for.

    Raises InvalidInput for a faulty park or scenario, for a speed, start or scenario without a
    simulated plant, and for a time that a series of the park does not cover.
    """
    park = load_park(wishes.park)
    faults = _faults(wishes, park)
    if faults:
        raise InvalidInput(tuple(faults))
    if wishes.port_base is not None:
        park = with_port_base(park, wishes.port_base)
    start, length, segments = _course(wishes, park)
    ends_at = None if length is None else start + length
    gaps = [uncovered(profile, start, ends_at or start) for profile in park.csv_profiles.values()]
    if any(gaps):
        raise InvalidInput(tuple(fault for fault in gaps if fault is not None))
    lead_s = LEAD_S + park.horizon.planner_deadline_s if wishes.hil else 0.0
    settings = RunSettings(
        park=park.folder,
        schedule=Schedule(origin_true_s=monotonic_s() + lead_s, segments=segments),
        seed=wishes.seed,
        port_base=wishes.port_base,
        simulated=wishes.hil,
        scenario=None if wishes.scenario is None else str(wishes.scenario.absolute()),
        web_port=wishes.web_port,
    )
    return RunRequest(
        park=park,
        state=state_for(park.name, wishes.state),
        settings=settings,
        ends_at=ends_at,
        own_process=wishes.own_process,
        standby=wishes.standby,
    )


def _faults(wishes: Wishes, park: Park) -> list[Fault]:
    faults = []
    given = {"--speed": wishes.speed != 1.0, "--start": wishes.start, "--scenario": wishes.scenario}
    if not wishes.hil:
        faults += [
            Fault(
                file=option,
                wrong="given for a real plant",
                expected="only with --hil: every device simulated",
            )
            for option, is_given in given.items()
            if is_given
        ]
    if wishes.standby and wishes.hil:
        words = "a real plant, where control acts on another machine"
        faults.append(Fault(file="--standby", wrong="given for a simulated plant", expected=words))
    unknown = [
        name for name in wishes.own_process if name not in {*park.resources, *park.loads, *park.meters}
    ]
    faults += [
        Fault(file="--own-process", wrong=f"no endpoint {name}", expected="an id of the park")
        for name in unknown
    ]
    if wishes.start is not None:
        try:
            parse_stamp(wishes.start, park.site.zone)
        except ValueError as error:
            faults.append(Fault(file="--start", wrong=str(error), expected="a time in ISO 8601"))
    return faults


def _course(
    wishes: Wishes, park: Park
) -> tuple[datetime, timedelta | None, tuple[tuple[datetime, float], ...]]:
    """Return plant start, length and (plant time, rate) pairs; a scenario sets what is not wished."""
    start = (
        wall_now().replace(microsecond=0)
        if wishes.start is None
        else parse_stamp(wishes.start, park.site.zone)
    )
    if wishes.scenario is None:
        return start, wishes.length, ((start, wishes.speed),)
    from hil.scenario import read_scenario

    scenario = read_scenario(wishes.scenario, park)
    if wishes.start is None and scenario.start_local is not None:
        zone = ZoneInfo(park.site.zone)
        day = start.astimezone(zone).date()
        start = datetime.combine(day, scenario.start_local, zone).astimezone(start.tzinfo)
    length = wishes.length or timedelta(minutes=scenario.duration_min)
    return start, length, scenario.segments(start) or ((start, wishes.speed),)


def launch(request: RunRequest, *, quiet: bool) -> Live:
    """Run until the end with the scripted orders and, unless quiet, a view of what happens."""
    from vpp.service.script import play
    from vpp.service.watch import show

    watchers: tuple[Watcher, ...] = (play,) if quiet else (play, show)
    return asyncio.run(supervise(request, watchers))


def reported(request: RunRequest) -> list[str]:
    """Write the report of an ended run into its state folder; return its text and where it lies.

    In words instead where the run had no cycle or the folder cannot be written.
    """
    from vpp.reports import write_run_report

    state = request.state
    try:
        paths = write_run_report(request.park, state.journal, state.root / "report")
        return ["", paths.text.read_text(encoding="utf-8").rstrip(), "", *map(str, paths)]
    except InvalidInput:
        return ["no report: control ran no cycle"]
    except OSError as error:
        return [f"no report: {error.filename or state.root}: {error.strerror}"]


def become_plant(wishes: Wishes) -> NoReturn:
    """Turn this process into the simulated plant; raises as `request_for`.

    DeviceFailure where a port is taken or a run uses the state folder.

    The state lies in `.yuanwang/PARK-plant` unless wished otherwise, so that a run of the same
    park beside it keeps its own.
    """
    request = request_for(replace(wishes, state=wishes.state or ROOT / f"{Path(wishes.park).name}-plant"))
    ready.require_free([row for row in addresses(request) if row[0] != WEB])
    with writing(request.state.root):
        request.state.prepare()
        with RunLock(request.state) as lock:
            request.state.write_settings(request.settings)
            plant = next(child for child in children_of(request) if child.name == PLANT)
            lock.outlive_exec()
            os.execv(sys.executable, [sys.executable, *plant.arguments])


def outcome(live: Live) -> dict[str, object]:
    """Return what a program wants to know of an ended run."""
    settings = live.request.settings
    return {
        "park": live.request.park.name,
        "state": str(live.request.state.root),
        "rates": [rate for _, rate in settings.schedule.segments],
        "started_at": settings.schedule.segments[0][0],
        "interrupted": live.interrupted,
        "restarts": live.restarts,
        "remarks": live.remarks,
    }
