"""Adjustable capability: what park, buses, devices and loads can still do from where they are now.

Up is more injection (or less use), down is less; MW by horizon, ramp, duration, price and what limits
it. A pure function over the park, one snapshot, the plan in force and its sensitivities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf

import numpy as np

from controllers.acting import expectation
from controllers.acting.envelope import Row
from controllers.acting.expectation import State
from controllers.acting.following import step_of
from controllers.acting.holding import Hydrogen, price_cny_per_mwh, ramp_mw_per_min
from controllers.acting.offers import Capability, Direction, Element, Pool
from controllers.acting.pooling import Member, cap_of, pool
from controllers.acting.reach import Reach, device_reach, load_reach, nothing
from controllers.acting.selection import block_mw
from controllers.acting.surroundings import SILENT, derating, hydrogen_of, rows_of, stopped
from controllers.acting.trim_offers import TRIM, trim_element, with_trims
from vpp.devices import Caes, H2Store, Pv, Wind
from vpp.link import PlanOffer
from vpp.park.interruption import is_trimmable
from vpp.park.model import Park
from vpp.types import Quality, Reading, Snapshot

WEATHER_NOISE = 0.01
"""Share of the rating below which more wind or sun is the meter's noise; assumption."""
AWAY_MW, AWAY_SHARE = 1.5, 0.1
"""A believed state is given up for the reading where they differ by the larger of both; assumption."""


def capability(
    park: Park,
    snapshot: Snapshot,
    offer: PlanOffer | None = None,
    states: Mapping[str, State] | None = None,
) -> Capability:
    """Return the capability at a snapshot.

    `states` are the believed states of the devices (`believe`); without them they are guessed from
    the readings, which say nothing of minimum times and of how far a start has come.
    """
    known = dict(states or believe(park, None, {}, snapshot))
    rows = rows_of(park, snapshot, offer)
    hydrogen = hydrogen_of(park, snapshot)
    elements: dict[str, Element] = {}
    sides: dict[int, list[Member]] = {1: [], -1: []}
    for name in park.resources:
        if isinstance(park.devices[name], H2Store):
            continue
        elements[name] = _device(park, snapshot, name, known.get(name), rows=rows, hydrogen=hydrogen)
        if offer is not None:
            elements[name] = _weather_hold(park, elements[name], snapshot.at, offer)
    for name, load in park.loads.items():
        if load.blocks:
            elements[name] = _load(park, snapshot, name, rows)
        if is_trimmable(load):
            elements[TRIM + name] = trim_element(park, snapshot, name, rows)
    pooled = with_trims(park, snapshot, rows)
    for element in elements.values():
        each = 0.0
        if element.id in park.loads and element.p_mw is not None:
            each = block_mw(park.loads[element.id], element.p_mw, snapshot.open_blocks.get(element.id, 0))
        for sign, side in ((1, element.up), (-1, element.down)):
            device = park.devices.get(element.id)
            sides[sign].append(
                Member(
                    id=element.id,
                    reach=side.reach,
                    p_mw=element.p_mw or 0.0,
                    device=device,
                    block_mw=each,
                    price_cny_per_mwh=side.price_cny_per_mwh or 0.0,
                )
            )
    buses = dict.fromkeys(element.bus for element in elements.values())
    return Capability(
        at=snapshot.at,
        network=any(row.name not in ("tie_import", "tie_export") for row in rows),
        park=_pool(sides, tuple(elements), pooled, hydrogen),
        buses={
            bus: _pool(sides, tuple(e.id for e in elements.values() if e.bus == bus), pooled, hydrogen)
            for bus in buses
        },
        elements=elements,
    )


def believe(
    park: Park, before: Snapshot | None, states: Mapping[str, State], snapshot: Snapshot
) -> dict[str, State]:
    """Return the devices' states at `snapshot` from those at `before`, under the commands in between.

    As control itself does it (`expectation`); a device whose reading is bad keeps its last state, one
    never seen before is guessed from its reading.
    """
    out: dict[str, State] = {}
    dt_s = (snapshot.at - before.at).total_seconds() if before is not None else 0.0
    for name, device in park.devices.items():
        reading, state = snapshot.readings.get(name, SILENT), states.get(name)
        if state is not None and before is not None and dt_s > 0:
            flow = expectation.drive(park, name, before.readings)
            state = expectation.advance(device, state, before.setpoints.get(name), flow, dt_s)
        if reading.quality is not Quality.BAD and "p_mw" in reading.values:
            rating = max(device.resource.p_max_mw, -device.resource.p_min_mw)
            p_mw = reading.values["p_mw"]
            if state is None or abs(state.p_mw - p_mw) > max(AWAY_MW, AWAY_SHARE * rating):
                state = expectation.first(device, _settled(reading))
            state = expectation.measured(state, reading)
            state = state if isinstance(device, Caes) else replace(state, p_mw=p_mw)
        if state is not None:
            out[name] = state
    return out


