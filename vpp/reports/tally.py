"""What the cycles of a journal add up to: energies against the plan in force, quarter hours of the tie."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpp.devices.expected import expected_mw
from vpp.journal import LoggedSnapshot
from vpp.park.model import Park
from vpp.reports.events import Events
from vpp.reports.unforeseen import unforeseen_mw
from vpp.types import Array, Plan

QUARTER_S = 900
TIE_TOLERANCE_MW = 0.05
"""A quarter-hour mean counts as over its limit beyond this (assumption: accuracy of the meter)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Metered energy of one element against the plan in force, MWh, out and in of it apart."""

    id: str
    kind: str
    out_mwh: float
    """By meter over the whole run."""
    out_covered_mwh: float
    """By meter while a plan was in force: what the plan is compared with."""
    out_planned_mwh: float
    in_mwh: float
    in_covered_mwh: float
    in_planned_mwh: float
    out_expected_mwh: float
    """The plan and what it could not know (`unforeseen`): deviations from it are net of forecast error."""
    in_expected_mwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TieResult:
    """Quarter-hour means of the import against the limit in force."""

    quarters: int
    over: int
    worst_over_mw: float
    worst_at: datetime | None
    peak_mean_mw: float
    """nan where no quarter hour was metered."""


class Account:
    """Adds up the cycles one by one."""

    def __init__(self, park: Park, events: Events) -> None:
        self._park, self._plans, self._ordered = park, events.plans, events.ordered
        ties = [meter.id for meter in park.meters.values() if meter.kind == "tie"]
        self._tie_id = next(iter(ties), "")
        self._ids = [*park.resources, *park.loads, *ties]
        self._counters: dict[tuple[str, str], float] = {}
        self._metered: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._covered: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._planned: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._expected: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._quarters: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        self._waiting: list[LoggedSnapshot] = []
        """Cycles since the tie's meter last answered."""
        self.first: LoggedSnapshot | None = None
        self.last: LoggedSnapshot | None = None
        self.cycles = self.resets = 0
        self.without_plan_s = 0.0
        self.rates: defaultdict[float, float] = defaultdict(float)
        self.counts: dict[int, tuple[int, int]] = {}

    def take(self, now: LoggedSnapshot) -> None:
        """Add one cycle, later than all before."""
        self.cycles += 1
        self.counts[now.epoch] = (now.missed_ticks, now.dropped_plans)
        before, self.last = self.last, now
        if before is None:
            self.first = now
            self._count(now, [self._metered])
            return
        dt_s = (now.at - before.at).total_seconds()
        self.rates[now.rate] += dt_s
        self._measure_tie(before, now)
        plan = self._plans.get(before.plan_id or "") if before.following == "plan" else None
        if plan is None:
            self.without_plan_s += dt_s
            self._count(now, [self._metered])
        else:
            self._integrate(plan, before, dt_s)
            self._count(now, [self._metered, self._covered])

    def _count(self, now: LoggedSnapshot, sums: Sequence[defaultdict[tuple[str, str], float]]) -> None:
        for id_ in self._ids:
            values = now.values.get(id_, {})
            for side in ("energy_out_mwh", "energy_in_mwh"):
                if side in values:
                    grown = values[side] - self._counters.get((id_, side), values[side])
                    self._counters[id_, side] = values[side]
                    self.resets += grown < 0
                    for total in sums:
                        total[id_, side] += max(0.0, grown)

    def _integrate(self, plan: Plan, before: LoggedSnapshot, dt_s: float) -> None:
        """Add the energy that the plan means for the `dt_s` from a cycle on, split where a step ends."""
        step_s = plan.step_min * 60
        offset_s = (before.at - plan.start).total_seconds()
        while dt_s > 0:
            step = min(max(math.floor(offset_s / step_s), 0), plan.steps - 1)
            inside = 0 <= offset_s < plan.steps * step_s
            part_s = min(dt_s, (step + 1) * step_s - offset_s) if inside else dt_s
            ordered = self._ordered.loads(before.at, plan.made_at)
            moved_mw = unforeseen_mw(self._park, plan, step, before, ordered)
            moved_mw[self._tie_id] = -sum(moved_mw.values())
            middle = plan.start + timedelta(seconds=offset_s + part_s / 2)
            for id_ in self._ids:
                device = self._park.devices.get(id_)
                if device is not None and "p_mw" in plan.series.get(id_, {}):
                    p_mw = expected_mw(device, plan, middle)
                else:
                    p_mw = planned_mw(plan.series.get("tie" if id_ == self._tie_id else id_, {}), step)
                for sums, mw in ((self._planned, p_mw), (self._expected, p_mw + moved_mw.get(id_, 0.0))):
                    side = "energy_out_mwh" if mw > 0 else "energy_in_mwh"
                    sums[id_, side] += abs(mw) * part_s / 3600
            dt_s, offset_s = dt_s - part_s, offset_s + part_s

    def _measure_tie(self, before: LoggedSnapshot, now: LoggedSnapshot) -> None:
        """Add the import between two cycles, by the meter's counters, shared by time among quarter hours.

        Counters that stand still are those of a meter that has not answered: what it shows next is shared
        among all the time since it last did.
        """
        self._waiting.append(before)
        first = self._waiting[0]
        old, new = first.values.get(self._tie_id, {}), now.values.get(self._tie_id, {})
        waited_s = (now.at - first.at).total_seconds()
        moved = {s: new[s] - old[s] for s in ("energy_in_mwh", "energy_out_mwh") if s in old and s in new}
        if len(moved) == 2 and not any(moved.values()) and waited_s < QUARTER_S:
            return
        mean_mw = old.get("p_mw")
        if len(moved) == 2 and min(moved.values()) >= 0.0 and any(moved.values()) and waited_s > 0:
            mean_mw = (moved["energy_in_mwh"] - moved["energy_out_mwh"]) * 3600 / waited_s
        if mean_mw is not None:
            ends = [*(s.at for s in self._waiting[1:]), now.at]
            for since, end in zip(self._waiting, ends, strict=True):
                self._share(since.at.timestamp(), end.timestamp(), mean_mw, since.tie_limit_mw)
        self._waiting.clear()

    def _share(self, at_s: float, end_s: float, import_mw: float, limit_mw: float) -> None:
        """Add a span of seconds since 1970 at one import to the quarter hours that it lies in."""
        while at_s < end_s:
            quarter = self._quarters[int(at_s // QUARTER_S)]
            part_s = min(end_s, (at_s // QUARTER_S + 1) * QUARTER_S) - at_s
            quarter[0] += import_mw * part_s
            quarter[1] += limit_mw * part_s
            quarter[2] += part_s
            at_s += part_s

    def quarters(self) -> dict[int, tuple[float, float]]:
        """Return by quarter hour since 1970 the metered mean of the import and of its limit, MW."""
        return {q: (mw / s, limit / s) for q, (mw, limit, s) in self._quarters.items()}

    def tie(self) -> TieResult:
        """Return how the quarter hours so far kept their limit; only those that are metered by half count."""
        known = self.quarters()
        means = {q: both for q, both in known.items() if self._quarters[q][2] >= QUARTER_S / 2} or known
        over = {q: mean - limit for q, (mean, limit) in means.items() if mean > limit + TIE_TOLERANCE_MW}
        worst = max(over, key=over.__getitem__, default=None)
        at = None
        if worst is not None and self.first is not None:
            at = datetime.fromtimestamp(worst * QUARTER_S, tz=self.first.at.tzinfo)
        return TieResult(
            quarters=len(means),
            over=len(over),
            worst_over_mw=max(over.values(), default=0.0),
            worst_at=at,
            peak_mean_mw=max((mean for mean, _ in means.values()), default=math.nan),
        )

    def energies(self) -> Iterable[Energy]:
        """Yield the energies of every element so far."""
        for id_ in self._ids:
            resource = self._park.resources.get(id_)
            kind = resource.kind if resource else "load" if id_ in self._park.loads else "tie"
            # A tie's counters are named as its signs are: `in` is import, which feeds the park.
            out_side, in_side = "energy_out_mwh", "energy_in_mwh"
            if kind == "tie":
                out_side, in_side = in_side, out_side
            yield Energy(
                id=id_,
                kind=kind,
                out_mwh=self._metered[id_, out_side],
                out_covered_mwh=self._covered[id_, out_side],
                out_planned_mwh=self._planned[id_, "energy_out_mwh"],
                in_mwh=self._metered[id_, in_side],
                in_covered_mwh=self._covered[id_, in_side],
                in_planned_mwh=self._planned[id_, "energy_in_mwh"],
                out_expected_mwh=self._expected[id_, "energy_out_mwh"],
                in_expected_mwh=self._expected[id_, "energy_in_mwh"],
            )


def planned_mw(series: Mapping[str, Array], step: int) -> float:
    """Return the planned power of an element in a step, injection (import at the tie) positive."""
    if "p_mw" in series:
        return float(series["p_mw"][step])
    if "load_mw" in series:
        less, more = (
            sum(float(series[key][step]) for key in keys if key in series)
            for keys in (("shed_mw", "modulated_mw"), ("rebound_mw",))
        )
        return less - more - float(series["load_mw"][step])
    if "import_mw" in series:
        return float(series["import_mw"][step] - series["export_mw"][step])
    return 0.0
