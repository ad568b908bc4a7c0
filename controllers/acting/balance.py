"""What batteries give on top of the plan: the fast part of what the park draws otherwise than planned."""

from collections.abc import Mapping

from controllers.acting import following, shadow, trims
from controllers.acting.core import Core
from controllers.acting.image import Moment
from controllers.acting.setpoints import Narrowed
from controllers.acting.tracking import Correction, corrected


def feed_back(core: Core, moment: Moment, asked: dict[str, float], ranges: Mapping[str, Narrowed]) -> None:
    """Give the batteries the fast part of the residual demand's error, by their room."""
    if moment.step is None or core.force is None:
        core.correction = Correction()
        return
    if moment.import_mw is not None:
        cut_mw = sum(e.cut_mw for e in core.ledger.values()) + trims.metered_mw(core.readings)
        residual = moment.import_mw + _known_output_mw(core, moment.output_mw) + cut_mw
        error = residual - core.curtailed_mw - following.residual_at(core.force, moment.now)
        core.correction = corrected(core.correction, error, moment.dt_s)
    batteries = [n for n in asked if core.park.resources[n].kind == "bess"]
    extra_mw = core.correction.battery_mw
    up = extra_mw > 0
    room = {
        n: max(ranges[n].high_mw - asked[n] if up else asked[n] - ranges[n].low_mw, 0.0) for n in batteries
    }
    total = sum(room.values())
    for name in batteries if total > 0 else ():
        asked[name] += min(max(extra_mw, -total), total) * room[name] / total


def _known_output_mw(core: Core, output_mw: Mapping[str, float]) -> float:
    """Return the output of firm devices: batteries as metered, slow ones as they should be by now.

    A device that is silent counts as planned, so that batteries make up for what it fails to give.
    """
    total = 0.0
    for name, resource in core.park.resources.items():
        if resource.kind not in following.FIRM_KINDS:
            continue
        if resource.kind == "bess" and name in output_mw:
            total += output_mw[name]
        else:
            total += shadow.believed_mw(core, name) or 0.0
    return total
