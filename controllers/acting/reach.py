"""How far one device or load gets from where it is, in each direction, within each horizon.

The motion is the device's own `step()`: a setpoint ordered now is followed to the horizon, so lags,
ramps, starts, turn-round and minimum times count as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from controllers.acting.expectation import State
from controllers.acting.holding import Hydrogen, floor_mwh, held_level_mw, hold_s, ramp_mw_per_min
from controllers.acting.selection import block_mw
from vpp.devices import DEVICE_TYPES, Ammonia, Bess, Caes, Command, Device, Electrolyzer, Pv, Wind, caes
from vpp.devices.caes_machine import LOADED, bound_to_run
from vpp.park.interruption import TRIM_S, demand_mw, is_trimmable, trim_max_mw
from vpp.park.model import Park
from vpp.types import Load, NoticeClass

HORIZONS_S = (1.0, 60.0, 900.0, 3600.0)
"""Plant seconds after the order at which capability is told: frequency, dispatch, one step, one hour."""
SAMPLES_S = (1.0, 10.0, 60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
"""Where the motion is looked at; what was reached earlier counts at every later horizon."""
LEAST_HOLD_S = 900.0
"""Nothing is offered that cannot be held for one interval of the tie contract; loads keep their own."""
NOTICE_S = 900.0
"""Plant seconds that a load with notice in minutes is given; assumption: one step of the plan."""
CLOSE_S = 30.0
"""Plant seconds between two breakers that close again (`controllers.acting.restoration`)."""
CAES_PIECE_S = 60.0
"""Longest step of a CAES plant's motion, plant seconds."""
NOISE_MW = 1e-3
_BISECTIONS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one direction offers at one horizon."""

    within_s: float
    mw: float
    """Change of injection reached by then, >= 0."""
    setpoint_mw: float
    """What to order now for it: terminal power of a device, metered injection of a load."""
    reached_s: float
    """When it is reached, plant seconds after the order, at most `within_s`."""
    hold_s: float
    """Plant seconds that it lasts from `reached_s` on; inf: no end."""
    limit: str
    """What keeps it from being more: rating, available, soc, island_reserve, air, hydrogen, ramp, start,
    turn_round, minimum_time, minimum_load, starts, calls, rest, blocks, notice, max_duration, share,
    `branch:..`, `voltage_max:..`, `voltage_min:..`, tie_import, tie_export, mode, silent, status,
    outage, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The largest change of one element that rows outside it allow, MW >= 0."""

    mw: float
    limit: str


NO_CAP = Cap(mw=inf, limit="")


def nothing(limit: str, p_mw: float) -> tuple[Reach, ...]:
    """Return no capability at any horizon, for one reason."""
    return tuple(
        Reach(within_s=h, mw=0.0, setpoint_mw=p_mw, reached_s=0.0, hold_s=inf, limit=limit)
        for h in HORIZONS_S
    )


def device_reach(
    park: Park,
    device: Device,
    state: State,
    drive: float,
    sign: int,
    *,
    hydrogen: Hydrogen,
    cap: Cap = NO_CAP,
) -> tuple[Reach, ...]:
    """Return what a device offers up (`sign` 1) or down (-1) at each horizon.

    `drive` is what `step` takes. Every figure can be held for `LEAST_HOLD_S`; its `setpoint_mw`,
    ordered now, gives `mw` at the horizon and is held from then on.
    """
    kind = DEVICE_TYPES[device.resource.kind]
    low, high = kind.command_bounds(device, state, drive)
    bound, why = _own_bound(park, device, state, low if sign < 0 else high, sign)
    bound, why = _sustained(park, device, state, (bound, why), sign=sign, hydrogen=hydrogen)
    if sign * (bound - state.p_mw) > cap.mw:
        bound, why = state.p_mw + sign * cap.mw, cap.limit
    far = held_level_mw(device, bound, sign)
    if sign * (bound - far) > NOISE_MW:
        why = "minimum_load"
    if sign * (far - state.p_mw) <= NOISE_MW:
        return nothing(why, state.p_mw)
    best = Reach(within_s=0.0, mw=0.0, setpoint_mw=state.p_mw, reached_s=0.0, hold_s=inf, limit=why)
    found: list[Reach] = []
    for within_s in SAMPLES_S:
        reach = _at(park, device, state, far, within_s, sign=sign, drive=drive, hydrogen=hydrogen)
        limit = why if abs(far - state.p_mw - sign * reach.mw) < _near(device) else reach.limit
        if reach.mw <= cap.mw + NOISE_MW and (reach.mw > best.mw + NOISE_MW or best.mw == 0.0):
            best = replace(reach, limit=limit)
        if within_s in HORIZONS_S:
            found.append(replace(best, within_s=within_s))
    return tuple(found)


def moved(device: Device, state: State, order_mw: float, within_s: float, drive: float) -> State:
    """Return the state so many plant seconds after an order.

    A CAES plant is moved in pieces: what its machines wait for on each other is judged at a step's begin.
    """
    step = DEVICE_TYPES[device.resource.kind].step
    pieces = ceil(within_s / CAES_PIECE_S) if isinstance(device, Caes) else 1
    for _ in range(pieces):
        state = step(device, state, Command(p_mw=order_mw), within_s / pieces, drive)
    return state


def _near(device: Device) -> float:
    return 1e-3 * max(device.resource.p_max_mw, -device.resource.p_min_mw, 1.0)


def _at(
    park: Park,
    device: Device,
    state: State,
    far: float,
    within_s: float,
    *,
    sign: int,
    drive: float,
    hydrogen: Hydrogen,
) -> Reach:
    """Return what one order gives within a time, if it is one that the device can then stay at."""
    low, high = DEVICE_TYPES[device.resource.kind].command_bounds(device, state, drive)
    passed = moved(device, state, far, within_s, drive)
    settled = abs(passed.p_mw - far) < _near(device)
    order = far if settled else min(max(held_level_mw(device, passed.p_mw, sign), low), high)
    after = passed if order == far else moved(device, state, order, within_s, drive)
    # a trip at the store's edge is faster than the ramp, and nothing to count on
    fastest_mw = ramp_mw_per_min(device) * within_s / 60
    mw = min(sign * (after.p_mw - state.p_mw), fastest_mw) if sign * (order - state.p_mw) > NOISE_MW else 0.0
    lasts_s = hold_s(park, device, after, order, hydrogen) if mw > NOISE_MW else inf
    limit = _motion_limit(device, passed, order)
    if mw <= NOISE_MW or lasts_s < 1.0:
        mw, order, lasts_s = 0.0, state.p_mw, inf
    return Reach(within_s=within_s, mw=mw, setpoint_mw=order, reached_s=within_s, hold_s=lasts_s, limit=limit)


def _motion_limit(device: Device, passed: State, order: float) -> str:
    """Return why a device is not yet where it was ordered to."""
    if isinstance(device, Caes):
        units = (passed.turbine, *passed.trains)
        if any(unit.phase == LOADED for unit in units):
            return "ramp" if abs(order - passed.p_mw) <= NOISE_MW else "minimum_load"
        return "turn_round" if any(unit.p_mw > 0.0 for unit in units) else "start"
    if isinstance(device, Electrolyzer):
        return "start" if passed.heat == "heating" or passed.starting_stacks else "ramp"
    if isinstance(device, Ammonia):
        return "ramp" if passed.running else "start"
    return "ramp"


def _own_bound(park: Park, device: Device, state: State, bound: float, sign: int) -> tuple[float, str]:
    """Return a bound narrowed by what is kept in reserve, and its name."""
    if isinstance(device, Wind | Pv):
        return bound, "available" if sign > 0 else "rating"
    if isinstance(device, Bess):
        rest = -device.aux_mw
        if sign > 0 and state.e_mwh <= floor_mwh(park, device):
            least = device.params.soc_min * device.e_full_mwh
            return min(bound, rest), "soc" if state.e_mwh <= least + 1e-9 else "island_reserve"
        return bound, "soc" if sign < 0 and bound >= rest else "rating"
    if isinstance(device, Caes):
        return _caes_bound(device, state, bound, sign)
    if isinstance(device, Ammonia) and sign > 0 and state.running:
        # stopped, it stands for hours: a loop is not stopped for flexibility
        return min(bound, -device.load_min_mw), "minimum_load"
    return bound, "rating"


def _caes_bound(device: Caes, state: State, bound: float, sign: int) -> tuple[float, str]:
    params, rest = device.params, -device.params.standby_aux_mw
    turning, trains = params.turbine, params.compressor
    running = state.trains if sign > 0 else (state.turbine,)
    if any(bound_to_run(trains if sign > 0 else turning, unit) for unit in running):
        return bound, "minimum_time"
    own, spec = ((state.turbine,), turning) if sign > 0 else (state.trains, trains)
    done = state.starts_turbine if sign > 0 else state.starts_compressor
    if done >= spec.max_starts_per_day and all(unit.phase != LOADED for unit in own):
        return rest, "starts"
    if sign > 0:
        return bound, "air" if caes.discharge_max_mw(device, state.e_mwh) < turning.p_rated_mw else "rating"
    full = caes.charge_max_mw(device, state.e_mwh) < trains.trains * trains.p_rated_mw
    return bound, "air" if full else "rating"


def _sustained(
    park: Park, device: Device, state: State, bound: tuple[float, str], *, sign: int, hydrogen: Hydrogen
) -> tuple[float, str]:
    """Return the bound drawn back to what can be held for `LEAST_HOLD_S`, by bisection from rest."""

    def lasts(p_mw: float) -> bool:
        return hold_s(park, device, state, p_mw, hydrogen) >= LEAST_HOLD_S

    far, why = bound
    if lasts(far):
        return bound
    near = min(far, state.p_mw) if sign > 0 else max(far, state.p_mw)
    for _ in range(_BISECTIONS if lasts(near) else 0):
        middle = (near + far) / 2
        near, far = (middle, far) if lasts(middle) else (near, middle)
    words = {Bess: "soc", Caes: "air", Electrolyzer: "hydrogen", Ammonia: "hydrogen"}
    return near, words.get(type(device), why)


def load_reach(
    load: Load, p_mw: float, calls: Mapping[str, float] | None, open_mask: int, sign: int
) -> tuple[Reach, ...]:
    """Return what an interruptible load offers: up by opening blocks, down by closing open ones.

    `p_mw` is its metered injection (<= 0), `calls` its ledger as in `PlantState.calls`.
    """
    each, opened = block_mw(load, p_mw, open_mask), open_mask.bit_count()
    if not load.blocks or load.notice_class is NoticeClass.NEVER:
        return nothing("none", p_mw)
    if sign < 0:
        return _stairs(p_mw, [(CLOSE_S * (k + 1), each) for k in range(opened)], -1, inf, "blocks")
    ledger = calls or {}
    running_s = ledger.get("running_min", 0.0) * 60 if opened else 0.0
    if not opened and ledger.get("calls_left", 0.0) <= 0:
        return nothing("calls", p_mw)
    if ledger.get("locked_min", 0.0) > 0 or (not opened and ledger.get("rest_min", 0.0) > 0):
        return nothing("rest", p_mw)
    left_s = load.max_shed_min * 60 - running_s
    if left_s <= 0:
        return nothing("max_duration", p_mw)
    wait_s = NOTICE_S if load.notice_class is NoticeClass.MINUTES else load.shed_time_ms / 1000
    found = _stairs(p_mw, [(wait_s, each)] * (load.blocks - opened), 1, left_s, "blocks")
    late = "notice" if load.notice_class is NoticeClass.MINUTES else "ramp"
    return tuple(replace(r, limit=late) if r.within_s < wait_s else r for r in found)


def trim_reach(load: Load, p_mw: float, trimmed_mw: float, open_mask: int, sign: int) -> tuple[Reach, ...]:
    """Return what a load offers without a breaker: up by trimming more, down by taking back what it trims.

    `p_mw` is its metered injection (<= 0); `setpoint_mw` is the trim to order, MW >= 0. It ramps over
    `TRIM_S` and ends only with its order.
    """
    if not is_trimmable(load):
        return nothing("none", trimmed_mw)
    opened = open_mask.bit_count()
    whole = demand_mw(load, -p_mw, opened, trimmed_mw)
    room = max(trim_max_mw(load, whole, opened) - trimmed_mw, 0.0) if sign > 0 else trimmed_mw
    pace = load.continuous_modulation_share * load.p_peak_mw / TRIM_S
    found = []
    for h in HORIZONS_S:
        mw = min(room, pace * h)
        found.append(
            Reach(
                within_s=h,
                mw=mw,
                setpoint_mw=trimmed_mw + sign * mw,
                reached_s=min(h, room / pace),
                hold_s=inf,
                limit="share" if mw == room else "ramp",
            )
        )
    return tuple(found)


def _stairs(
    p_mw: float, blocks: Sequence[tuple[float, float]], sign: int, lasts_s: float, limit: str
) -> tuple[Reach, ...]:
    """Return the horizons of blocks that come one by one, (seconds, MW) each."""

    def cut_mw(within_s: float) -> float:
        return sum(mw for s, mw in blocks if s <= within_s)

    return tuple(
        Reach(
            within_s=h,
            mw=cut_mw(h),
            setpoint_mw=p_mw + sign * cut_mw(h),
            reached_s=max((s for s, _ in blocks if s <= h), default=0.0),
            hold_s=lasts_s,
            limit=limit,
        )
        for h in HORIZONS_S
    )
