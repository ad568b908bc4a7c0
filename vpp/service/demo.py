"""`./run demo`: a day planned, six plant hours of it run, a report; about seven and a half minutes.

Ends with exit 0 after the report, with 130 when it is ended before (Ctrl-C), and with the codes of
the design where something stands in the way.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from vpp.errors import DeviceFailure
from vpp.park import Park, endpoints, load_park
from vpp.service import ready
from vpp.service.cli_plan import plan_lines, written_days
from vpp.service.exits import ExitCode
from vpp.service.launch import Wishes, launch, reported, request_for
from vpp.service.request import RunRequest, addresses
from vpp.service.runs import ROOT
from vpp.service.terminal import say

DAY = date(2026, 3, 17)
"""A windy spring day of the seeded weather with surplus at noon (assumption: any day does)."""
STATE = ROOT / "demo"
SEED = 1
PLAN_S = 20.0
"""True seconds for the day-ahead plan: the whole demo ends within eight minutes."""
HOST = "127.0.0.1"


def demo(park_name: str, scenario: Path | None = None) -> int:
    """Plan, run the scenario, report; returns the exit code.

    `park_name` is a park or folder; without `scenario` its own `scenarios/demo.toml` runs. Raises as
    `vpp plan` and `vpp run` do.
    """
    park = load_park(park_name)
    say(f"1/3  planning {DAY} for {park.name}")
    hurried = replace(park.horizon, day_ahead_deadline_s=min(park.horizon.day_ahead_deadline_s, PLAN_S))
    for made, files in written_days(replace(park, horizon=hurried), DAY, 1, STATE / "plan"):
        say("\n".join(plan_lines(made, files)))
    request = request_for(_wishes(park, scenario or Path(park.folder) / "scenarios" / "demo.toml"))
    say(f"\n2/3  running it on a simulated plant, {_length_text(request)}; Ctrl-C ends it")
    live = launch(request, quiet=False)
    say("\n3/3  what came of it")
    say("\n".join(reported(live.request)))
    if live.interrupted:
        say("ended before its time by Ctrl-C")
    return int(ExitCode.INTERRUPTED if live.interrupted else ExitCode.OK)


def _wishes(park: Park, scenario: Path) -> Wishes:
    """Return the wishes of the demo; where the park's ports or the page's are taken, others."""
    start = f"{DAY.isoformat()}T15:00"
    wishes = Wishes(park=park.folder, hil=True, scenario=scenario, start=start, state=STATE, seed=SEED)
    try:
        ready.require_free(addresses(request_for(wishes)))
    except DeviceFailure:
        count = len(endpoints(park))
        base = ready.free_base(HOST, count + 1, 21000)
        return replace(wishes, port_base=base, web_port=base + count)
    return wishes


def _length_text(request: RunRequest) -> str:
    schedule = request.settings.schedule
    if request.ends_at is None:
        return "without end"
    true_s = schedule.true_at(request.ends_at) - schedule.origin_true_s
    plant_h = (request.ends_at - schedule.segments[0][0]).total_seconds() / 3600
    rates = sorted({rate for _, rate in schedule.segments}, reverse=True)
    return (
        f"{plant_h:g} plant hours in {true_s / 60:.1f} minutes (rates {', '.join(f'{r:g}' for r in rates)})"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of `python -m vpp.service.demo`, through the command line's outermost edge."""
    from vpp.service.cli import run

    sys.exit(run(["demo", *(sys.argv[1:] if arguments is None else arguments)]))


if __name__ == "__main__":
    main()
