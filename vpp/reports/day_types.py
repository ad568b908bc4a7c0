"""What a day report holds; powers MW, energies MWh, times plant time in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vpp.reports.day_flows import Flows
from vpp.reports.day_mix import Mix
from vpp.reports.events import AlarmSpan, PlanEvent, ShedEnergy
from vpp.reports.tally import Energy, TieResult
from vpp.types import Array, ShedReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of the cost, CNY; revenue is negative."""

    name: str
    metered_cny: float
    planned_cny: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Import in one period of the tariff."""

    name: str
    metered_mwh: float
    metered_cny: float
    planned_mwh: float
    planned_cny: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailed:
    """Wind and sun not fed in, MWh, by cause."""

    cause: str
    """surplus, `branch:..`, `voltage:..`, ramp as the plan says it; control, response, device."""
    metered_mwh: float
    planned_mwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """Use of one battery or CAES plant."""

    id: str
    charged_mwh: float
    discharged_mwh: float
    cycles: float
    """Equivalent full cycles: energy discharged, store side, over the store's full energy."""
    planned_cycles: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One limit and how it was kept."""

    limit: str
    """`tie_import`, `tie_export` (quarter-hour means); cycle by cycle where a meter stands `voltage:BUS`, and
    `feed:BUS`, the loading of what feeds it."""
    count: int
    depth: float
    """Worst, in `unit`."""
    unit: str
    duration_s: float
    worst_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastError:
    """Error of the available power or demand of one kind of elements, quarter-hour means, MW."""

    kind: str
    mean_mw: float
    """Mean of what was metered."""
    bias_mw: float
    """Forecast less metered, mean."""
    mae_mw: float
    """Mean of the absolute error of the sum over all elements of the kind; of the plan in force."""
    first_mae_mw: float
    """The same of the earliest plan that knew the quarter hour; nan where it is the plan in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Share of the known time in which an endpoint answered, and obeyed where it is a device."""

    id: str
    answered: float
    able: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """One day of one park; times are plant time, UTC."""

    park: str
    zone: str
    date: str
    start: datetime
    end: datetime
    known_h: float
    rates: Mapping[str, float]
    cycles: int
    missed_ticks: int
    dropped_plans: int
    control_starts: int
    costs: tuple[Item, ...]
    periods: tuple[Period, ...]
    energies: tuple[Energy, ...]
    curtailed: tuple[Curtailed, ...]
    storage: tuple[Cycles, ...]
    hydrogen_made_kg: float
    hydrogen_delivered_kg: float
    hydrogen_planned_kg: float
    ammonia_t: float
    ammonia_planned_t: float
    tie: TieResult
    planned_peak_mw: float
    outside_mwh: float
    """What crossed the tie outside the band around its declared curve, metered."""
    planned_outside_mwh: float
    month_peak_mw: float
    non_fossil_share: float
    carbon_t: float
    """Direct: import and CHP."""
    hourly_non_fossil: tuple[float, ...]
    hourly_carbon_t: tuple[float, ...]
    breaches: tuple[Breach, ...]
    shed_mwh: float
    planned_shed_mwh: float
    trimmed_mwh: float
    """Of the shed energy what was trimmed without a breaker."""
    planned_trimmed_mwh: float
    sheds: tuple[ShedReport, ...]
    shed_energies: Mapping[str, ShedEnergy]
    """By order, of the sheds that are over."""
    forecasts: tuple[ForecastError, ...]
    availability: tuple[Availability, ...]
    labels_s: Mapping[str, float]
    """By plan label the seconds it was followed; `none`: held without a plan."""
    plans: tuple[PlanEvent, ...]
    unread_plans: int
    """Plans written by another version of the product: their time counts as without a plan."""
    alarms: tuple[AlarmSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A report with the series that its plots show."""

    report: DayReport
    metered: Flows
    planned: Flows
    mix: Mix
    contents: Mapping[str, Array]
    """By store its content at the end of each quarter hour, MWh or kg; nan where unknown."""
    limits_mw: Array
    """Import limit by quarter hour; nan where unknown."""
