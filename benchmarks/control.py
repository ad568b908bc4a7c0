"""Control: time of a cycle in memory, and of the tracking QP; prints one table.

python benchmarks/control.py
"""

import asyncio
import platform
import tempfile
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from controllers.acting.build import build_control
from controllers.acting.envelope import Row
from controllers.acting.setpoints import Narrowed
from controllers.acting.tracking import Tracker
from vpp.clock import SimulatedClock, monotonic_s
from vpp.devices import DEVICE_TYPES, Command, Initial
from vpp.journal import Journal
from vpp.park import load_park
from vpp.seeds import generator
from vpp.types import Ack, Link, Outcome, Quality, Reading, Setpoint


class NamePlates:
    """A field whose devices do what their name plates say; loads stand still."""

    def __init__(self, park, clock):
        self.park, self.clock = park, clock
        self.commands: dict[str, Command] = {}
        self.states = {
            name: DEVICE_TYPES[device.resource.kind].initial(device, Initial())
            for name, device in park.devices.items()
        }

    async def read(self) -> Mapping[str, Reading]:
        now, values = self.clock.plant_now(), {}
        for name, device in self.park.devices.items():
            kind = DEVICE_TYPES[device.resource.kind]
            command = self.commands.get(name, Command(p_mw=0.0))
            self.states[name] = kind.step(device, self.states[name], command, 1.0, 40.0)
            values[name] = kind.measure(device, self.states[name])
        for name, load in self.park.loads.items():
            values[name] = {"p_mw": -0.8 * load.p_peak_mw, "breakers": 0.0}
        total = sum(row["p_mw"] for row in values.values())
        values |= {name: {"p_mw": 1 - total, "frequency_hz": 50.0} for name in self.park.meters}
        return {
            name: Reading(
                values=row | {"heartbeat": now.timestamp()}, quality=Quality.GOOD, read_at=now, age_s=0.0
            )
            for name, row in values.items()
        }

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        readings = await self.read()
        return {name: readings[name] for name in names}

    def links(self) -> Mapping[str, Link]:
        return {}

    async def write(self, setpoints: Sequence[Setpoint]) -> Mapping[str, Ack]:
        self.commands |= {s.device: Command(p_mw=s.p_mw, h2_kg_per_h=s.h2_kg_per_h) for s in setpoints}
        return {s.device: acknowledged(s.device) for s in setpoints}

    async def trip(self, masks: Mapping[str, int], drill: bool, heard=None) -> Mapping[str, Ack]:
        return {name: acknowledged(name) for name in masks}


def acknowledged(name: str) -> Ack:
    return Ack(device=name, outcome=Outcome.ACKNOWLEDGED, detail="", sent_true_s=0.0, done_true_s=0.0)


async def cycles(count: int) -> list[float]:
    """True milliseconds of each cycle of small10, field and journal included."""
    park = load_park("small10")
    clock = SimulatedClock(datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc))
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), clock)
        control = build_control(park, NamePlates(park, clock), clock, journal, epoch=1)
        for _ in range(count):
            clock.advance(1.0)
            start = monotonic_s()
            await control.cycle()
            taken.append((monotonic_s() - start) * 1e3)
        journal.close()
    return taken


def qp(devices: int, count: int) -> list[float]:
    """True milliseconds of each tracking QP, a tie row binding and a network row with new slopes."""
    rng = generator(1, "benchmark", devices)
    names = [f"D{i}" for i in range(devices)]
    kinds = {name: ("bess", "caes", "electrolyzer", "wind")[i % 4] for i, name in enumerate(names)}
    tracker = Tracker(names, kinds)
    ranges = dict.fromkeys(names, Narrowed(low_mw=-40.0, high_mw=40.0, low_why="", high_why=""))
    base = dict.fromkeys(names, 0.0)
    taken = []
    slopes: dict[str, float] = {}
    for k in range(count):
        targets = dict(zip(names, rng.uniform(-20, 20, devices).tolist(), strict=True))
        short_mw = sum(targets.values()) + 5.0 + k % 7
        tie = Row(name="tie", slope=dict.fromkeys(names, -1.0), base=base, value=0.0, limit=-short_mw)
        slopes = (
            dict(zip(names, rng.uniform(0, 1, devices).tolist(), strict=True)) if k % 900 == 0 else slopes
        )
        branch = Row(name="branch", slope=slopes, base=base, value=95.0, limit=100.0)
        start = monotonic_s()
        tracker.solve(targets, ranges, (tie, branch))
        taken.append((monotonic_s() - start) * 1e3)
    assert tracker.failures == 0, f"{tracker.failures} solves failed"
    return taken


def line(name: str, taken: Sequence[float]) -> str:
    p50, p99 = np.percentile(taken, [50, 99])
    return f"{name:42s} {p50:8.3f} {p99:8.3f} {max(taken):8.3f}"


def main() -> None:
    print(f"control on {platform.machine()}, Python {platform.python_version()}; true ms")
    print(f"{'':42s} {'p50':>8s} {'p99':>8s} {'worst':>8s}")
    print(line("cycle, small10, in memory, journal on disk", asyncio.run(cycles(3000))))
    print(line("tracking QP, 7 devices, 2 rows", qp(7, 3000)))
    print(line("tracking QP, 60 devices, 2 rows", qp(60, 3000)))


if __name__ == "__main__":
    main()
