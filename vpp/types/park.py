"""Rows of a park folder, with the names and units of its tables.

Bounds are `annotated_types` so that the loader (pydantic) and the reader see one rule.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

Name = Annotated[str, "letters, digits, _, - and . (not in front); unique in its table"]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the park stands."""

    name: str
    lat: Annotated[float, Ge(-90), Le(90)]
    lon: Annotated[float, Ge(-180), Le(180)]
    alt_m: Annotated[float, Ge(-500), Le(9000)]
    zone: str
    """IANA time zone of the plant; used at the edges only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A Modbus/TCP endpoint; every device, shed terminal, meter and actuator has its own."""

    register_map: str
    """Name of a file in `registers/`, without `.csv`."""
    host: str
    port: Annotated[int, Ge(0), Le(65535)]
    """0: the port is given by the HIL server's port file (see `hil.server`)."""
    unit: Annotated[int, Ge(1), Le(247)]
    security: Literal["none", "tls"] = "none"
    """`tls`: Modbus/TCP Security with the certificates of `[security]` in `park.toml`."""
    timeout_ms: Annotated[float, Ge(50), Le(5000)] = 400.0
    """True time for an answer; the default is the design's (section 6: 0.3 to 0.5 s)."""
    gap_ms: Annotated[float, Ge(0), Le(5000)] = 0.0
    """Least true time between two requests, for devices that need a rest."""
    max_in_flight: Annotated[int, Ge(1), Le(16)] = 1
    """Requests that may wait for answers at once on the connection; the specification allows 1 to 16
    (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 4.2.2). Endpoints of one host and
    port share the connection, and the least of their values counts."""


class Access(StrEnum):
    """Who may write a point."""

    READ = "r"
    WRITE = "rw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One row of a register map."""

    point: str
    """Name inside, with unit: `p_mw`, `setpoint_mw`, `soc`."""
    table: Literal["coil", "discrete", "holding", "input"]
    address: Annotated[int, Ge(0), Le(65535)]
    type: Literal["bool", "int16", "uint16", "int32", "uint32", "uint64", "float32"]
    word_order: Literal["big", "little"]
    scale: float
    """Inside value = sign * register * scale * 10 ** register(scale_point)."""
    scale_point: str | None
    """Point of the same map that holds a decimal exponent (SunSpec scale factor), or None."""
    unit: str
    """Unit of the scaled value as the maker states it (kW, W, percent ...), for people."""
    sign: Literal[1, -1]
    """-1 where the device counts the other way round than we do (injection positive)."""
    access: Access
    sentinel: int | None
    """Raw register value that means 'not implemented' (0x8000, 0xFFFF ...), or None."""
    sync_group: str | None
    """Points of one group are read or written in one request."""
    rate: Literal["fast", "slow"] = "fast"
    """`fast`: read at every poll; `slow`: at every tenth, and where a fast request covers it anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row of `devices.csv`: name plate of a device and its endpoint."""

    id: Name
    kind: str
    """A name of the device registry: wind, pv, bess, caes, electrolyzer, h2_store, ammonia, chp."""
    bus: Name
    p_max_mw: NonNegative
    """Greatest injection."""
    p_min_mw: Annotated[float, Le(0)]
    """Greatest withdrawal, as a negative number."""
    s_mva: Positive | None
    e_mwh: Positive | None
    params_ref: str
    """Name of a file in `params/`, without `.toml`."""
    endpoint: Endpoint


class NoticeClass(StrEnum):
    """How fast a load may be interrupted."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One row of `loads.csv`: an industrial or public load and its interruptible part."""

    id: Name
    name: str
    bus: Name
    sector: str
    p_peak_mw: NonNegative
    load_factor: Share
    pf: Annotated[float, Gt(0), Le(1)]
    """Power factor, lagging."""
    profile: str
    interruptible_share: Share
    continuous_modulation_share: Share
    priority: Annotated[int, Ge(1), Le(5)]
    """1 is cut first, 5 never."""
    notice_class: NoticeClass
    shed_actuator: str
    shed_time_ms: NonNegative
    max_shed_min: NonNegative
    min_between_sheds_min: NonNegative
    restart_min: NonNegative
    contract_energy_cny_per_kwh: NonNegative
    contract_capacity_cny_per_kw_month: NonNegative
    voll_cny_per_kwh: NonNegative
    blocks: Annotated[int, Ge(0), Le(16)]
    """Equal parts of the interruptible share, each behind one breaker; 0 where there is none."""
    max_calls_per_day: Annotated[int, Ge(0)]
    restart_cost_cny: NonNegative
    """Per block and restart."""
    rebound_share: Share
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One row of `meters.csv`."""

    id: Name
    kind: Literal["tie", "feeder", "station"]
    """`station`: what an RTU tells of branches, `closed:NAME` (1 or 0) and `loading:NAME` (percent)."""
    bus: Name
    """Bus whose feed is metered, or of the station; the tie's bus is the external grid's."""
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuator:
    """One row of `actuators.csv`: a bank or tap that the plan may move."""

    id: Name
    kind: Literal["shunt", "statcom", "tap"]
    element: Name
    """Name of the shunt or transformer."""
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One row of `operating_point.csv`: the state in which an imported grid was delivered."""

    element: Name
    """A resource, load or statcom."""
    p_mw: float
    """Injection positive."""
    q_mvar: float
