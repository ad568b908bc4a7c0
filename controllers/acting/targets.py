"""What each device is asked for, inside what each source allows it, before the QP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import NamedTuple

from controllers.acting import trajectory
from controllers.acting.expectation import State
from controllers.acting.following import PlanInForce
from controllers.acting.setpoints import Bound
from vpp.devices import (
    DEVICE_TYPES,
    Ammonia,
    Bess,
    Caes,
    Chp,
    Command,
    Device,
    Electrolyzer,
    H2Store,
    Pv,
    Wind,
    ammonia,
)
from vpp.park.model import Park
from vpp.types import Reading, Setpoint, Source

EPS_MW = 1e-6
PROBE_MW = 1.0
"""By how much another command is tried, to see how much of it is followed within a cycle."""
FOLLOW_S: Mapping[str, float] = {"bess": 1.0, "wind": 1.0, "pv": 1.0, "electrolyzer": 5.0, "caes": 20.0}
"""Plant seconds after which a device has followed a new value, for the rows. Too short a time only
lets a limit be reached later; too long a one makes the rows ask for too much and hunt. Assumption."""


class Wanted(NamedTuple):
    """What the plan, or holding, asks of a device."""

    p_mw: float
    h2_kg_per_h: float
    q_mvar: float
    warm_stacks: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one device is asked for in this cycle."""

    p_mw: float
    """For wind and PV what it would give under `cap_mw`."""
    cap_mw: float
    """Command that belongs to `p_mw` unchanged; for wind and PV the plan's cap."""
    h2_kg_per_h: float
    q_mvar: float
    warm_stacks: float
    bounds: tuple[Bound, ...]
    share: float
    """Part of a further change that is followed within this cycle, 0 to 1."""
    drift_mw: float | None
    """What the name plate moves by within this cycle when asked for `p_mw`; None: it follows at once."""


def from_plan(park: Park, force: PlanInForce, name: str, at: datetime, step: int) -> Wanted:
    """Return what the plan asks of a device at plant time `at`."""
    device = park.devices[name]
    series = force.plan.series[name]
    delivery = 0.0
    if isinstance(device, H2Store):
        delivery = trajectory.target_h2_kg_per_h(device, force.plan, at)
    q_mvar = float(series["q_mvar"][step]) if "q_mvar" in series else 0.0
    target_mw = trajectory.target_mw(device, force.plan, at)
    if isinstance(device, Bess):
        slow = [d for d in park.devices.values() if isinstance(d, Caes | Electrolyzer | Ammonia | Chp)]
        target_mw += trajectory.mirrored_mw(slow, device, force.plan, at)
    return Wanted(target_mw, delivery, q_mvar, trajectory.target_warm_stacks(device, force.plan, at))


def armed(device: Device, wanted: Wanted, planned_mw: float, moves_mw: float) -> Wanted:
    """Return what is asked of a device while an armed action moves it from its plan.

    Wind and PV are capped below what they were planned to give.
    """
    if isinstance(device, Wind | Pv):
        return wanted._replace(p_mw=min(wanted.p_mw, max(planned_mw + moves_mw, 0.0)))
    return wanted._replace(p_mw=wanted.p_mw + moves_mw)


def held(device: Device, sent: Setpoint | None, reading: Reading) -> Wanted:
    """Return the same for HOLD: the last command, or what the device does anyway."""
    if sent is not None:
        return Wanted(sent.p_mw, sent.h2_kg_per_h, sent.q_mvar, sent.warm_stacks)
    if isinstance(device, Wind | Pv):
        return Wanted(device.resource.p_max_mw, 0.0, 0.0, 0.0)
    warm = reading.values.get("warm_stacks", 0.0) + reading.values.get("heating_stacks", 0.0)
    return Wanted(reading.values.get("p_mw", 0.0), 0.0, 0.0, warm)


def reverted(wanted: Wanted, sent: Setpoint | None) -> Wanted:
    """Return the same once holding is over: what the device does by itself when it hears nothing more.

    Q is held and stacks stay warm, as in a reversion.
    """
    return wanted if sent is None else wanted._replace(p_mw=sent.reversion_mw, h2_kg_per_h=0.0)


