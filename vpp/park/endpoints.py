"""The Modbus endpoints of a park, in the order of its tables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from vpp.park.model import Park
from vpp.types import Actuator, Endpoint, Load, Meter, Resource

Row = TypeVar("Row", Resource, Load, Meter, Actuator)


def endpoints(park: Park) -> dict[str, Endpoint]:
    """Return id -> endpoint: devices, loads, meters, actuators, each in file order."""
    tables: tuple[Mapping[str, Resource | Load | Meter | Actuator], ...] = (
        park.resources,
        park.loads,
        park.meters,
        park.actuators,
    )
    return {id_: row.endpoint for table in tables for id_, row in table.items()}


def with_port_base(park: Park, port_base: int) -> Park:
    """Return the park with endpoint k (order of `endpoints`) at 127.0.0.1:port_base+k.

    Raises:
        ValueError: a port would lie outside 1 to 65535.

    """
    order = list(endpoints(park))
    if not 1 <= port_base <= 65536 - len(order):
        raise ValueError(f"port base {port_base}: {len(order)} ports from there must lie in 1 to 65535")
    ports = {id_: port_base + k for k, id_ in enumerate(order)}
    resources = _moved(park.resources, ports)
    return replace(
        park,
        resources=resources,
        devices={id_: replace(device, resource=resources[id_]) for id_, device in park.devices.items()},
        loads=_moved(park.loads, ports),
        meters=_moved(park.meters, ports),
        actuators=_moved(park.actuators, ports),
    )


def _moved(rows: Mapping[str, Row], ports: Mapping[str, int]) -> dict[str, Row]:
    return {
        id_: replace(row, endpoint=replace(row.endpoint, host="127.0.0.1", port=ports[id_]))
        for id_, row in rows.items()
    }
