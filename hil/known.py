"""Whether the names that a scenario's tables carry exist in its park."""

from collections.abc import Collection
from typing import Any

from vpp.errors import Fault
from vpp.park import Park, endpoints

WEATHER = ("wind", "pv")


def name_faults(file: str, where: str, row: Any, park: Park) -> list[Fault]:
    """Return a fault for each name in an event or expectation that the park lacks.

    Fields are told by their name: `resource, endpoint, endpoints, branch, actuator, load, loads, points`.
    """
    found = []
    for field in ("resource", "endpoint", "endpoints", "branch", "actuator", "load", "loads", "points"):
        value = getattr(row, field, None)
        names = value if isinstance(value, tuple) else (value,) if value else ()
        allowed = _allowed(row, field, park) if names else ()
        found += [
            Fault(
                file=file,
                field=f"{where} {field}",
                wrong=f"unknown {name!r}",
                expected=f"one of {', '.join(allowed)}",
            )
            for name in names
            if name not in allowed
        ]
    return found


def _allowed(row: Any, field: str, park: Park) -> Collection[str]:
    match field:
        case "resource" if row.kind == "availability":
            return [r.id for r in park.resources.values() if r.kind in WEATHER]
        case "resource" if row.kind == "soc":
            return [r.id for r in park.resources.values() if r.e_mwh]
        case "resource":
            return list(park.resources)
        case "endpoints" if row.kind == "doubles":
            return [name for name, e in endpoints(park).items() if e.security != "tls"]
        case "endpoint" | "endpoints":
            return list(endpoints(park))
        case "branch":
            return [b.name for b in park.grid.lines] + [b.name for b in park.grid.trafos]
        case "actuator":
            return list(park.actuators)
        case "load":
            return [load.id for load in park.loads.values() if load.blocks]
        case "loads":
            return list(park.loads)
        case _:
            endpoint = endpoints(park).get(row.endpoint)
            return [p.point for p in park.register_maps[endpoint.register_map]] if endpoint else row.points
