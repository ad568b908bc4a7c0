"""The reactive plan on paper: moves of banks and taps, where everything stands."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from vpp.park.model import Park
from vpp.reports.plan_file import step_starts
from vpp.types import Array, Plan


def moves(park: Park, plan: Plan) -> Iterator[tuple[datetime, str, float, float]]:
    """Yield (start of the step, actuator, position before, position after) of banks and taps, by time.

    A statcom has none: it follows in every step.
    """
    found = []
    for name, row in park.actuators.items():
        at = plan.series.get(name, {}).get("position")
        if at is None or row.kind == "statcom":
            continue
        before = np.concatenate([[plan.initial.positions.get(name, at[0])], at[:-1]])
        found += [(int(k), name, float(before[k]), float(at[k])) for k in np.flatnonzero(before != at)]
    starts = step_starts(plan)
    for step, name, left, reached in sorted(found):
        yield starts[step], name, left, reached


def sources_mvar(park: Park, plan: Plan) -> Array:
    """Return (steps,) what devices and statcoms inject together, Mvar."""
    total = np.zeros(plan.steps)
    for name in park.resources:
        total = total + plan.series[name]["q_mvar"]
    for name, row in park.actuators.items():
        if row.kind == "statcom" and name in plan.series:
            total = total + plan.series[name]["position"]
    return total
