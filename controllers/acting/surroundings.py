"""What surrounds the devices at a snapshot: who may move at all, tie and network rows, hydrogen."""

from dataclasses import replace
from math import inf

from controllers.acting import tie
from controllers.acting.envelope import Row, network_rows, tie_rows
from controllers.acting.following import step_of
from controllers.acting.holding import Hydrogen
from controllers.acting.reach import NO_CAP, Cap
from vpp.devices import H2Store
from vpp.link import PlanOffer
from vpp.park.model import Park, PlannedOutage
from vpp.types import Mode, Quality, Reading, Snapshot

SILENT = Reading(values={}, quality=Quality.BAD, read_at=None, age_s=inf)
GRACE_PU, GRACE_PERCENT = 0.002, 0.5
"""What a row may still take where it is at its limit: what a voltage transformer of class 0.2 and a current
transformer of class 0.5 resolve (IEC 61869)."""
ACTING_SHARE = 0.05
"""Who moves a row by less than this share of the most effective is not held by it (NERC IRO-006: 5 %)."""
STATUS_STOPS = {3.0: "fault", 4.0: "reverted", 5.0: "local"}
"""Codes of point `status` under which a device does not obey."""


def stopped(park: Park, snapshot: Snapshot, name: str) -> str:
    """Return why control cannot move an element now; empty where it can."""
    reading = snapshot.readings.get(name, SILENT)
    if reading.quality is Quality.BAD or "p_mw" not in reading.values:
        return "silent"
    if any(outage.lost_mw is None for outage in _outages(park, snapshot, name)):
        return "outage"
    if snapshot.modes.get(name, Mode.AUTO) is not Mode.AUTO:
        return snapshot.modes[name].value
    return STATUS_STOPS.get(reading.values.get("status", 1.0), "")


def _outages(park: Park, snapshot: Snapshot, name: str) -> tuple[PlannedOutage, ...]:
    return tuple(o for o in park.outages if o.element == name and o.start <= snapshot.at < o.end)


def derating(park: Park, snapshot: Snapshot, name: str, p_mw: float, sign: int) -> Cap:
    """Return how far a device that the outage calendar derates now may still move."""
    lost = sum(o.lost_mw or 0.0 for o in _outages(park, snapshot, name))
    if lost == 0.0:
        return NO_CAP
    resource = park.resources[name]
    left = max(0.0, max(resource.p_max_mw, -resource.p_min_mw) - lost)
    return Cap(mw=max(0.0, left - sign * p_mw), limit="outage")


def hydrogen_of(park: Park, snapshot: Snapshot) -> Hydrogen:
    """Return the shared hydrogen store as it is metered; full where it is not."""
    values = {name: snapshot.readings.get(name, SILENT).values for name in park.resources}
    stores = [d for d in park.devices.values() if isinstance(d, H2Store)]
    rates = {
        kind: {n: values[n].get("h2_kg_per_h", 0.0) for n, r in park.resources.items() if r.kind == kind}
        for kind in ("electrolyzer", "ammonia")
    }
    held = [(d, values[d.resource.id].get("h2_kg", d.params.usable_kg)) for d in stores]
    return Hydrogen(
        room_kg=sum(max(0.0, d.params.usable_kg - kg) for d, kg in held) if stores else inf,
        above_kg=sum(max(0.0, kg - d.min_kg) for d, kg in held),
        pipeline_kg_per_h=sum(d.params.pipeline_max_kg_per_h for d in stores),
        made_kg_per_h=rates["electrolyzer"],
        used_kg_per_h=rates["ammonia"],
    )


def rows_of(park: Park, snapshot: Snapshot, offer: PlanOffer | None) -> tuple[Row, ...]:
    """Return the rows of tie and network around what is metered; every element moves fully."""
    measured = {
        name: reading.values["p_mw"]
        for name, reading in snapshot.readings.items()
        if name not in park.meters and reading.quality is not Quality.BAD and "p_mw" in reading.values
    }
    everyone = dict.fromkeys(measured, 1.0)
    meter = next((m.id for m in park.meters.values() if m.kind == "tie"), "")
    now_mw = snapshot.readings.get(meter, SILENT).values.get("p_mw")
    rows: tuple[Row, ...] = ()
    contract = park.contracts.tie
    if now_mw is not None:
        limits = tie.limits(snapshot.orders, snapshot.at, contract.import_max_mw, contract.export_max_mw)
        rows = tie_rows(
            now_mw, measured, everyone, measured, import_max_mw=limits[0], export_max_mw=limits[1]
        )
        rows = tuple(replace(row, name=row.name.replace(" ", "_")) for row in rows)
    step = step_of(offer.plan, snapshot.at) if offer is not None else None
    around = next((s for s in offer.sensitivities if s.step == step), None) if offer is not None else None
    around_rows = network_rows(around, measured, everyone, measured) if around is not None else ()
    return rows + tuple(_told(row) for row in around_rows)


def _told(row: Row) -> Row:
    """Return a network row as capability takes it: what cannot be metered passes, and what hardly acts."""
    grace = GRACE_PERCENT if row.name.startswith("branch:") else GRACE_PU
    steepest = max((abs(slope) for slope in row.slope.values()), default=0.0)
    acting = {name: slope for name, slope in row.slope.items() if abs(slope) >= ACTING_SHARE * steepest}
    value = min(row.value, row.limit) - grace
    return replace(row, slope=acting, base={name: row.base[name] for name in acting}, value=value)
