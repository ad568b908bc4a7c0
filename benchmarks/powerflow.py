"""AC power flow of a day: this product's batch against one pandapower run per step, one process.

Both solve the same 96 operating points; the difference of the voltages is printed beside the times.
"""

import platform
import statistics
from importlib.metadata import version

import numpy as np
import pandapower as pp

from network.model import inject, q_mvar, to_pandapower
from network.powerflow import Oracle
from vpp.clock import monotonic_s
from vpp.park import load_park
from vpp.seeds import generator

STEPS = 96
REPEATS = 15
SAMPLED = 24
"""Steps that the slow peer solves."""


def median_ms(job, repeats):
    """Return the median time of a job in milliseconds."""
    times = []
    for _ in range(repeats):
        start = monotonic_s()
        job()
        times.append((monotonic_s() - start) * 1e3)
    return statistics.median(times)


def main():
    """Measure and print."""
    park = load_park("small10")
    oracle = Oracle(park)
    p = generator(1, "benchmark").uniform(-15, 15, size=(STEPS, len(oracle.elements)))
    q = np.column_stack([q_mvar(park, e, p[:, i]) for i, e in enumerate(oracle.elements)])
    states = oracle.solve(p, q)
    ours = median_ms(lambda: oracle.solve(p, q), REPEATS)
    net = to_pandapower(park)
    worst, peer = 0.0, []
    for step in range(SAMPLED):
        at = (dict(zip(oracle.elements, row[step], strict=True)) for row in (p, q))
        inject(net, *at)
        start = monotonic_s()
        pp.runpp(net, numba=False)
        peer.append((monotonic_s() - start) * 1e3)
        worst = max(worst, float(np.abs(net.res_bus.vm_pu.to_numpy() - states.vm_pu[step]).max()))
    theirs = statistics.median(peer) * STEPS
    print(f"AC power flow, {len(oracle.buses)} buses, {STEPS} steps, median, one thread")
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in ("pandapower", "power-grid-model", "numpy")))
    print(f"{'pandapower.runpp, every step':34}{theirs:10.2f} ms  (from {SAMPLED} steps, no numba)")
    print(f"{'batched oracle':34}{ours:10.2f} ms  {theirs / ours:8.0f}x")
    for n in (1, 60):
        each = median_ms(lambda n=n: oracle.solve(p[:n], q[:n]), 5 * REPEATS)
        print(f"{f'one call with {n} steps':34}{each:10.2f} ms")
    print(f"{'largest difference of voltage':34}{worst:10.1e} pu")


if __name__ == "__main__":
    main()
