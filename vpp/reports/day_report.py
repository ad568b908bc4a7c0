"""A day on paper, from the journal alone: plan against meter, cost, limits, forecasts, devices."""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from vpp.clock import UTC
from vpp.devices import Bess, Caes
from vpp.errors import Fault, InvalidInput
from vpp.journal import read, snapshots, tail
from vpp.park.model import Park
from vpp.reports.day_cost import day_costs, energy_by_period, outside_mwh
from vpp.reports.day_flows import QUARTER_S, Flows, planned_flows
from vpp.reports.day_forecasts import forecast_errors
from vpp.reports.day_meter import DayMeter
from vpp.reports.day_mix import Mix, mix
from vpp.reports.day_types import (
    Availability,
    Breach,
    Curtailed,
    Cycles,
    Day,
    DayReport,
    Item,
    Period,
)
from vpp.reports.events import Events
from vpp.reports.tally import TIE_TOLERANCE_MW, Account
from vpp.types import Array, Plan

BEFORE = timedelta(days=2)
"""Records so much older than the day are read for the plan in force at its begin."""
_Peaks = tuple[float, float]
"""The month's peak at the day's first and last cycle, MW."""
LAST_RECORDS = 1000
"""Newest records among which a cycle is looked for."""


def day_bounds(park: Park, day: date) -> tuple[datetime, datetime]:
    """Return begin and end of a local day, UTC; 23 or 25 hours where the zone changes its clocks."""
    zone = ZoneInfo(park.site.zone)
    begin, end = (
        datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (day, day + timedelta(days=1))
    )
    return begin, end


def day_report(park: Park, journal: Path, day: date) -> Day:
    """Return the report of a local day; InvalidInput where the journal holds no cycle of it."""
    start, end = day_bounds(park, day)
    events = Events()
    for record in read(journal):
        if start - BEFORE <= record.at < end and (record.at >= start or record.kind == "plan"):
            events.take(record)
    meter = DayMeter(
        park=park, plans=events.plans, start=start, bins=int((end - start).total_seconds()) // QUARTER_S
    )
    account, peaks = Account(park, events), []
    for snapshot in snapshots(journal, start, end):
        meter.take(snapshot)
        account.take(snapshot)
        peaks.append(snapshot.month_peak_mw)
    if account.first is None or account.last is None:
        fault = Fault(file=str(journal), wrong=f"no cycle of {day}", expected="a day that was run")
        raise InvalidInput((fault,))
    for quarter, (mean, limit) in account.quarters().items():
        at = datetime.fromtimestamp(quarter * QUARTER_S, tz=UTC)
        over = max(0.0, mean - limit - TIE_TOLERANCE_MW) and mean - limit
        meter.note("tie_import", "MW", over, QUARTER_S, at)
        sold = max(0.0, -mean - park.contracts.tie.export_max_mw - TIE_TOLERANCE_MW)
        meter.note("tie_export", "MW", sold and -mean - park.contracts.tie.export_max_mw, QUARTER_S, at)
    planned = planned_flows(park, events.plans, meter.in_force, start, meter.bins)
    metered = meter.flows()
    sources = mix(park, metered)
    month = (peaks[0], peaks[-1])
    return Day(
        report=_report(
            meter, account, events, sources, metered=metered, planned=planned, day=day, month=month
        ),
        metered=metered,
        planned=planned,
        mix=sources,
        contents=meter.contents,
        limits_mw=_limits(meter, account),
    )


def _report(
    meter: DayMeter,
    account: Account,
    events: Events,
    sources: Mix,
    *,
    metered: Flows,
    planned: Flows,
    day: date,
    month: _Peaks,
) -> DayReport:
    park, tie, planned_peak = meter.park, account.tie(), _planned_peak(planned)
    assert account.first is not None
    assert account.last is not None
    share, carbon = sources.hourly()
    return DayReport(
        park=park.name,
        zone=park.site.zone,
        date=day.isoformat(),
        start=account.first.at,
        end=account.last.at,
        known_h=metered.known_h,
        rates={f"{rate:g}": seconds for rate, seconds in account.rates.items()},
        cycles=account.cycles,
        missed_ticks=sum(missed for missed, _ in account.counts.values()),
        dropped_plans=sum(dropped for _, dropped in account.counts.values()),
        control_starts=events.starts,
        costs=_costs(park, metered, planned, tie.peak_mean_mw, planned_peak=planned_peak, before=month[0]),
        periods=_periods(park, metered, planned),
        energies=tuple(account.energies()),
        curtailed=_curtailed(meter, events.plans),
        storage=_storage(park, metered, planned),
        hydrogen_made_kg=metered.total("made_kg"),
        hydrogen_delivered_kg=metered.total("delivered_kg"),
        hydrogen_planned_kg=planned.total("delivered_kg"),
        ammonia_t=metered.total("ammonia_t"),
        ammonia_planned_t=planned.total("ammonia_t"),
        tie=tie,
        planned_peak_mw=planned_peak,
        outside_mwh=float(outside_mwh(park, metered, planned).sum()),
        planned_outside_mwh=float(outside_mwh(park, planned, planned).sum()),
        month_peak_mw=month[1],
        non_fossil_share=sources.share,
        carbon_t=sources.direct_t,
        hourly_non_fossil=tuple(map(float, share)),
        hourly_carbon_t=tuple(map(float, carbon)),
        breaches=_breaches(meter),
        shed_mwh=metered.total("cut"),
        planned_shed_mwh=planned.total("cut"),
        trimmed_mwh=metered.total("trimmed"),
        planned_trimmed_mwh=planned.total("trimmed"),
        sheds=tuple(events.sheds),
        shed_energies=dict(events.shed_energies),
        forecasts=tuple(forecast_errors(park, meter, metered, planned)),
        availability=_availability(meter),
        labels_s=dict(meter.labels_s),
        plans=tuple(e for e in events.plan_events if e.at >= account.first.at),
        unread_plans=events.unread_plans,
        alarms=events.alarms(),
    )


