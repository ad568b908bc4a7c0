"""Ammonia synthesis loop with air separation and compressors, fed from the park's hydrogen store.

It runs between its least and its greatest load and follows slowly; its power and its hydrogen are
in proportion to the ammonia made. Stopped, it stands in hot idle for its restart time before it
carries its least load again. A setpoint nearer to hot idle than to least load stops it; a hydrogen
store that gives too little trips it.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.devices.approach import Lag, approach
from vpp.devices.command import Change, Command, Initial
from vpp.types import Resource

LOADING_S = 600.0
"""Time in which the compressors cross the whole rating where no synthesis depends on it: between hot
idle and least load, and after a trip (assumption)."""
GRAIN_MW = 1e-9
"""Loads closer than this are one load."""
GRAIN_S = 1e-6
"""Times below this are over."""
LONG_S = 1e9
"""Nothing switches by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmmoniaParams:
    """`params/*.toml` of an ammonia loop."""

    load_min: Annotated[float, Gt(0), Le(1)]
    """Least load, share of the rating."""
    hot_idle: Annotated[float, Ge(0), Le(1)]
    """Power in hot idle, share of the rating; below `load_min`."""
    ramp_pct_per_h: Annotated[float, Gt(0)]
    """Percent of the rating per hour while it makes ammonia."""
    restart_h: Annotated[float, Ge(0)]
    """From leaving production to carrying the least load again."""
    h2_t_per_t: Annotated[float, Gt(0)]
    el_mwh_per_t: Annotated[float, Gt(0)]
    nh3_max_t_per_h: Annotated[float, Gt(0)]
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ammonia:
    """Name plate of an ammonia loop; `-resource.p_min_mw` is its rating. Loads are >= 0."""

    resource: Resource
    params: AmmoniaParams

    @property
    def rated_mw(self) -> float:
        """Rated load."""
        return -self.resource.p_min_mw

    @property
    def idle_mw(self) -> float:
        """Load in hot idle."""
        return self.params.hot_idle * self.rated_mw

    @property
    def load_min_mw(self) -> float:
        """Least load that makes ammonia."""
        return self.params.load_min * self.rated_mw

    @property
    def load_max_mw(self) -> float:
        """Greatest load: the rating, or what the greatest production needs if that is less."""
        return min(self.rated_mw, self.params.nh3_max_t_per_h * self.params.el_mwh_per_t)

    @property
    def ramp_mw_per_h(self) -> float:
        """Greatest change of load while it makes ammonia, either way."""
        return self.params.ramp_pct_per_h / 100 * self.rated_mw

    @property
    def h2_kg_per_mwh(self) -> float:
        """Hydrogen used per MWh of electricity."""
        return 1000 * self.params.h2_t_per_t / self.params.el_mwh_per_t


@dataclass(frozen=True, slots=True, kw_only=True)
class AmmoniaState:
    """State of an ammonia loop."""

    p_mw: float
    running: bool
    """It makes ammonia, or is on its way from hot idle to its least load."""
    idle_s: float
    """Since it left production; 0 while it runs."""
    nh3_t_per_h: float
    """Mean of the last step."""
    h2_kg_per_h: float
    """Used, mean of the last step."""
    nh3_t: float
    """Made today."""
    h2_kg: float
    """Used since the start."""
    energy_in_mwh: float


def runs(device: Ammonia, load_mw: float) -> bool:
    """Return whether a setpoint of so much load asks for production, by what it is nearest to."""
    return load_mw >= (device.idle_mw + device.load_min_mw) / 2


def initial(device: Ammonia, at: Initial) -> AmmoniaState:
    """Return the state drawing `-at.p_mw`: running inside its band, or ready in hot idle."""
    load = max(-at.p_mw, 0.0)
    running = runs(device, load)
    load = min(max(load, device.load_min_mw), device.load_max_mw) if running else device.idle_mw
    made = load / device.params.el_mwh_per_t if running else 0.0
    return AmmoniaState(
        p_mw=-load,
        running=running,
        idle_s=0.0 if running else device.params.restart_h * 3600,
        nh3_t_per_h=made,
        h2_kg_per_h=1000 * device.params.h2_t_per_t * made,
        nh3_t=0.0,
        h2_kg=0.0,
        energy_in_mwh=0.0,
    )


