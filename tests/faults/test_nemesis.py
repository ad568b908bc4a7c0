"""`./run soak nemesis`: an hour of random faults on chifeng96 over real sockets.

`NEMESIS_S` sets another length in true seconds (120 for development), `NEMESIS_SEED` another seed. Each
fault has a cause in words that its alarm must name; the devices' own log must show a command that is
trusted, or a reversion, at every second.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

from controllers.planning import plan_day
from hil import faults
from hil.evidence import Evidence, evidence_for
from hil.expect import Raised, Valid
from hil.line import CUT, DEAF, GOOD, Line, Way
from hil.scenario import QUIET, Event, Silence, Slow, Trip
from hil.verdict import judge
from vpp.link import PlanOffer
from vpp.park import Park, endpoints, load_park
from vpp.seeds import generator

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
LENGTH_S = float(os.environ.get("NEMESIS_S", "3600"))
SEED = int(os.environ.get("NEMESIS_SEED", "1"))
SETTLE_S, END_S = 20.0, 10.0
"""Plant seconds without faults at the begin, and in which none begins any more at the end."""
GAP_S = 2.0
"""Mean plant seconds between two faults."""
WITHIN_S = 12.0
"""Plant seconds until an alarm names a fault: five cycles of a heartbeat, a time-out and two cycles."""
REST_S = 40.0
"""Plant seconds that an endpoint stays well after a fault: alarms clear, circuits close again."""
GARBLED = {
    "tid_0": "transaction 0",
    "stale_tid": "was not asked",
    "other_unit": "answers for unit",
    "other_function": "answers function",
    "other_protocol": "protocol 7",
    "short": "bytes of values",
    "wrong_count": "bytes of values",
}
LINES = {
    "cut": (CUT, "no answer in time"),
    "deaf": (DEAF, "no answer in time"),
    "refuses": (Line(refuses=True), "refused"),
    "late": (Line.both(Way(delay_s=0.5, jitter_s=0.3)), "no answer in time"),
    "sliced": (Line.both(Way(slice_bytes=7)), ""),
    "doubled": (Line(answers=Way(doubled=0.5)), ""),
}
"""By name the line and what the alarm must say; empty: no alarm may come from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One fault, and the alarm that must name it."""

    what: str
    endpoint: str
    at_s: float
    for_s: float
    event: Event | None
    line: Line | None = None
    alarm: str = ""
    text: str = ""


def plan_of_faults(park: Park, behind: tuple[str, ...]) -> Iterator[Planted]:
    """Yield faults in the order of their times; one endpoint has one at a time."""
    chance = generator(SEED, "nemesis")
    free_s = dict.fromkeys(sorted(endpoints(park)), SETTLE_S)
    at_s = SETTLE_S
    while (at_s := at_s + float(chance.exponential(GAP_S))) < LENGTH_S - END_S:
        able = [name for name, s in free_s.items() if s <= at_s and name not in park.meters]
        if not able:
            continue
        name = able[int(chance.integers(len(able)))]
        # a few outlast both time-outs of a command, so that devices revert
        for_s = float(chance.uniform(20, 60) if chance.random() < 0.85 else chance.uniform(140, 200))
        planted = _one(park, name, (at_s, for_s), behind, chance)
        free_s[name] = at_s + planted.for_s + REST_S
        yield planted


def _one(
    park: Park, name: str, when: tuple[float, float], behind: tuple[str, ...], chance: np.random.Generator
) -> Planted:
    at_s, for_s = when
    spell = {"at_min": at_s / 60, "for_min": for_s / 60}
    base = {"endpoint": name, "at_s": at_s, "for_s": for_s}
    kinds = ["mute", "close", "slow", "garbles", "reads", "frozen"]
    if name in park.resources:
        kinds += ["writes", "trip", "local", "restart"]
    if name in behind:
        kinds += ["line"] * 6
    kind = kinds[int(chance.integers(len(kinds)))]
    silent = {"alarm": f"silent:{name}"}
    match kind:
        case "mute":
            event = Silence(endpoint=name, **spell)
            return Planted(what=kind, event=event, text="no answer in time", **silent, **base)
        case "close":
            event = Silence(endpoint=name, how="close", **spell)
            return Planted(what=kind, event=event, text="closed", **silent, **base)
        case "slow":
            event = Slow(endpoint=name, latency_s=3.0, **spell)
            return Planted(what=kind, event=event, text="no answer in time", **silent, **base)
        case "garbles":
            how = sorted(GARBLED)[int(chance.integers(len(GARBLED)))]
            event = faults.Garbles(endpoint=name, how=how, on="read", **spell)
            return Planted(what=how, event=event, text=GARBLED[how], **silent, **base)
        case "reads":
            event = faults.Refuses(endpoint=name, code=4, on="read", **spell)
            return Planted(what=kind, event=event, text="exception 4", **silent, **base)
        case "writes":
            event = faults.Refuses(endpoint=name, code=3, on="write", **spell)
            return Planted(what=kind, event=event, alarm=f"write:{name}", text="exception 3", **base)
        case "frozen":
            event = faults.Frozen(endpoint=name, **spell)
            return Planted(what=kind, event=event, text="stands still", **silent, **base)
        case "trip":
            event = Trip(resource=name, **spell)
            return Planted(what=kind, event=event, alarm=f"status:{name}", text="reports a fault", **base)
        case "local":
            event = faults.Local(resource=name, **spell)
            return Planted(what=kind, event=event, alarm=f"status:{name}", text="local control", **base)
        case "restart":
            event = faults.Restart(resource=name, **spell)
            return Planted(what=kind, event=event, text="closed", **silent, **base)
    what = sorted(LINES)[int(chance.integers(len(LINES)))]
    line, text = LINES[what]
    return Planted(
        what=what, event=None, line=line, alarm=f"silent:{name}" if text else "", text=text, **base
    )


@pytest.mark.soak
async def test_every_fault_is_told_and_every_device_has_a_command_or_has_reverted(site):
    park = load_park("chifeng96")
    short = replace(park, horizon=replace(park.horizon, day_ahead_deadline_s=10.0))
    released = plan_day(short, date(2026, 3, 17))
    behind = (*list(park.resources)[::2], *list(park.loads)[::3])
    planted = tuple(plan_of_faults(park, behind))
    script = replace(QUIET, events=tuple(p.event for p in planted if p.event is not None))
    seen = evidence_for(park, (), START)
    lines = [p for p in planted if p.line is not None]
    late, told_s = 0, 0.0
    async with site(
        behind,
        of=park,
        scenario=script,
        heard=seen.note,
        timeout_ms=400.0,
        settle=False,
        cycle_s=1.0,
        plan_ttl_s=2 * LENGTH_S,
    ) as here:
        offer = PlanOffer(
            # a plan of the day before, as if it came now: one plan is followed for the whole run
            plan=replace(released.plan, made_at=START, valid_until=START + timedelta(days=1)),
            sensitivities=released.sensitivities,
            started_true_s=here.clock.true_s(),
            deadline_s=4.0,
        )
        reply = await here.control.take(offer)
        assert reply.accepted, reply.reason
        while (now_s := (here.clock.plant_now() - START).total_seconds()) < LENGTH_S:
            for one in lines:
                proxy = here.proxies[one.endpoint]
                wanted = one.line if one.at_s <= now_s < one.at_s + one.for_s else None
                if wanted is not None and proxy.line is GOOD:
                    await proxy.set(wanted)
                    if wanted.refuses:
                        proxy.reset()
                elif wanted is None and proxy.line is one.line and now_s >= one.at_s + one.for_s:
                    await proxy.set(GOOD)
            behind_s = here.clock.true_s() - here.next_s
            late += behind_s > 1.0
            seen.watch(await here.cycles(1))
            if now_s >= told_s + 60:
                told_s = now_s
                print(progress(planted, seen, now_s, late), flush=True)
    report(park, planted, seen, late)


def progress(planted: tuple[Planted, ...], seen: Evidence, now_s: float, late: int) -> str:
    """Return how far the run is, in a line."""
    begun = sum(p.at_s <= now_s for p in planted)
    standing = Counter(id_.partition(":")[0] for id_ in seen.frames[-1].alarms)
    reverted = sum(record["event"] == "reverted" for _, record in seen.log)
    alarms = ", ".join(f"{count} {kind}" for kind, count in sorted(standing.items())) or "none"
    return (
        f"{now_s:.0f} of {LENGTH_S:.0f} s: {begun} of {len(planted)} faults, {len(seen.frames)} cycles, "
        f"{late} late, {reverted} reversions; alarms: {alarms}"
    )


def report(park: Park, planted: tuple[Planted, ...], seen: Evidence, late: int) -> None:
    """Print what was planted, and fail for each fault without its alarm and each second without a command."""
    told = []
    for one in planted:
        if not one.alarm:
            continue
        expect = Raised(alarm=one.alarm, text=one.text, at_min=one.at_s / 60, within_s=WITHIN_S)
        told.append((one, judge(expect, since(seen, one.at_s))))
    valid = judge(Valid(at_min=SETTLE_S / 60, for_min=(LENGTH_S - SETTLE_S) / 60), seen)
    took = sorted(v.took_s for _, v in told if v.took_s is not None)
    assert took, "faults are told"
    print(f"\n{len(planted)} faults in {LENGTH_S:.0f} s on {len(endpoints(park))} endpoints, seed {SEED}")
    print(dict(Counter(one.what for one in planted)))
    print(f"told after p50 {took[len(took) // 2]:.1f} s, worst {took[-1]:.1f} s; {late} late cycles")
    reverted = sum(record["event"] == "reverted" for _, record in seen.log)
    print(f"valid: {valid.found}; {reverted} reversions; {len(seen.frames)} cycles")
    untold = [
        f"{o.what} {o.endpoint} at {o.at_s:.0f} s for {o.for_s:.0f} s: {v.found}" for o, v in told if not v.ok
    ]
    print("\n".join(untold))
    print("alarms without a fault, cycles:", dict(causeless(planted, seen)))
    assert valid.ok, valid.found
    assert untold == []


def causeless(planted: tuple[Planted, ...], seen: Evidence) -> Counter[str]:
    """Return by alarm in how many cycles it stood without a fault of its endpoint, now or lately."""
    found: Counter[str] = Counter()
    for frame in seen.frames:
        now_s = (frame.at - seen.start).total_seconds()
        ill = {p.endpoint for p in planted if p.at_s <= now_s < p.at_s + p.for_s + REST_S}
        for id_ in frame.alarms if now_s > SETTLE_S else ():
            kind, _, name = id_.partition(":")
            if kind in ("silent", "write", "status") and name not in ill:
                found[id_] += 1
    return found


def since(seen: Evidence, from_s: float) -> Evidence:
    """Return the evidence from a moment on."""
    frames = [f for f in seen.frames if (f.at - seen.start).total_seconds() >= from_s]
    return replace(seen, frames=frames)
