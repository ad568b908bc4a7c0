"""Which connection serves which endpoint: units and owners made from a park, without a socket yet."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controllers.acting.circuit import Circuit
from controllers.acting.modbus import Lane
from controllers.acting.owner import Owner
from controllers.acting.security import client_context
from controllers.acting.unit import PollPlan, Unit, poll_plan
from vpp.clock import Clock
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.points import Block
from vpp.seeds import generator
from vpp.types import Endpoint, Point


@dataclass(frozen=True, slots=True)
class Wiring:
    """Units by id and the owner of each; those of one host and port share a connection."""

    points: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    shed: dict[str, Unit] = field(default_factory=dict)
    """By load the unit on its second, dedicated connection."""
    owners: dict[Unit, Owner] = field(default_factory=dict)

    def by_key(self) -> dict[object, Owner]:
        """Return each owner by all that its connection depends on."""
        return {
            tuple((unit.name, unit.endpoint, self.points[unit.device]) for unit in owner.units): owner
            for owner in dict.fromkeys(self.owners.values())
        }


def wire(park: Park, clock: Clock, told: Callable[[Unit], None]) -> Wiring:
    """Return the wiring of a park; `told` hears of every poll that ended.

    Raises:
        InvalidInput: a certificate cannot be used.

    """
    wiring, tls = Wiring(), client_context(park)
    # meters first: what they say of the tie belongs to the begin of a cycle
    known = endpoints(park)
    for name, endpoint in {name: known[name] for name in (*park.meters, *known)}.items():
        points = park.register_maps[endpoint.register_map]
        wiring.points[name] = points
        wiring.units[name] = _unit(name, endpoint, poll_plan(points), clock, told)
        if name in park.loads and any(point.point == "block_1" for point in points):
            cheap = (_first_coil(points),)
            plan = PollPlan(fast=cheap, whole=cheap)
            wiring.shed[name] = _unit(f"{name}/shed", endpoint, plan, clock, told)
    for units in (wiring.units, wiring.shed):
        for group in _by_address(list(units.values())):
            owner = _owner(group, clock, tls)
            wiring.owners.update(dict.fromkeys(group, owner))
    return wiring


def rewired(old: Wiring, new: Wiring) -> Wiring:
    """Return the new wiring with the owners of the old one where nothing changed for them.

    Where a connection is made anew, what was read of units that stay as they were is kept.
    """
    running = old.by_key()
    known = {unit.name: unit for unit in old.owners}
    merged = Wiring(points=new.points)
    for key, fresh in new.by_key().items():
        owner = running.get(key, fresh)
        for unit in owner.units:
            before = known.get(unit.name)
            if before is not None and (before.endpoint, before.plan) == (unit.endpoint, unit.plan):
                unit.latest = before.latest
            merged.owners[unit] = owner
            (merged.units if unit.name == unit.device else merged.shed)[unit.device] = unit
    ordered = {name: merged.units[name] for name in new.units}
    return Wiring(points=merged.points, units=ordered, shed=merged.shed, owners=merged.owners)


def _unit(name: str, endpoint: Endpoint, plan: PollPlan, clock: Clock, told: Callable[[Unit], None]) -> Unit:
    circuit = Circuit(generator(0, "jitter", name))
    return Unit(name=name, endpoint=endpoint, plan=plan, clock=clock, circuit=circuit, told=told)


def _owner(group: Sequence[Unit], clock: Clock, tls: ssl.SSLContext | None) -> Owner:
    first = group[0]
    lane = Lane(first.endpoint, tls if first.endpoint.security == "tls" else None)
    return Owner(lane, group, clock, Circuit(generator(0, "connection", first.name)))


def _by_address(units: Sequence[Unit]) -> list[list[Unit]]:
    """Return the units that share a connection; port 0 is nobody's yet."""
    groups: dict[object, list[Unit]] = {}
    for unit in units:
        e = unit.endpoint
        groups.setdefault((e.host, e.port, e.security) if e.port else unit, []).append(unit)
    return list(groups.values())


def _first_coil(points: Sequence[Point]) -> Block:
    coil = next(point for point in points if point.point == "block_1")
    return Block(coil.table, coil.address, 1)