def step(device: Ammonia, state: AmmoniaState, command: Command, dt_s: float, drive: float) -> AmmoniaState:
    """Return the state `dt_s` seconds later; `drive` is the hydrogen on offer, kg/h.

    Events (least load reached, trip, restart over) split the step, so any `dt_s` gives the same.
    """
    asked = min(max(-command.p_mw, 0.0), device.load_max_mw)
    now, left_s, made_mw_s = state, dt_s, 0.0
    while left_s > 0.0:
        now = _switched(device, now, asked, drive)
        makes = now.running and -now.p_mw >= device.load_min_mw - GRAIN_MW
        goal, until_s = _course(device, now, asked, drive)
        ramp = device.ramp_mw_per_h / 3600 if makes else device.rated_mw / LOADING_S
        piece_s = min(left_s, until_s)
        load, area = approach(-now.p_mw, goal, Lag(0.0, ramp, ramp), piece_s)
        made_mw_s += area if makes else 0.0
        now = replace(
            now,
            p_mw=-load,
            idle_s=0.0 if now.running else now.idle_s + piece_s,
            energy_in_mwh=now.energy_in_mwh + area / 3600,
        )
        left_s -= piece_s
    made_t = made_mw_s / 3600 / device.params.el_mwh_per_t
    used_kg = 1000 * device.params.h2_t_per_t * made_t
    return replace(
        now,
        nh3_t_per_h=made_t * 3600 / dt_s if dt_s > 0 else state.nh3_t_per_h,
        h2_kg_per_h=used_kg * 3600 / dt_s if dt_s > 0 else state.h2_kg_per_h,
        nh3_t=state.nh3_t + made_t,
        h2_kg=state.h2_kg + used_kg,
    )


def _goal_mw(device: Ammonia, running: bool, asked_mw: float) -> float:
    """Return the load a loop moves to; one that is asked to stop goes through its least load."""
    if not running:
        return device.idle_mw
    return max(asked_mw, device.load_min_mw) if runs(device, asked_mw) else device.load_min_mw


def _switched(device: Ammonia, state: AmmoniaState, asked_mw: float, drive: float) -> AmmoniaState:
    """Apply what is due now: a trip for lack of hydrogen, a stop at least load, the end of a restart."""
    load, fed_mw = -state.p_mw, drive / device.h2_kg_per_mwh
    if not state.running:
        ready = state.idle_s >= device.params.restart_h * 3600 - GRAIN_S
        starts = ready and runs(device, asked_mw) and fed_mw >= device.load_min_mw
        return replace(state, running=True, idle_s=0.0) if starts else state
    goal = _goal_mw(device, True, asked_mw)
    short = load >= fed_mw - GRAIN_MW and max(load, goal) > fed_mw + GRAIN_MW
    trips = short or fed_mw < device.load_min_mw
    stops = not runs(device, asked_mw) and load <= device.load_min_mw + GRAIN_MW
    return replace(state, running=False, idle_s=0.0) if trips or stops else state


def _course(device: Ammonia, state: AmmoniaState, asked_mw: float, drive: float) -> tuple[float, float]:
    """Return the load to move to and the seconds until something may switch."""
    load, fed_mw = -state.p_mw, drive / device.h2_kg_per_mwh
    goal = _goal_mw(device, state.running, asked_mw)
    if not state.running:
        left_s = device.params.restart_h * 3600 - state.idle_s
        return goal, left_s if left_s > GRAIN_S else LONG_S
    if load < device.load_min_mw - GRAIN_MW:
        return device.load_min_mw, (device.load_min_mw - load) / device.rated_mw * LOADING_S
    if goal > fed_mw:
        return fed_mw, (fed_mw - load) / device.ramp_mw_per_h * 3600
    if not runs(device, asked_mw):
        return goal, (load - goal) / device.ramp_mw_per_h * 3600
    return goal, LONG_S


def measure(device: Ammonia, state: AmmoniaState) -> dict[str, float]:
    """Return the read points that the physics knows; `h2_used_kg` comes on top."""
    left_s = 0.0 if state.running else max(0.0, device.params.restart_h * 3600 - state.idle_s)
    return {
        "p_mw": state.p_mw,
        "status": 2.0 if left_s > 0.0 else 1.0,
        "energy_out_mwh": 0.0,
        "energy_in_mwh": state.energy_in_mwh,
        "nh3_t_per_h": state.nh3_t_per_h,
        "nh3_t": state.nh3_t,
        "h2_kg_per_h": state.h2_kg_per_h,
        "restart_min": left_s / 60,
        "h2_used_kg": state.h2_kg,
    }


def command_bounds(device: Ammonia, state: AmmoniaState, drive: float) -> tuple[float, float]:
    """Return (-greatest load, -hot idle); hot idle twice while the restart runs.

    Between hot idle and least load the loop is stopped or held at least load.
    """
    ready = state.running or state.idle_s >= device.params.restart_h * 3600 - GRAIN_S
    return (-device.load_max_mw if ready else -device.idle_mw), -device.idle_mw


def change(device: Ammonia, from_mw: float, to_mw: float) -> Change:
    """Return the lead from one terminal power to the next, both <= 0: half of the ramp between them."""
    before, after = max(-from_mw, 0.0), max(-to_mw, 0.0)
    slow = abs(max(after, device.load_min_mw) - max(before, device.load_min_mw))
    fast = abs(after - before) - slow
    return Change(0.0, slow / device.ramp_mw_per_h * 1800 + max(fast, 0.0) / device.rated_mw * LOADING_S / 2)


def new_day(state: AmmoniaState) -> AmmoniaState:
    """Return the state with the day's production at zero."""
    return replace(state, nh3_t=0.0)
