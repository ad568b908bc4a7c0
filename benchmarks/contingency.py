"""Outages of chifeng96: every one of a snapshot against pandapower's Newton, and all of a day.

Both sides solve the same snapshot without the same branches; the largest difference of the voltages
is printed beside the times. CPU time, since it does not depend on who else uses the machine.
"""

import os
import time
from datetime import date, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is read: one thread for everybody

import numpy as np
import pandapower as pp

from controllers.planning.armed import reach_at_once, reach_later
from forecasts import outlook
from network.contingency import Operation, outage_flows
from network.contingency_actions import actions
from network.contingency_curable import uncurable
from network.contingency_screen import screen_of
from network.model import inject, to_pandapower
from network.powerflow import Oracle
from network.strains import aftermaths
from vpp.clock import UTC
from vpp.park import Park, load_park

DAY = date(2026, 3, 17)
STEPS = 96
SAMPLED = 24
"""Outages that the slow peer solves."""
REPEATS = 5


def operation(park: Park, oracle: Oracle) -> tuple[Operation, dict]:
    """Return a day with weather and demand of the generator, storage at rest, plants at half load."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=ZoneInfo(park.site.zone)).astimezone(UTC)
    forecast = outlook(park, start - timedelta(hours=9), start, STEPS)
    series = {}
    for name, row in park.resources.items():
        p = forecast.available_mw.get(name)
        rest = {"electrolyzer": 0.5, "chp": 0.6, "ammonia": 0.7}.get(row.kind, 0.0)
        p = np.full(STEPS, rest * (row.p_min_mw or row.p_max_mw)) if p is None else 0.8 * p
        series[name] = {"p_mw": p, "e_mwh": np.full(STEPS, 0.5 * (row.e_mwh or 0.0))}
    for name, p in forecast.load_mw.items():
        series[name] = {"p_mw": -p, "load_mw": p}
    p = np.column_stack([series[name]["p_mw"] for name in oracle.elements])
    q = p * outage_flows(oracle).mvar_per_mw
    return Operation(p_mw=p, q_mvar=q, positions=np.tile(oracle.at_rest, (STEPS, 1))), series


def cpu_ms(job, repeats: int = REPEATS) -> float:
    """Return the least CPU time of a job in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        job()
        times.append((time.process_time() - began) * 1e3)
    return min(times)


def snapshot(park: Park, oracle: Oracle, before: Operation) -> None:
    """Solve every branch outage of one step here, a sample of them by plain pandapower."""
    flows = outage_flows(oracle)
    names = [o.name for o in flows.outages if len(o.branches) == 1 and o.kind != "island"]
    at = before.at([48])
    ours = cpu_ms(lambda: [flows.solve(name, at) for name in names]) / len(names)
    net = to_pandapower(park)
    inject(net, *(dict(zip(oracle.elements, row[0], strict=True)) for row in (at.p_mw, at.q_mvar)))
    worst, peer = 0.0, []
    for name in names[:: max(1, len(names) // SAMPLED)]:
        table = "line" if name in set(net.line["name"]) else "trafo"
        net[table].loc[net[table]["name"] == name, "in_service"] = False
        began = time.process_time()
        pp.runpp(net, numba=False)
        peer.append((time.process_time() - began) * 1e3)
        net[table].loc[net[table]["name"] == name, "in_service"] = True
        off = np.abs(net.res_bus.vm_pu.to_numpy() - flows.solve(name, at).vm_pu[0])
        worst = max(worst, float(np.nanmax(off)))
    theirs = float(np.median(peer))
    print(f"{'N-1 of a snapshot':34}{len(names):6} outages")
    print(f"{'pandapower.runpp, each':34}{theirs:10.3f} ms  (from {len(peer)} outages, no numba)")
    print(f"{'here, each':34}{ours:10.3f} ms  {theirs / ours:8.0f}x")
    print(f"{'largest difference of voltage':34}{worst:10.1e} pu")
    screen = screen_of(oracle)

    def judged():
        return aftermaths(oracle, screen.unclear(at), at)

    cases = len(flows.outages)
    each = cpu_ms(judged) / cases
    print(f"{'here, judged by screen and flow':34}{each:10.3f} ms  {theirs / each:8.0f}x")


def day(park: Park, oracle: Oracle, before: Operation, series: dict) -> None:
    """Time the screen, the exact power flows it leaves, and the armed actions of a day."""
    flows, screen = outage_flows(oracle), screen_of(oracle)
    asked = screen.unclear(before)
    solved, cases = sum(int(at.sum()) for at in asked.values()), STEPS * len(asked)

    def exact():
        return aftermaths(oracle, asked, before)

    beyond = {(u.outage, u.row) for u in uncurable(flows)}
    overloads = [b for after in exact() for b in after.overloads if (b.outage, b.row) not in beyond]
    reach = (reach(park, series, oracle.elements) for reach in (reach_at_once, reach_later))
    at_once, later = reach
    print(f"{'a day':34}{cases:6} cases, {solved} solved, {len(overloads)} overloads")
    for words, job in (
        ("screen", lambda: screen.unclear(before)),
        ("exact power flows", exact),
        ("armed actions", lambda: actions(flows, overloads, before, at_once, later)),
    ):
        print(f"{words:34}{cpu_ms(job, 2):10.1f} ms")


def main() -> None:
    park = load_park("chifeng96")
    oracle = Oracle(park)
    before, series = operation(park, oracle)
    peers = ", ".join(f"{name} {version(name)}" for name in ("pandapower", "power-grid-model", "numpy"))
    print(f"chifeng96, {len(oracle.buses)} buses, {STEPS} steps; {peers}; CPU time")
    snapshot(park, oracle, before)
    day(park, oracle, before, series)


if __name__ == "__main__":
    main()