def request(
    device: Device,
    wanted: Wanted,
    state: State,
    *,
    sent: Setpoint | None,
    flow: float,
    dt_s: float,
) -> Request:
    """Return the request of one device: its target, and the bounds of protection and plan.

    `wanted` is from the plan or held, `state` the expected state, `flow` what drives
    the device. The plan's bounds keep the QP from starting or stopping a machine by itself.
    """
    target = wanted.p_mw
    low, high = DEVICE_TYPES[device.resource.kind].command_bounds(device, state, flow)
    cap = target
    if isinstance(device, Wind | Pv):
        low, high = 0.0, max(min(high, flow), 0.0)
        target = min(cap, high)
    bounds = [Bound(source=Source.PROTECTION, low_mw=low, high_mw=high, why="limit of the device")]
    ramp = ramp_mw_per_s(device)
    if ramp is not None and sent is not None:
        room = ramp * dt_s
        base = min(sent.p_mw, high) if isinstance(device, Wind | Pv) else sent.p_mw
        bounds.append(
            Bound(source=Source.PROTECTION, low_mw=base - room, high_mw=base + room, why="ramp of the device")
        )
    running = running_range(device, target, state.p_mw)
    bounds.append(Bound(source=Source.PLAN, low_mw=running[0], high_mw=running[1], why="machines that run"))
    share = min(1.0, dt_s / FOLLOW_S.get(device.resource.kind, 120.0)) if running[0] < running[1] else 0.0
    drift_mw = None
    if not isinstance(device, Wind | Pv | Bess):
        drift_mw = _drift_mw(device, state, wanted, target, dt_s=dt_s, flow=flow)
        if share > 0.0:
            probe = target - PROBE_MW if target - PROBE_MW >= running[0] else target + PROBE_MW
            more_mw = _drift_mw(device, state, wanted, probe, dt_s=dt_s, flow=flow) - drift_mw
            share = min(share, max(more_mw / (probe - target), 0.0))
    return Request(
        p_mw=target,
        cap_mw=cap,
        h2_kg_per_h=wanted.h2_kg_per_h,
        q_mvar=wanted.q_mvar,
        warm_stacks=wanted.warm_stacks,
        bounds=tuple(bounds),
        share=share,
        drift_mw=drift_mw,
    )


def _drift_mw(
    device: Device, state: State, wanted: Wanted, target_mw: float, *, dt_s: float, flow: float
) -> float:
    command = Command(p_mw=target_mw, h2_kg_per_h=wanted.h2_kg_per_h, warm_stacks=wanted.warm_stacks)
    moved = DEVICE_TYPES[device.resource.kind].step(device, state, command, dt_s, flow)
    return float(moved.p_mw - state.p_mw)


def row_base_mw(request: Request, measured_mw: float) -> float:
    """Return the command at which the rows take a device to stay at `measured_mw` in this cycle.

    A device that follows at once stays where it is asked to be where it is. One that ramps goes on
    ramping towards its target: only what is asked beyond that moves it by its `share`.
    """
    return measured_mw if request.drift_mw is None else request.p_mw - request.drift_mw / request.share


def ramp_mw_per_s(device: Device) -> float | None:
    """Return how fast a command may move; None where the machine's own governor holds the ramp.

    CAES plants and electrolysers get their plan's next power at once, without a ramp of commands: their
    governors ramp by themselves, the trajectory centres that ramp on the step boundary, and a command
    that crept ahead of it would only stretch it. The rows know how far they get (`row_base_mw`).
    """
    rating = device.resource.p_max_mw
    if isinstance(device, Bess):
        return (rating - device.resource.p_min_mw) / device.params.ramp_full_swing_s
    if isinstance(device, Wind):
        return device.params.ramp_up_pct_per_s / 100 * rating
    if isinstance(device, Pv):
        return device.params.ramp_pct_per_s / 100 * rating
    return None


def running_range(device: Device, target_mw: float, now_mw: float) -> tuple[float, float]:
    """Return the powers that the machines meant by `target_mw` reach without a start or a stop.

    Wind, PV and batteries have none and may take any value; a machine that does not run yet, or
    is about to stop, is left to its plan.
    """
    fixed = (target_mw, target_mw)
    if isinstance(device, Caes):
        return _caes_range(device, target_mw) if target_mw * now_mw > 0 and abs(now_mw) > 1.0 else fixed
    if isinstance(device, Electrolyzer):
        params = device.params
        least = params.stack_mw * params.stack_load_min
        if -target_mw < least or -now_mw < least / 2:
            return fixed
        stacks = ceil(-target_mw / (params.stack_mw * params.stack_load_max) - EPS_MW)
        return -stacks * params.stack_mw * params.stack_load_max, -stacks * least
    if isinstance(device, H2Store | Ammonia | Chp):
        # a store's power follows its flows; loops and CHP units take minutes for what a battery gives at once
        return fixed
    return device.resource.p_min_mw, device.resource.p_max_mw


def reversion_mw(device: Device, planned_mw: float) -> float:
    """Return the power a device goes to when it hears nothing any more.

    At rest, but an ammonia loop goes on at least load, since a stop would cost it half a day, and a
    CHP unit where it stands.
    """
    if isinstance(device, Ammonia):
        return -device.load_min_mw if ammonia.runs(device, -planned_mw) else -device.idle_mw
    return planned_mw if isinstance(device, Chp) else 0.0


def _caes_range(device: Caes, target_mw: float) -> tuple[float, float]:
    turbine, compressor = device.params.turbine, device.params.compressor
    aux = device.params.standby_aux_mw
    if target_mw > 0:
        low, high = turbine.p_min_mw - aux, turbine.p_rated_mw - aux
    else:
        trains = min(max(ceil((-target_mw - aux) / compressor.p_rated_mw - EPS_MW), 1), compressor.trains)
        low, high = -trains * compressor.p_rated_mw - aux, -trains * compressor.p_min_mw - aux
    return (low, high) if low <= target_mw <= high else (target_mw, target_mw)
