"""Control's 1 s cycle with 500 devices over Modbus/TCP: missed ticks, jitter, CPU; prints one table.

python benchmarks/cycle500.py [--devices N] [--seconds S] [--json]

Two processes, as in a live run: the simulated plant and control, which reads every endpoint, decides
for every device, writes and reads back every setpoint in every cycle. No planner: control holds.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from hil.many import write_park
from vpp.clock import RealClock, Schedule, monotonic_s, wall_now
from vpp.errors import YuanwangError
from vpp.link import LinkClient
from vpp.park import endpoints, load_park, with_port_base
from vpp.service.ready import free_base, listens, wait_for
from vpp.state_dir import RunSettings, StateDir
from vpp.types import Quality

WARM_S = 15
"""Cycles before anything counts: connections come up, first answers."""
READY_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
NAP_S, STILL_S = 0.02, 0.1
"""The witness of a core's own pauses sleeps so long, and calls so long a wait a standstill."""


def cpu_s(process: subprocess.Popen) -> float:
    """CPU seconds of a process so far, user and system (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def prepare(folder: Path, devices: int) -> StateDir:
    """Write the park and the run's settings; the plant starts a few seconds ahead."""
    park = write_park(folder / "park", devices)
    count = len(endpoints(load_park(park)))
    state = StateDir(folder / "state")
    state.prepare()
    state.write_settings(
        RunSettings(
            park=park,
            schedule=Schedule(origin_true_s=monotonic_s(), segments=((wall_now(), 1.0),)),
            seed=1,
            port_base=free_base("127.0.0.1", count, 21000),
            simulated=True,
            scenario=None,
        )
    )
    return state


def start(module: str, state: StateDir) -> subprocess.Popen:
    log = (state.logs / f"{module}.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", module, "--state", str(state.root)], stdout=log, stderr=subprocess.STDOUT
    )


class Witness(threading.Thread):
    """Sleeps and wakes on one core: what it cannot do at a moment, nobody there could.

    A hypervisor may take a single core away, so one witness for all would not see it.
    """

    def __init__(self, core: int) -> None:
        super().__init__(daemon=True)
        self.core = core
        self.gaps: list[tuple[float, float]] = []
        """(monotonic second of the end, seconds) of every wait that took too long."""

    def run(self) -> None:
        os.sched_setaffinity(0, {self.core})
        before_s = monotonic_s()
        while True:
            time.sleep(NAP_S)
            now_s = monotonic_s()
            if now_s - before_s > STILL_S:
                self.gaps.append((now_s, now_s - before_s))
            before_s = now_s

    def still_s(self, since_s: float, until_s: float) -> float:
        """Return the seconds of standstill that ended between two monotonic seconds."""
        return sum(gap_s for at_s, gap_s in self.gaps if since_s < at_s < until_s)


async def snapshots(state: StateDir, count: int, marks) -> list[tuple[float, float, int, int, int]]:
    """Take a row of so many snapshots; `marks` are called before the snapshot of their number."""
    seen: list[tuple[float, float, int, int, int]] = []
    async with await LinkClient.connect(state.socket, "cli", READY_S) as client:
        async for snapshot in client.snapshots():
            if (mark := marks.get(len(seen))) is not None:
                mark()
            good = sum(reading.quality is Quality.GOOD for reading in snapshot.readings.values())
            seen.append((snapshot.true_s, snapshot.cycle, good, snapshot.missed_ticks, len(snapshot.alarms)))
            if len(seen) >= count:
                break
    return seen