def _planned_peak(planned: Flows) -> float:
    """Return the greatest mean import of a quarter hour that plans asked for, MW; nan without a plan."""
    imported, known = planned.by_bin("import"), planned.seconds > 0
    return float(np.max(imported[known] * 3600 / planned.seconds[known])) if known.any() else math.nan


def _limits(meter: DayMeter, account: Account) -> Array:
    """Return the import limit by quarter hour, MW; nan where unknown."""
    limits = np.full(meter.bins, np.nan)
    for quarter, (_, limit) in account.quarters().items():
        limits[int(quarter - meter.start.timestamp() // QUARTER_S)] = limit
    return limits


def _costs(
    park: Park, metered: Flows, planned: Flows, peak_mw: float, *, planned_peak: float, before: float
) -> tuple[Item, ...]:
    real, asked = (
        day_costs(park, flows, peak, before, outside_mwh(park, flows, planned))
        for flows, peak in ((metered, peak_mw), (planned, planned_peak))
    )
    return tuple(
        Item(name=name, metered_cny=real[name], planned_cny=asked[name])
        for name in real
        if real[name] or asked[name]
    )


def _periods(park: Park, metered: Flows, planned: Flows) -> tuple[Period, ...]:
    real, asked = energy_by_period(park, metered), energy_by_period(park, planned)
    return tuple(
        Period(
            name=name,
            metered_mwh=real[name][0],
            metered_cny=real[name][1],
            planned_mwh=asked[name][0],
            planned_cny=asked[name][1],
        )
        for name in real
    )


def _curtailed(meter: DayMeter, plans: Mapping[str, Plan]) -> tuple[Curtailed, ...]:
    real: dict[str, float] = {}
    for (_, cause), mwh in meter.causes.items():
        real[cause] = real.get(cause, 0.0) + mwh
    asked: dict[str, float] = {}
    for (plan_id, step), seconds in meter.in_force.items():
        plan, hours = plans[plan_id], float(seconds.sum()) / 3600
        for name, causes in plan.curtailment_cause.items():
            cause = causes[step] if step < len(causes) else ""
            if cause:
                mw = float(plan.series[name]["curtailed_mw"][step])
                asked[cause] = asked.get(cause, 0.0) + mw * hours
    return tuple(
        Curtailed(cause=cause, metered_mwh=real.get(cause, 0.0), planned_mwh=asked.get(cause, 0.0))
        for cause in sorted(real | asked, key=lambda c: -max(real.get(c, 0.0), asked.get(c, 0.0)))
    )


def _storage(park: Park, metered: Flows, planned: Flows) -> tuple[Cycles, ...]:
    def turns(flows: Flows, name: str, device: Bess | Caes) -> tuple[float, float, float]:
        none = np.zeros(flows.bins)
        charged = float(flows.of("charge").get(name, none).sum())
        given = float(flows.of("discharge").get(name, none).sum())
        if isinstance(device, Bess):
            return charged, given, given / device.params.eta_dis / device.e_full_mwh
        return charged, given, given / device.params.eta_discharge / device.e_air_mwh

    out = []
    for name, device in park.devices.items():
        if isinstance(device, Bess | Caes):
            charged, given, cycles = turns(metered, name, device)
            out.append(
                Cycles(
                    id=name,
                    charged_mwh=charged,
                    discharged_mwh=given,
                    cycles=cycles,
                    planned_cycles=turns(planned, name, device)[2],
                )
            )
    return tuple(out)


def _breaches(meter: DayMeter) -> tuple[Breach, ...]:
    return tuple(
        Breach(
            limit=name, count=s.count, depth=s.depth, unit=s.unit, duration_s=s.seconds, worst_at=s.worst_at
        )
        for name, s in sorted(meter.spells.items())
    )


def _availability(meter: DayMeter) -> tuple[Availability, ...]:
    known_s = float(meter.seconds.sum()) or 1.0
    park = meter.park
    return tuple(
        Availability(id=n, answered=meter.answered_s[n] / known_s, able=meter.able_s[n] / known_s)
        for n in (*park.resources, *park.loads, *park.meters)
    )


def last_day(park: Park, journal: Path) -> date:
    """Return the local day of the last cycle; InvalidInput where there is none."""
    found = [record.at for record in tail(journal, LAST_RECORDS) if record.kind == "snapshot"]
    if not found:
        raise InvalidInput(
            (Fault(file=str(journal), wrong="no cycle of control", expected="a run's journal"),)
        )
    return found[-1].astimezone(ZoneInfo(park.site.zone)).date()
