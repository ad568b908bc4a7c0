"""What a journal tells besides its cycles: plans taken and refused, sheds, alarms, orders, starts."""

from dataclasses import dataclass, field
from datetime import datetime

from vpp.journal import Record
from vpp.reports.unforeseen import Ordered
from vpp.types import Alarm, Plan, ShedReport, wire


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpan:
    """An alarm from its rise to its end."""

    alarm: Alarm
    cleared_at: datetime | None
    """None: it stood at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEvent:
    """A plan that control took or refused."""

    at: datetime
    id: str
    label: str
    """Empty where refused."""
    reason: str
    """Empty where taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedEnergy:
    """What a shed cut until its last breaker was back, MWh by the meters of its loads."""

    cut_mwh: float
    over_mwh: float
    """Cut beyond the order."""
    under_mwh: float
    """Ordered and not cut."""


@dataclass(slots=True)
class Events:
    """Everything of the journal but the cycles."""

    plans: dict[str, Plan] = field(default_factory=dict)
    plan_events: list[PlanEvent] = field(default_factory=list)
    sheds: list[ShedReport] = field(default_factory=list)
    shed_energies: dict[str, ShedEnergy] = field(default_factory=dict)
    """By order, of the sheds that are over."""
    raised: list[Alarm] = field(default_factory=list)
    cleared: dict[tuple[str, datetime], datetime] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    ordered: Ordered = field(default_factory=Ordered)
    """Loads under a shed and when."""
    starts: int = 0
    unread_plans: int = 0
    """Plans of another version of the product: nothing is compared with them."""

    def alarms(self) -> tuple[AlarmSpan, ...]:
        """Return every alarm that rose, from its rise to its end."""
        return tuple(AlarmSpan(alarm=a, cleared_at=self.cleared.get((a.id, a.since))) for a in self.raised)

    def take(self, record: Record) -> None:
        """Add one record; those of kinds without meaning here are passed over."""
        match record.kind:
            case "plan":
                try:
                    plan = wire.decode(record.payload, Plan)
                except ValueError:  # written by another version of the product
                    self.unread_plans += 1
                    return
                self.plans[plan.id] = plan
                self.plan_events.append(PlanEvent(at=record.at, id=plan.id, label=plan.label, reason=""))
            case "plan_refused":
                value = record.value
                self.plan_events.append(
                    PlanEvent(at=record.at, id=value["id"], label="", reason=value["reason"])
                )
            case "shed":
                report = wire.decode(record.payload, ShedReport)
                self.sheds.append(report)
                for target in report.targets:
                    if target.outcome is not None and not report.drill:
                        self.ordered.shed(target.load, target.blocks, report.at)
            case "shed_over":
                over = {name: record.value[name] for name in ShedEnergy.__dataclass_fields__}
                self.shed_energies[record.value["order_id"]] = ShedEnergy(**over)
            case "restore":
                self.ordered.restored(record.value["load"], record.value["block"], record.at)
            case "alarm":
                self.raised.append(wire.decode(record.payload, Alarm))
            case "alarm_cleared":
                alarm = wire.decode(record.payload, Alarm)
                self.cleared[alarm.id, alarm.since] = record.at
            case "order":
                self.orders.append(f"{record.value['type']} {record.value['order']['id']}")
            case "start":
                self.starts += 1
