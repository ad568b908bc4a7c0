"""Rule `pin`: what a plan says it holds fixed is held, or declared."""

from collections.abc import Iterator
from datetime import timedelta

from controllers.planning.checker.seen import ON_MW, Seen
from vpp.devices import Electrolyzer
from vpp.park.model import Park
from vpp.types import Hold, Pin, Plan, Violation

POWER_MW = 5e-3
"""Deviation from a pinned power that passes: curves are settled after the search (assumption)."""


def steps_of(pin: Pin, plan: Plan) -> list[int]:
    """Return the steps of a plan that a pin touches."""
    step = timedelta(minutes=plan.step_min)
    starts = [plan.start + step * k for k in range(plan.steps)]
    return [k for k, start in enumerate(starts) if start < pin.end and start + step > pin.start]


def breaches(park: Park, plan: Plan) -> Iterator[tuple[Pin, int, float, str, str]]:
    """Yield (pin, step, amount, unit, words) wherever a plan does not do what a pin of it asks."""
    for pin in plan.pins:
        for step in steps_of(pin, plan):
            amount = _off_by(park, plan, pin, step)
            if amount > POWER_MW:
                now = float(plan.series[pin.element]["p_mw"][step])
                named = pin.hold in (Hold.POWER, Hold.WITHIN, Hold.LEAST, Hold.MOST)
                asked = f"{pin.p_mw:g} MW" if named else pin.hold.value
                words = (
                    f"asked {asked}, planned {now:.2f} MW: stored energy, rating, running times, weather "
                    "or a network limit do not allow it"
                )
                yield pin, step, amount, "MW", words


def _off_by(park: Park, plan: Plan, pin: Pin, step: int) -> float:
    """Return by how many MW a plan misses a pin in one step."""
    series = {key: float(values[step]) for key, values in plan.series[pin.element].items()}
    into, out = series.get("charge_mw", 0.0), series.get("discharge_mw", 0.0)
    match pin.hold:
        case Hold.POWER:
            return abs(series["p_mw"] - pin.p_mw)
        case Hold.WITHIN:
            return max(0.0, abs(series["p_mw"]) - pin.p_mw)
        case Hold.LEAST:
            return max(0.0, pin.p_mw - series["p_mw"])
        case Hold.MOST:
            return max(0.0, series["p_mw"] - pin.p_mw)
        case Hold.SERVE:
            return series.get("shed_mw", 0.0)
        case Hold.CHARGE:
            idle = "mode_code" in series and series["mode_code"] != 1
            return max(out, 2 * ON_MW + into + POWER_MW if idle else 0.0)
        case Hold.DISCHARGE:
            idle = "mode_code" in series and series["mode_code"] != 2
            return max(into, 2 * ON_MW + out + POWER_MW if idle else 0.0)
    if "charge_mw" in series:
        return max(into, out)
    device = park.devices[pin.element]
    if isinstance(device, Electrolyzer):
        return max(0.0, series["load_mw"] - device.standby_mw)
    return abs(series["p_mw"])


def pins(view: Seen) -> list[Violation]:
    """Yield each step in which a pin is broken without being declared."""
    known = {(r.limit, r.step) for r in view.plan.relaxations}
    return [
        Violation(
            rule="pin", resource=pin.element, step=step, found=amount, allowed=POWER_MW,
            text=f"{pin.id}, step {step}: {words}",
        )
        for pin, step, amount, _, words in breaches(view.park, view.plan)
        if (f"pin:{pin.id}", step) not in known
    ]  # fmt: skip
