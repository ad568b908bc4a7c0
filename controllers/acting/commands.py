"""What is written to the devices: values that the envelope let through, with all that makes them safe."""

from collections.abc import Mapping

from controllers.acting import emergency, following, targets
from controllers.acting.core import Core
from controllers.acting.envelope import Assured, capable
from controllers.acting.image import Moment
from controllers.acting.setpoints import STAGGER_S, Narrowed, next_sequence
from vpp.devices import Pv, Wind
from vpp.types import Mode, Setpoint, Source


def reversion_mw(core: Core, name: str, request: targets.Request, step: int | None) -> float:
    """Return where a device goes when it hears nothing any more: as the plan says, else to rest.

    While nothing is followed, it stays what it was.
    """
    if step is None and name in core.setpoints:
        return core.setpoints[name].reversion_mw
    planned = following.reversion_mw(core.force, name, step)
    return targets.reversion_mw(core.park.devices[name], request.p_mw) if planned is None else planned


def commands(
    core: Core,
    moment: Moment,
    assured: Assured,
    requests: Mapping[str, targets.Request],
    ranges: Mapping[str, Narrowed],
) -> list[Setpoint]:
    """Return the setpoints to write: devices in auto only; the plan's cap stays where it may."""
    horizon, sent = core.park.horizon, []
    armed = emergency.reasons(core)
    for name, p_mw in assured.p_mw.items():
        if core.modes[name] is not Mode.AUTO:
            continue
        request = requests[name]
        uncut = isinstance(core.park.devices[name], Wind | Pv) and p_mw >= request.p_mw - 1e-3
        room = ranges[name]
        q_mvar, q_why = capable(core.park.devices[name], request.q_mvar, p_mw, core.readings[name].values)
        sent.append(
            Setpoint(
                device=name,
                p_mw=request.cap_mw if uncut else p_mw,
                q_mvar=q_mvar,
                h2_kg_per_h=request.h2_kg_per_h,
                warm_stacks=request.warm_stacks,
                p_min_mw=room.low_mw,
                p_max_mw=room.high_mw,
                epoch=core.epoch,
                sequence=next_sequence(core.setpoints, name),
                issued_at=moment.now,
                ttl_s=max(horizon.setpoint_ttl_s, moment.ahead_s),
                reversion_mw=reversion_mw(core, name, request, moment.step),
                reversion_s=max(horizon.reversion_s, moment.ahead_s) + STAGGER_S * core.turns[name],
                source=Source.PLAN if moment.step is not None and name not in armed else Source.PROTECTION,
                clipped_by=(
                    *((armed[name],) if name in armed else ()),
                    *(() if uncut else assured.clipped.get(name, ())),
                    *q_why,
                ),
            )
        )
    return sent
