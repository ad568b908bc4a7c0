"""Two plans side by side: costs, energies, peaks, curtailment, what gave way, and step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from vpp.errors import Fault, InvalidInput
from vpp.reports.plan_file import step_starts
from vpp.reports.plan_numbers import curtailed_by_cause, step_hours
from vpp.reports.tally import planned_mw
from vpp.types import Array, Plan

THRESHOLD_MW = 1.0
"""Differences of a step below this are not listed (assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One figure of both plans; 0 where a plan has none."""

    name: str
    unit: str
    a: float
    b: float

    @property
    def difference(self) -> float:
        """B minus A."""
        return self.b - self.a


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPair:
    """One element in one step in which the plans differ."""

    start: datetime
    element: str
    a_mw: float
    """Injection positive, import positive at the tie."""
    b_mw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two plans of one park differ in; figures of energy are those of their common steps."""

    a: str
    b: str
    """Ids."""
    start: datetime
    steps: int
    """Common steps."""
    notes: tuple[str, ...]
    costs: tuple[Pair, ...]
    """CNY of each whole plan, the total last."""
    energies: tuple[Pair, ...]
    """MWh of each element by direction."""
    peaks: tuple[Pair, ...]
    curtailed: tuple[Pair, ...]
    """MWh by cause."""
    violations: tuple[Pair, ...]
    """Limits that gave way: the largest amount of each, in its unit."""
    threshold_mw: float
    differences: tuple[StepPair, ...]
    """Steps in which an element's power differs by more than the threshold."""


def compare(a: Plan, b: Plan, threshold_mw: float = THRESHOLD_MW) -> Comparison:
    """Return what plan `b` does otherwise than `a`.

    InvalidInput where they are of different parks or elements, have other step lengths or no common step.
    """
    first, count = _common(a, b)
    at_a, at_b = (round((first - p.start) / timedelta(minutes=p.step_min)) for p in (a, b))
    spans = slice(at_a, at_a + count), slice(at_b, at_b + count)
    whole = a.start == b.start and a.steps == b.steps
    notes = (
        () if whole else ("the windows differ: costs are those of each whole plan, the rest of common steps",)
    )
    return Comparison(
        a=a.id,
        b=b.id,
        start=first,
        steps=count,
        notes=notes,
        costs=_pairs(_costs(a), _costs(b), "CNY"),
        energies=_pairs(_energies(a, spans[0]), _energies(b, spans[1]), "MWh"),
        peaks=_pairs(_peaks(a, spans[0]), _peaks(b, spans[1]), "MW"),
        curtailed=_pairs(_curtailed(a, spans[0]), _curtailed(b, spans[1]), "MWh"),
        violations=tuple(_gave(a, b)),
        threshold_mw=threshold_mw,
        differences=tuple(_differences(a, b, spans, first, threshold_mw=threshold_mw)),
    )


def power_mw(plan: Plan, element: str) -> Array:
    """Return the planned power of an element or `tie`, (steps,), injection (import at the tie) positive."""
    return np.array([planned_mw(plan.series[element], step) for step in range(plan.steps)])


def comparison_to_json(comparison: Comparison) -> bytes:
    """Return a comparison as JSON."""
    return msgspec.json.encode(comparison)


def _common(a: Plan, b: Plan) -> tuple[datetime, int]:
    """Return start and number of the common steps."""
    wrong = ""
    if a.park != b.park or a.series.keys() != b.series.keys():
        wrong = f"plans of {a.park} and {b.park} with different elements"
    elif a.step_min != b.step_min:
        wrong = f"steps of {a.step_min} and {b.step_min} min"
    starts = sorted(set(step_starts(a)) & set(step_starts(b)))
    if not wrong and not starts:
        wrong = "no common step"
    if wrong:
        raise InvalidInput((Fault(file=f"{a.id}, {b.id}", wrong=wrong, expected="two plans of one park"),))
    return starts[0], len(starts)


def _pairs(a: Mapping[str, float], b: Mapping[str, float], unit: str) -> tuple[Pair, ...]:
    return tuple(
        Pair(name=name, unit=unit, a=a.get(name, 0.0), b=b.get(name, 0.0)) for name in dict.fromkeys([*a, *b])
    )


def _costs(plan: Plan) -> dict[str, float]:
    return {**plan.cost_breakdown_cny, "total": plan.cost_cny}


def _energies(plan: Plan, span: slice) -> dict[str, float]:
    hours, out = step_hours(plan)[span], {}
    for name in plan.series:
        if name == "network":
            continue
        p_mw = power_mw(plan, name)[span]
        forth, back = ("import", "export") if name == "tie" else ("out", "in")
        for word, side in ((forth, np.maximum(p_mw, 0.0)), (back, np.maximum(-p_mw, 0.0))):
            if side.any():
                out[f"{name} {word}"] = float(side @ hours)
    for name, series in plan.series.items():
        if "shed_mw" in series and series["shed_mw"][span].any():
            out[f"{name} interrupted"] = float(series["shed_mw"][span] @ hours)
    return out


def _peaks(plan: Plan, span: slice) -> dict[str, float]:
    tie = plan.series["tie"]
    return {
        "highest import": float(tie["import_mw"][span].max()),
        "highest export": float(tie["export_mw"][span].max()),
        "highest losses": float(plan.series["network"]["losses_mw"][span].max()),
    }


def _curtailed(plan: Plan, span: slice) -> dict[str, float]:
    hours = step_hours(plan)[span]
    return {cause: float(mw[span] @ hours) for cause, mw in curtailed_by_cause(plan).items()}


def _gave(a: Plan, b: Plan) -> Iterator[Pair]:
    worst: dict[tuple[str, str], list[float]] = {}
    for k, plan in enumerate((a, b)):
        for r in plan.relaxations:
            pair = worst.setdefault((r.limit, r.unit), [0.0, 0.0])
            pair[k] = max(pair[k], r.amount)
    for (limit, unit), (in_a, in_b) in worst.items():
        yield Pair(name=limit, unit=unit, a=in_a, b=in_b)


def _differences(
    a: Plan, b: Plan, spans: tuple[slice, slice], first: datetime, *, threshold_mw: float
) -> Iterator[StepPair]:
    names = [name for name in a.series if name != "network"]
    powers = {name: (power_mw(a, name)[spans[0]], power_mw(b, name)[spans[1]]) for name in names}
    for k in range(spans[0].stop - spans[0].start):
        start = first + timedelta(minutes=a.step_min * k)
        for name, (in_a, in_b) in powers.items():
            if abs(in_b[k] - in_a[k]) > threshold_mw:
                yield StepPair(start=start, element=name, a_mw=float(in_a[k]), b_mw=float(in_b[k]))


def aligned_mw(a: Plan, b: Plan) -> dict[str, tuple[Array, Array]]:
    """Return by element the powers of both plans on the steps of `a`, nan where `b` has none.

    Those that differ most stand first.
    """
    offset = round((a.start - b.start) / timedelta(minutes=a.step_min))
    pairs = {}
    for name in a.series:
        if name != "network":
            there = np.full(a.steps, np.nan)
            values = power_mw(b, name)
            for k in range(a.steps):
                if 0 <= k + offset < b.steps:
                    there[k] = values[k + offset]
            pairs[name] = (power_mw(a, name), there)
    return dict(sorted(pairs.items(), key=lambda pair: -float(np.nansum(abs(pair[1][1] - pair[1][0])))))