async def measure(devices: int, seconds: int) -> dict[str, float]:
    """Run both processes and return the figures."""
    with tempfile.TemporaryDirectory(prefix="cycle500-") as folder:
        state = prepare(Path(folder), devices)
        park = load_park(state.read_settings().park)
        where = endpoints(with_port_base(park, state.read_settings().port_base))
        clock = RealClock(state.read_settings().schedule)
        plant = start("hil", state)
        control = None
        try:
            if not await wait_for(lambda: listens(where.values()), clock, READY_S):
                raise RuntimeError((state.logs / "hil.log").read_text())
            control = start("controllers.acting", state)
            if not await wait_for(lambda: connects(state), clock, READY_S):
                raise RuntimeError((state.logs / "controllers.acting.log").read_text())
            used: list[tuple[float, float]] = []
            witnesses = [Witness(core) for core in sorted(os.sched_getaffinity(0))]
            for witness in witnesses:
                witness.start()

            def mark() -> None:
                used.append((cpu_s(control), cpu_s(plant)))

            rows = await snapshots(state, WARM_S + seconds + 1, {WARM_S: mark})
            mark()
        finally:
            for process in (control, plant):
                if process is not None:
                    process.terminate()
                    process.wait(timeout=20)
        told(rows[WARM_S:], witnesses, state)
    return {"devices": devices, "endpoints": len(where)} | figures(np.array(rows[WARM_S:]), len(where), used)


def told(rows, witnesses: list[Witness], state: StateDir) -> None:
    """Say on stderr when ticks were missed, which cores stood still then, and what control said."""
    missed = False
    for (old_s, _, _, old, _), (new_s, _, good, new, _) in itertools.pairwise(rows):
        if new > old:
            missed = True
            still = ", ".join(f"core {w.core} for {w.still_s(old_s, new_s + 1.0):.2f} s" for w in witnesses)
            print(
                f"{new - old} missed at {new_s - rows[0][0]:.0f} s: {new_s - old_s:.2f} s without a cycle, "
                f"{good} endpoints good after it; of it stood still {still}",
                file=sys.stderr,
            )
    if missed:
        for log in sorted(state.logs.glob("*.log")):
            print(f"{log.name}:", *log.read_text().splitlines()[-20:], sep="\n  ", file=sys.stderr)


async def connects(state: StateDir) -> bool:
    try:
        async with await LinkClient.connect(state.socket, "cli", 1.0):
            return True
    except (YuanwangError, OSError):
        return False


def figures(rows, count, used) -> dict[str, float]:
    true_s, cycle, good, missed, alarms = rows.T
    late_ms = 1e3 * (true_s - true_s[0] - (cycle - cycle[0]))
    late_ms -= np.median(late_ms)
    period_ms = np.abs(np.diff(true_s) - np.diff(cycle)) * 1e3
    spent = np.subtract(used[-1], used[0]) / (true_s[-1] - true_s[0])
    return {
        "cycles": len(rows) - 1,
        "missed_ticks": missed[-1] - missed[0],
        "jitter_p50_ms": float(np.percentile(np.abs(late_ms), 50)),
        "jitter_p99_ms": float(np.percentile(np.abs(late_ms), 99)),
        "jitter_worst_ms": float(np.abs(late_ms).max()),
        "period_p99_ms": float(np.percentile(period_ms, 99)),
        "good_share": float(good.mean() / count),
        "alarms": float(alarms.max()),
        "cpu_control": float(spent[0]),
        "cpu_plant": float(spent[1]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options.devices, options.seconds))
    if options.json:
        print(json.dumps(found))
    else:
        print(f"1 s cycle over Modbus/TCP on loopback, {platform.machine()}, {os.cpu_count()} cores")
        words = {
            "devices": "devices, each commanded in every cycle",
            "endpoints": "endpoints polled in every cycle",
            "cycles": "cycles",
            "missed_ticks": "missed ticks",
            "jitter_p50_ms": "decision against the 1 s grid, p50, ms",
            "jitter_p99_ms": "decision against the 1 s grid, p99, ms",
            "jitter_worst_ms": "decision against the 1 s grid, worst, ms",
            "period_p99_ms": "cycle to cycle against 1 s, p99, ms",
            "good_share": "share of readings no older than 1.5 cycles",
            "alarms": "most alarms at once",
            "cpu_control": "CPU of control, cores",
            "cpu_plant": "CPU of the simulated plant, cores",
        }
        for name, text in words.items():
            print(f"{text:45s} {found[name]:10.3f}")
    return 0 if found["missed_ticks"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
