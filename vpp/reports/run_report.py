"""What a run did, from its journal alone: energies against the plan, tie, sheds, alarms, misses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from vpp.errors import Fault, InvalidInput
from vpp.journal import read, snapshots
from vpp.park.model import Park
from vpp.reports.events import AlarmSpan, Events, PlanEvent, ShedEnergy
from vpp.reports.tally import Account, Energy, TieResult
from vpp.types import ShedReport


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The whole run; times are plant time, UTC."""

    park: str
    zone: str
    start: datetime
    end: datetime
    rates: Mapping[str, float]
    """By rate (plant seconds per true second, as text) the plant seconds it ran at it."""
    cycles: int
    missed_ticks: int
    dropped_plans: int
    control_starts: int
    without_plan_s: float
    """Plant seconds in which control held, without a valid plan."""
    counter_resets: int
    """Times an energy counter went backwards, as after a restart of a device; not counted as energy."""
    energies: tuple[Energy, ...]
    tie: TieResult
    plans: tuple[PlanEvent, ...]
    sheds: tuple[ShedReport, ...]
    shed_energies: Mapping[str, ShedEnergy]
    """By order, of the sheds that are over."""
    alarms: tuple[AlarmSpan, ...]
    unread_plans: int
    """Plans written by another version of the product: their time counts as without a plan."""
    orders: tuple[str, ...]
    """Accepted orders in words."""


def run_report(park: Park, journal: Path) -> RunReport:
    """Return the report of the run whose journal lies in `journal`.

    Energies are increments of the elements' own counters; the plan's are its series integrated
    over the same cycles, each with the plan that was in force. Raises InvalidInput where the
    journal holds no cycle.
    """
    events = Events()
    for record in read(journal):
        events.take(record)
    account = Account(park, events)
    for snapshot in snapshots(journal):
        account.take(snapshot)
    if account.first is None or account.last is None:
        fault = Fault(file=str(journal), wrong="no cycle of control", expected="the journal of a run")
        raise InvalidInput((fault,))
    return RunReport(
        park=park.name,
        zone=park.site.zone,
        start=account.first.at,
        end=account.last.at,
        rates={f"{rate:g}": seconds for rate, seconds in account.rates.items()},
        cycles=account.cycles,
        missed_ticks=sum(missed for missed, _ in account.counts.values()),
        dropped_plans=sum(dropped for _, dropped in account.counts.values()),
        control_starts=events.starts,
        without_plan_s=account.without_plan_s,
        counter_resets=account.resets,
        energies=tuple(account.energies()),
        tie=account.tie(),
        plans=tuple(events.plan_events),
        sheds=tuple(events.sheds),
        shed_energies=dict(events.shed_energies),
        alarms=events.alarms(),
        unread_plans=events.unread_plans,
        orders=tuple(events.orders),
    )


def span(report: RunReport) -> timedelta:
    """Return the plant time from the first to the last cycle."""
    return report.end - report.start
