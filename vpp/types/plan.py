"""What the planner hands to control, and what a plan carries to prove itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from vpp.types.array import Array
from vpp.types.outage import OutageClass
from vpp.types.pin import Pin


class PlanLabel(StrEnum):
    """How the plan came to be, best first; everything below `optimal` is alarmed."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    """Best found at the deadline or after the nodes allowed; `Plan.gap` says how far from the best."""
    RELAXED = "relaxed"
    """A limit had to give; `Plan.relaxations` says which, by how much and why."""
    SHIFTED = "shifted"
    """The previous plan, moved on."""
    RULE = "rule"
    """Merit order without optimisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A priced slack in use: a declared breach, never a silent one."""

    limit: str
    """Name of the limit, e.g. `tie_import`."""
    step: int
    amount: float
    """By how much, in the limit's unit."""
    unit: str
    reason: str
    """In words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A defect found by the independent checker."""

    rule: str
    """Name of the rule: energy_balance, storage_energy, soc_window, exclusivity, idle_step, ramp,
    tie_limit, voltage, loading, shed_ledger, finite, length, power_limit, ..."""
    resource: str
    step: int | None
    found: float
    allowed: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The checker's word on a plan; nothing is released without one."""

    ok: bool
    violations: tuple[Violation, ...]
    checked_rules: tuple[str, ...]
    max_vm_pu: float
    min_vm_pu: float
    max_loading_percent: float
    max_balance_error_mw: float
    cut_rounds: int
    """Rounds of AC check and lazy cuts until clean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is believed of a window at `made_at`; interval means stamped by their start."""

    made_at: datetime
    start: datetime
    step_min: int
    available_mw: Mapping[str, Array]
    """Wind and PV that could be fed in, by resource id, shape (steps,), >= 0."""
    load_mw: Mapping[str, Array]
    """Demand before interruption, by load id, shape (steps,), >= 0."""
    source: str
    """`generator`, `csv:FILE`, `persistence` ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantState:
    """The measured or assumed state from which a plan starts."""

    at: datetime
    resources: Mapping[str, Mapping[str, float]]
    """By resource id the named state: bess/caes `e_mwh`, `p_mw`; caes `mode_code`, `mode_min`
    (minutes in that mode), `starts_turbine`, `starts_compressor` (today); electrolyzer `on_stacks`,
    `warm_stacks`, `heating_stacks`, `heating_min`, `p_mw`; ammonia `nh3_t` (today), `restart_min`,
    `p_mw`; chp `p_mw`; h2_store `h2_kg`, `delivered_kg` (today); all `available` (0: does not answer,
    planned at 0 MW)."""
    calls: Mapping[str, Mapping[str, float]]
    """Interruptible loads' ledger by load id: `calls_left`, `locked_min` (left alone, after three cuts
    within an hour), `rest_min` (until the next call may
    start), `open_blocks`, `running_min`, `closed_blocks` (closed again at the last call's end: they draw
    their rebound while the rest lasts)."""
    month_peak_mw: float
    """Highest metered 15-minute import mean of the month so far."""
    positions: Mapping[str, float] = field(default_factory=dict)
    """By actuator that answers where it stands (steps, taps, Mvar of a statcom); no other is moved."""
    moved: Mapping[str, float] = field(default_factory=dict)
    """By bank and tap changer how often it moved today, in positions; 0 where it is not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """By how much a plan leaves the one before it, in the steps that both cover."""

    previous: str
    """Id of that plan."""
    moved_mw: float
    """Sum over devices, weather's apart, of how far their power is from what was planned, mean of the
    next hour."""
    starts: int
    """Starts of CAES machines planned for a step then or now, not both: one that moves counts twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A schedule of the whole park; arrays have shape (steps,), interval means."""

    id: str
    park: str
    made_at: datetime
    start: datetime
    step_min: int
    steps: int
    valid_until: datetime
    """After this plant time control no longer follows it."""
    label: PlanLabel
    status: str
    """The solver's outcome in words."""
    gap: float
    """Proven relative distance from the best, gross; nan where none is proven."""
    cost_cny: float
    cost_breakdown_cny: Mapping[str, float]
    """energy, demand_charge, deviation, starts, degradation, curtailment, interruption, carbon, fuel,
    hydrogen and ammonia (negative = revenue), terminal (negative = value kept), slack."""
    series: Mapping[str, Mapping[str, Array]]
    """By resource, load, `tie` and `network` the planned series. Every resource has `p_mw`
    (injection positive) and `q_mvar`. wind, pv: available_mw, curtailed_mw. bess: charge_mw,
    discharge_mw, e_mwh (end of step). caes: the same and mode_code (0 idle, 1 charge, 2
    discharge, 6 synchronous condenser), trains. electrolyzer: load_mw, stacks (on), warm_stacks,
    heating_mw, hot_starts (stacks from standby, by share), h2_kg (in the step). ammonia: load_mw, nh3_t,
    h2_used_kg (in the step). h2_store: h2_kg (end of step), delivery_kg_per_h, vented_kg_per_h. Loads:
    load_mw, shed_mw (behind open breakers), modulated_mw (trimmed without), rebound_mw (drawn on top),
    open_blocks. tie: import_mw, export_mw, declared_mw (import positive), price_cny_per_mwh,
    import_max_mw, export_max_mw, q_mvar (import positive).
    network: losses_mw. Actuators: position (steps of a bank, taps, or Mvar that a statcom injects)."""
    initial: PlantState
    curtailment_cause: Mapping[str, tuple[str, ...]]
    """By wind or PV id one cause per step: `` (none), surplus, branch:NAME, voltage:BUS, ramp, pin:ID."""
    vm_pu: Mapping[str, Array]
    """Bus voltages of the AC check, by bus name."""
    loading_percent: Mapping[str, Array]
    """Branch loadings of the AC check against the continuous rating, by branch name."""
    relaxations: tuple[Relaxation, ...]
    certificate: Certificate | None
    solve_s: float
    notes: tuple[str, ...] = ()
    cost_by_owner_cny: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By resource, load, `tie` or `park` the items of `cost_breakdown_cny` that it causes; all of them
    add up to `cost_cny`."""
    cost_by_step_cny: Mapping[str, Array] = field(default_factory=dict)
    """By item what falls in each step, (steps,); the rest of an item belongs to the whole window (demand
    charge, value kept in stores, a day's obligation)."""
    shadow_prices: Mapping[str, Array] = field(default_factory=dict)
    """Duals of the last linear problem, commitments fixed, (steps,), what one unit more would save:
    `energy` (at the tie) and `bus:NAME` (of every bus; in a re-plan only where an element can move; the
    tie's where no source feeds), CNY/MWh of demand;
    `tie_import`, `tie_export`, `reserve_up`, `branch:NAME`, `voltage_max:BUS`, `voltage_min:BUS`, CNY per
    MW of limit and hour, >= 0; `demand_peak`, CNY per MW of month's peak, >= 0; `store:NAME`, CNY per MWh
    (hydrogen: kg) held at the end of the step. Empty where the plan was not optimised."""
    pins: tuple[Pin, ...] = ()
    """What was held fixed; what could not be held is a relaxation `pin:ID`."""
    contingencies: tuple[OutageClass, ...] = ()
    """What the park's outages would do, by class; empty where none was checked."""
    change: PlanChange | None = None
    """How much this plan leaves the one before it; None for a first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TieSensitivity:
    """Linear network model around the plan for one step, for control's envelope."""

    step: int
    p_mw: Mapping[str, float]
    """Planned injections at the operating point, by resource and load id."""
    rows: Mapping[str, Mapping[str, float]]
    """By limited branch or bus: change of loading_percent or vm_pu per MW of each resource."""
    value: Mapping[str, float]
    """Value at the operating point, by the same names."""
    limit: Mapping[str, float]
    """Upper limit of each row."""
    loss_mw_per_mw: Mapping[str, float] = field(default_factory=dict)
    """Change of network losses per MW of each resource."""
