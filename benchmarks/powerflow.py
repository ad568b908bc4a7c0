"""AC power flow of a day: this product's batch against one pandapower run per step, one process.

Both solve the same 96 operating points; the difference of the voltages is printed beside the times.
"""

import os
import platform
import statistics
import warnings
from datetime import datetime, timedelta
from importlib.metadata import version
from time import process_time
from zoneinfo import ZoneInfo

STEPS = 96
REPEATS = 15
SAMPLED = 16
"""Steps that the slow peer solves."""
SPREAD = 0.2
"""Each bus of a public grid at 80 to 120 % of its own power."""


def median_ms(job, repeats):
    """Return the median CPU time of a job in milliseconds: one thread, whatever else runs here."""
    times = []
    for _ in range(repeats):
        start = process_time()
        job()
        times.append((process_time() - start) * 1e3)
    return statistics.median(times)


def runpp_times(net, put, steps, vm_pu):
    """Return milliseconds of each pandapower run and the largest difference of a voltage to `vm_pu`."""
    import numpy as np
    import pandapower as pp

    times, worst = [], 0.0
    for step in steps:
        put(step)
        start = process_time()
        pp.runpp(net, numba=False)
        times.append((process_time() - start) * 1e3)
        worst = max(worst, float(np.abs(net.res_bus.vm_pu.to_numpy() - vm_pu[step]).max()))
    return times, worst


def row(name, ours, times, worst):
    """Print one comparison."""
    theirs = statistics.median(times) * STEPS
    print(f"{name:44}{theirs:10.0f} ms{ours:10.2f} ms{theirs / ours:8.0f}x{worst:12.1e} pu")


def park_row(name):
    """Measure a shipped park over the truth of a day: farms and demand as they are, the rest idle."""
    import numpy as np

    from forecasts import available_mw, load_mw
    from network.model import inject, q_mvar, to_pandapower
    from network.powerflow import Oracle
    from vpp.park import load_park

    park = load_park(name)
    oracle = Oracle(park)
    begin = datetime(2026, 3, 17, tzinfo=ZoneInfo(park.site.zone))
    starts = [begin + timedelta(minutes=15 * k) for k in range(STEPS)]
    weather = [r.id for r in park.resources.values() if r.kind in ("wind", "pv")]
    power = {e: available_mw(park, e, starts, 900.0) for e in weather}
    power |= {e: -load_mw(park, e, starts, 900.0) for e in park.loads}
    p = np.column_stack([power.get(e, np.zeros(STEPS)) for e in oracle.elements])
    q = np.column_stack([q_mvar(park, e, p[:, i]) for i, e in enumerate(oracle.elements)])
    states = oracle.solve(p, q)
    assert states.converged.all()
    net = to_pandapower(park)

    def put(step):
        inject(net, *(dict(zip(oracle.elements, values[step], strict=True)) for values in (p, q)))

    times, worst = runpp_times(net, put, range(0, STEPS, STEPS // SAMPLED), states.vm_pu)
    row(f"{name}, {len(oracle.buses)} buses", median_ms(lambda: oracle.solve(p, q), REPEATS), times, worst)


def public_row(name):
    """Measure a grid that pandapower ships, its generators holding their voltages."""
    import pandapower as pp
    from pandapower import networks

    from network.batched_flow import BatchedFlow
    from vpp.seeds import generator

    net = getattr(networks, name)()
    pp.runpp(net, numba=False)
    flow = BatchedFlow(net)
    drawn = net.load[["p_mw", "q_mvar"]].copy()
    scale = generator(1, "benchmark").uniform(1 - SPREAD, 1 + SPREAD, size=(STEPS, len(drawn)))
    own = [flow.p_mw, flow.q_mvar]
    rows = [
        own_row + (1 - scale) @ _at_buses(net, column) for own_row, column in zip(own, drawn, strict=True)
    ]
    states = flow.solve(*rows)
    assert states.converged.all()

    def put(step):
        for column in drawn:
            net.load[column] = drawn[column] * scale[step]

    times, worst = runpp_times(net, put, range(0, STEPS, STEPS // SAMPLED), states.vm_pu)
    ours = median_ms(lambda: flow.solve(*rows), REPEATS)
    row(f"{name}, {len(net.bus)} buses, {len(net.gen)} hold their voltage", ours, times, worst)


def _at_buses(net, column):
    """Return (loads, buses): what each load draws at its bus."""
    import numpy as np

    drawn = np.zeros((len(net.load), len(net.bus)))
    at = [net.bus.index.get_loc(bus) for bus in net.load.bus]
    drawn[np.arange(len(at)), at] = net.load[column]
    return drawn


def main():
    """Measure and print."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is read: one thread for everybody
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # pandapower about its own files
    print(f"AC power flow, {STEPS} steps, median CPU time, one thread")
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in ("pandapower", "power-grid-model", "numpy")))
    print(f"{'':44}{'runpp':>10}   {'batch':>10}   {'ratio':>8}{'difference':>12}")
    for name in ("small10", "chifeng96"):
        park_row(name)
    public_row("case118")
    print(f"runpp without numba, from {SAMPLED} steps")


if __name__ == "__main__":
    main()