def _settled(reading: Reading) -> Reading:
    """Return a reading in which a machine that starts or stops counts as standing: it gives less so."""
    on_the_way = reading.values.get("mode_code", 0.0) not in (0.0, 1.0, 2.0)
    return replace(reading, values={**reading.values, "mode_code": 0.0}) if on_the_way else reading


def _device(
    park: Park, snapshot: Snapshot, name: str, state: State | None, *, rows: Sequence[Row], hydrogen: Hydrogen
) -> Element:
    device, resource = park.devices[name], park.resources[name]
    reading = snapshot.readings.get(name, SILENT)
    p_mw = reading.values.get("p_mw")
    reason = stopped(park, snapshot, name)
    if isinstance(device, Caes) and state is not None:
        starts = snapshot.starts.get(name, {})
        state = replace(
            state,
            starts_turbine=int(starts.get("turbine", state.starts_turbine)),
            starts_compressor=int(starts.get("compressor", state.starts_compressor)),
        )

    def side(sign: int) -> Direction:
        if reason or state is None:
            return Direction(reach=nothing(reason or "silent", p_mw or 0.0), price_cny_per_mwh=None)
        caps = (cap_of(rows, name, sign), derating(park, snapshot, name, state.p_mw, sign))
        reach = device_reach(
            park,
            device,
            state,
            expectation.drive(park, name, snapshot.readings),
            sign,
            hydrogen=hydrogen,
            cap=min(caps, key=lambda cap: cap.mw),
        )
        to_mw = reach[-1].setpoint_mw
        priced = price_cny_per_mwh(park, device, state.p_mw, to_mw, snapshot.at) if reach[-1].mw else None
        return Direction(reach=reach, price_cny_per_mwh=priced)

    return Element(
        id=name,
        kind=resource.kind,
        bus=resource.bus,
        p_mw=p_mw,
        ramp_mw_per_min=ramp_mw_per_min(device),
        up=side(1),
        down=side(-1),
    )


def _load(park: Park, snapshot: Snapshot, name: str, rows: Sequence[Row]) -> Element:
    load = park.loads[name]
    p_mw = snapshot.readings.get(name, SILENT).values.get("p_mw")
    reason = stopped(park, snapshot, name)
    opened = int(snapshot.open_blocks.get(name, 0))

    def side(sign: int) -> Direction:
        if reason or p_mw is None:
            return Direction(reach=nothing(reason or "silent", p_mw or 0.0), price_cny_per_mwh=None)
        each, cap = block_mw(load, p_mw, opened), cap_of(rows, name, sign)
        reach = load_reach(load, p_mw, snapshot.calls.get(name), opened, sign)
        fit = tuple(
            replace(r, mw=most, setpoint_mw=p_mw + sign * most, limit=cap.limit)
            if (most := each * int((cap.mw + 1e-9) / each) if each > 0 and cap.mw < r.mw else r.mw) < r.mw
            else r
            for r in reach
        )
        energy = 1000 * load.contract_energy_cny_per_kwh
        hours = fit[-1].hold_s / 3600
        restart = load.restart_cost_cny / (each * hours) if sign > 0 and each * hours > 0 else 0.0
        price = (energy + restart if sign > 0 else -energy) if fit[-1].mw else None
        return Direction(reach=fit, price_cny_per_mwh=price)

    return Element(
        id=name, kind="load", bus=load.bus, p_mw=p_mw, ramp_mw_per_min=inf, up=side(1), down=side(-1)
    )


def _weather_hold(park: Park, element: Element, at: datetime, offer: PlanOffer) -> Element:
    """Return wind or PV with the time for which the plan's forecast carries what it offers upwards.

    Nothing where that is over already.
    """
    if not isinstance(park.devices[element.id], Wind | Pv):
        return element
    plan = offer.plan
    available = plan.series[element.id].get("available_mw")
    first = step_of(plan, at)
    if available is None or first is None:
        return element

    noise_mw = WEATHER_NOISE * park.resources[element.id].p_max_mw

    def lasts(reach: Reach) -> Reach:
        below = np.nonzero(available[first:] < reach.setpoint_mw - noise_mw)[0]
        step = first + int(below[0]) if len(below) else plan.steps
        end = plan.start + timedelta(minutes=plan.step_min * step)
        hold_s = max(0.0, (end - at).total_seconds())
        if reach.mw <= noise_mw or hold_s < 1.0:
            return replace(reach, mw=0.0, setpoint_mw=element.p_mw or 0.0)
        return replace(reach, hold_s=hold_s)

    reach = tuple(map(lasts, element.up.reach))
    price = element.up.price_cny_per_mwh if reach[-1].mw else None
    return replace(element, up=Direction(reach=reach, price_cny_per_mwh=price))


def _pool(
    sides: Mapping[int, Sequence[Member]], names: tuple[str, ...], rows: Sequence[Row], hydrogen: Hydrogen
) -> Pool:
    up, down = (pool([m for m in sides[s] if m.id in names], rows, hydrogen, s) for s in (1, -1))
    return Pool(members=names, up=up, down=down)
