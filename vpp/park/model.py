"""A park as the rest of the product sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from vpp.devices import Device
from vpp.types import Actuator, Array, Grid, Load, Meter, Point, Resource, Site
from vpp.types.park import OperatingPoint

NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Steps and deadlines; `[horizon]` of `park.toml`."""

    step_min: Literal[5, 10, 15, 30, 60]
    day_ahead_steps: Annotated[int, Ge(4), Le(192)]
    replan_min: Annotated[int, Ge(1)]
    """Plant minutes between rolling re-plans."""
    planner_deadline_s: Annotated[float, Gt(0)]
    """True seconds after which a rolling plan is too late and is dropped."""
    day_ahead_deadline_s: Annotated[float, Gt(0)] = 20.0
    """True seconds for a day-ahead plan."""
    cycle_s: Annotated[float, Gt(0)]
    """True seconds of one control cycle."""
    plan_ttl_s: Annotated[float, Gt(0)]
    """Plant seconds that control follows a plan after it was made; at least five cycles."""
    hold_ttl_s: Annotated[float, Gt(0)] = 1800.0
    """Plant seconds that control without a plan to follow holds its last commands, before devices go to their
    reversion values; two re-plans of a quarter hour: one may fail, a planner may start anew (assumption)."""
    setpoint_ttl_s: Annotated[float, Gt(0)]
    """Plant seconds that a device trusts a setpoint; at least five cycles."""
    reversion_s: Annotated[float, Ge(0)]
    """Plant seconds that a device holds after the time-to-live before it reverts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HydrogenContract:
    """`[hydrogen]` of `park.toml`."""

    initial_kg: NonNegative
    pipeline_daily_min_kg: NonNegative
    price_cny_per_kg: NonNegative
    shortfall_cny_per_kg: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class AmmoniaContract:
    """`[ammonia]` of `park.toml`."""

    price_cny_per_t: NonNegative
    daily_min_t: NonNegative
    shortfall_cny_per_t: NonNegative
    initial_load_share: Share
    """Load of every loop, share of its rating, when nothing is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonContract:
    """`[carbon]` of `park.toml`."""

    price_cny_per_t: NonNegative
    grid_kg_per_kwh: NonNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class TieContract:
    """`[tie]` of `park.toml`."""

    import_max_mw: NonNegative
    export_max_mw: NonNegative
    demand_charge_cny_per_kw_month: NonNegative
    month_peak_so_far_mw: NonNegative
    expected_month_peak_mw: NonNegative
    declared_deviation_band: Share
    deviation_price_factor: NonNegative
    power_factor_min: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveContract:
    """`[reserve]` of `park.toml`."""

    up_mw: NonNegative
    island_battery_soc: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailmentContract:
    """`[curtailment]` of `park.toml`."""

    price_cny_per_mwh: NonNegative
    export_forbidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialState:
    """`[initial]` of `park.toml`: the state a plan starts from when nothing is measured."""

    battery_soc: Share
    caes_soc: Share
    caes_mode: Literal["off", "charge", "discharge"]
    chp_mw: NonNegative = 0.0
    """Power of each CHP unit; 0: its least power, or that of `operating_point.csv`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """`[approval]` of `park.toml`: how a day-ahead plan comes into force."""

    mode: Literal["automatic", "manual"]
    """automatic: when it is made; manual: when somebody approves it (`vpp approve`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operate:
    """`[operate]` of `park.toml`: how much one person may do alone."""

    second_person_share: Share = 0.5
    """Of the armed MW that a shed cuts, or of the tie's contract that an order takes away: beyond it another
    person has to confirm. Half: a slip by a decimal is beyond it, a day's orders are not; assumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """`[security]` of `park.toml`: who trusts whom on endpoints whose `security` is `tls`.

    Files are PEM, absolute or relative to the park's folder.
    """

    ca: str
    """Who signs the certificates of devices and of control."""
    certificate: str
    """Control's, with its role in the extension of Modbus/TCP Security."""
    key: str
    plant_certificate: str = ""
    """The simulated plant's; only `vpp run --hil` needs it."""
    plant_key: str = ""
    roles: Mapping[str, Literal["r", "rw"]] = field(default_factory=lambda: {"control": "rw", "viewer": "r"})
    """What the simulated plant lets a role do: read, or read and write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutage:
    """One row of `outages.csv`."""

    element: str
    """Resource, load, line or transformer."""
    start: datetime
    end: datetime
    lost_mw: float | None
    """By how much it can do less; None: out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """`[[contingency]]` of `park.toml`; names may hold shell wildcards."""

    kind: Literal["preventive", "corrective", "radial", "island"]
    """Key `class` in the file."""
    outages: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Prices, obligations and initial states."""

    hydrogen: HydrogenContract | None
    ammonia: AmmoniaContract | None
    carbon: CarbonContract
    tie: TieContract
    reserve: ReserveContract
    curtailment: CurtailmentContract
    initial: InitialState
    contingencies: tuple[Contingency, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffPeriod:
    """Hours of one price in plant time; a later period overrides an earlier one."""

    name: str
    price_cny_per_kwh: float
    hours: tuple[tuple[int, int], ...]
    """Half-open [from, to) full hours."""
    months: tuple[int, ...]
    """Months in which it holds; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageBand:
    """Allowed steady voltage of one voltage level."""

    vn_kv_min: float
    vn_kv_max: float
    """The band holds for buses with vn_kv in [min, max]."""
    vm_min_pu: float
    vm_max_pu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedProfile:
    """Weather and demand come from the seeded generator."""

    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvProfile:
    """A measured or forecast series from the user's own file, after import."""

    resource: str
    """Resource or load id that it feeds."""
    file: str
    start_epoch_s: float
    """Start of the first interval, seconds since 1970 UTC."""
    step_s: float
    p_mw: Array
    """Interval means, shape (steps,), all finite and not negative; at the plant's own scale."""
    warnings: tuple[str, ...] = ()
    """What was repaired or looks odd, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Everything that is known before the day begins."""

    name: str
    folder: str
    site: Site
    horizon: Horizon
    grid: Grid
    resources: Mapping[str, Resource]
    devices: Mapping[str, Device]
    """By resource id the name plate with its parameters; same keys and order as `resources`."""
    loads: Mapping[str, Load]
    meters: Mapping[str, Meter]
    actuators: Mapping[str, Actuator]
    contracts: Contracts
    tariff: tuple[TariffPeriod, ...]
    voltage_bands: tuple[VoltageBand, ...]
    register_maps: Mapping[str, tuple[Point, ...]]
    generated: GeneratedProfile
    csv_profiles: Mapping[str, CsvProfile]
    """By resource or load id; these replace the generated ones."""
    warnings: tuple[str, ...]
    """What was repaired or set aside while reading, in words."""
    approval: Approval = field(default_factory=lambda: Approval(mode="automatic"))
    fingerprint: str = ""
    """Of the folder's files as they were read (`vpp.park.fingerprint`): who has another one has read another
    park, or other register maps."""
    operate: Operate = field(default_factory=Operate)
    security: Security | None = None
    """Only where an endpoint needs it."""
    outages: tuple[PlannedOutage, ...] = ()
    operating_point: Mapping[str, OperatingPoint] = field(default_factory=dict)
    """The state in which an imported grid was delivered, by element; empty for a park of one's own."""
