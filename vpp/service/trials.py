"""Scenarios put to the test: found, run in memory or as live processes, judged."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import partial
from itertools import pairwise
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np

from hil.evidence import Evidence, evidence_for
from hil.expect import Proven, Raised
from hil.lines import spoilt
from hil.scenario import Scenario, read_scenario
from hil.verdict import Verdict, judge
from vpp.clock import UTC
from vpp.errors import Fault, InvalidInput
from vpp.park import Park, load_park
from vpp.service.supervise import Live
from vpp.types import Reply, ShedReport

DAY, NOON = date(2026, 3, 17), time(12)
"""When a scenario starts that does not say; the day of the shipped examples."""
PORT_BASE, WEB_PORT = 21000, 8765
"""Where ports are looked for that are free, for live processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario file and its park."""

    file: Path
    park: str
    """Folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How scenarios are run."""

    modbus: bool = False
    speed: float = 1.0
    """Of live processes, where the scenario has no rates."""
    port_base: int | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something took in one run."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of one scenario."""

    name: str
    park: str
    file: str
    modbus: bool
    seed: int
    duration_s: float
    """Plant seconds."""
    cycles: int
    verdicts: tuple[Verdict, ...]
    latencies: Mapping[str, Spread]
    digest: str
    """SHA-256 of all that was seen: equal runs in memory, equal digests."""

    @property
    def ok(self) -> bool:
        """True where everything held."""
        return all(verdict.ok for verdict in self.verdicts)


def cases(names: Sequence[str], park: str | None) -> list[Case]:
    """Return the cases that names stand for: files, or parks whose scenario files expect something.

    InvalidInput for a name that is neither, and for a file without a park.
    """
    found: list[Case] = []
    faults: list[Fault] = []
    for name in names:
        file = Path(name)
        if file.suffix == ".toml" and (
            park is not None or (file.absolute().parent.parent / "park.toml").exists()
        ):
            home = load_park(park).folder if park is not None else str(file.absolute().parent.parent)
            found.append(Case(file=file, park=home))
        elif file.suffix == ".toml":
            faults.append(Fault(file=name, wrong="lies in no park's folder", expected="--park PARK with it"))
        else:
            folder = load_park(name).folder
            files = sorted((Path(folder) / "scenarios").glob("*.toml"))
            found += [
                Case(file=f, park=folder) for f in files if "[[expect]]" in f.read_text(encoding="utf-8")
            ]
    if faults:
        raise InvalidInput(tuple(faults))
    return found


def try_out(case: Case, way: Way) -> Trial:
    """Run one scenario and judge it; InvalidInput for a faulty park or file.

    One that spoils lines is run as live processes whatever was asked: in memory there are none.
    """
    park = load_park(case.park)
    scenario = read_scenario(case.file, park)
    way = replace(way, modbus=way.modbus or bool(spoilt(scenario)))
    local = datetime.combine(scenario.day or DAY, scenario.start_local or NOON, ZoneInfo(park.site.zone))
    seen = evidence_for(park, scenario.expects, local.astimezone(UTC))
    if way.modbus:
        _live(case, scenario, way, seen)
    else:
        _in_memory(park, scenario, way, seen)
    verdicts = tuple(judge(expect, seen) for expect in scenario.expects)
    return Trial(
        name=scenario.name,
        park=park.name,
        file=str(case.file),
        modbus=way.modbus,
        seed=way.seed,
        duration_s=scenario.duration_min * 60,
        cycles=len(seen.frames),
        verdicts=verdicts,
        latencies=_latencies(scenario, verdicts, seen, way),
        digest=seen.digest(),
    )


def _in_memory(park: Park, scenario: Scenario, way: Way, seen: Evidence) -> None:
    from vpp.service.memory import planner_of, run_in_memory

    outcome = run_in_memory(
        park,
        seen.start,
        planner_of(park),
        duration_s=scenario.duration_min * 60,
        tick_s=scenario.cycle_s,
        seed=way.seed,
        scenario=scenario,
        watch=seen.watch,
        note=seen.note,
    )
    seen.answers += [a for a in outcome.answers if isinstance(a, Reply | ShedReport)]


def _live(case: Case, scenario: Scenario, way: Way, seen: Evidence) -> None:
    """Run it as `vpp run --hil` would, in a state folder that is thrown away."""
    from vpp.park import endpoints
    from vpp.service import ready
    from vpp.service.launch import Wishes, request_for
    from vpp.service.script import play
    from vpp.service.supervise import supervise

    count = len(endpoints(load_park(case.park)))
    with TemporaryDirectory(prefix="vpp-hil-") as folder:
        wishes = Wishes(
            park=case.park,
            hil=True,
            speed=way.speed,
            start=seen.start.isoformat(),
            state=Path(folder),
            scenario=case.file,
            seed=way.seed,
            port_base=way.port_base or ready.free_base("127.0.0.1", count, PORT_BASE),
            web_port=ready.free_base("127.0.0.1", 1, WEB_PORT),
        )
        request = request_for(wishes)
        live = asyncio.run(supervise(request, (play, partial(_collect, seen))))
        seen.answers += [a for a in live.answers if isinstance(a, Reply | ShedReport)]
        seen.read_log(request.state.device_log)


async def _collect(seen: Evidence, live: Live) -> None:
    from vpp.service.watch import snapshots

    async for snapshot in snapshots(live):
        if snapshot.at >= seen.start:
            seen.watch(snapshot)


def _latencies(
    scenario: Scenario, verdicts: Iterable[Verdict], seen: Evidence, way: Way
) -> dict[str, Spread]:
    """Return spreads by name with their unit: true times only where time is true."""
    judged = list(zip(scenario.expects, verdicts, strict=True))
    alarms = [v.took_s for e, v in judged if isinstance(e, Raised) and v.took_s is not None]
    sheds = [
        v.took_s * 1e3
        for e, v in judged
        if isinstance(e, Proven) and v.took_s is not None and isfinite(v.took_s)
    ]
    found = {"alarm, plant s": alarms, "shed metered, ms": sheds}
    if way.modbus:
        gaps_s = [b.true_s - a.true_s for a, b in pairwise(seen.frames)]
        found["cycle to cycle, ms"] = [gap * 1e3 for gap in gaps_s]
    return {name: _spread(values) for name, values in found.items() if values}


def _spread(values: Sequence[float]) -> Spread:
    p50, p99 = np.percentile(values, [50, 99])
    return Spread(count=len(values), p50=float(p50), p99=float(p99))
