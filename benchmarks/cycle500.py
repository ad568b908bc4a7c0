"""Control's 1 s cycle with 500 devices over Modbus/TCP: missed ticks, jitter, CPU; prints one table.

python benchmarks/cycle500.py [--devices N] [--seconds S] [--json]

Two processes, as in a live run: the simulated plant and control, which reads every endpoint, decides
for every device, writes and reads back every setpoint in every cycle. No planner: control holds.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
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

            def mark() -> None:
                used.append((cpu_s(control), cpu_s(plant)))

            rows = await snapshots(state, WARM_S + seconds + 1, {WARM_S: mark})
            mark()
        finally:
            for process in (control, plant):
                if process is not None:
                    process.terminate()
                    process.wait(timeout=20)
    return {"devices": devices, "endpoints": len(where)} | figures(np.array(rows[WARM_S:]), len(where), used)


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
