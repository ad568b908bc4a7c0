"""Electrolyser plant of equal stacks, each cold, heating, on standby or on.

A command says how many stacks are to be warm. A cold stack (0 MW) heats for `cold_start_min` on
standby power and is warm then. Of the warm stacks each is on or on standby; one comes on from
standby after `hot_start_min`, on standby power. Without that number a setpoint nearer to nothing
than to standby makes the whole plant cold and any other heats all of it. A setpoint nearer to
standby than to one stack's least load keeps the warm stacks on standby.
"""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from vpp.devices import curve
from vpp.devices.command import Change
from vpp.types import Resource

NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectrolyzerParams:
    """`params/*.toml` of an electrolyser plant."""

    stacks: Annotated[int, Ge(1)]
    stack_mw: Positive
    stack_load_min: Annotated[float, Ge(0), Le(1)]
    stack_load_max: Annotated[float, Gt(0), Le(1.5)]
    standby_pct: NonNegative
    """Power of a stack on standby, percent of its rating."""
    cold_start_min: NonNegative
    hot_start_min: NonNegative
    ramp_pct_per_s: Positive
    """Percent of the plant's rating per second."""
    start_cost_cny_per_mw_cold: NonNegative
    start_cost_cny_per_mw_hot: NonNegative
    kwh_per_kg_vs_load: tuple[tuple[float, float], ...]
    """Share of a stack's rated power -> AC energy per kg of hydrogen, rising load."""
    q_per_p: Annotated[float, Ge(-1), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrolyzer:
    """Name plate of an electrolyser plant; loads are at the terminals, standby stacks included."""

    resource: Resource
    params: ElectrolyzerParams

    @property
    def stack_standby_mw(self) -> float:
        """Power of one stack on standby or heating."""
        return self.params.standby_pct / 100 * self.params.stack_mw

    @property
    def standby_mw(self) -> float:
        """Power of the plant with every stack on standby."""
        return self.params.stacks * self.stack_standby_mw

    @property
    def load_min_mw(self) -> float:
        """Least load with hydrogen: one stack at its least load, the others on standby."""
        params = self.params
        return params.stack_load_min * params.stack_mw + (params.stacks - 1) * self.stack_standby_mw

    @property
    def load_max_mw(self) -> float:
        """Greatest load: the rating, or all stacks at their greatest load if that is less."""
        params = self.params
        return min(-self.resource.p_min_mw, params.stacks * params.stack_mw * params.stack_load_max)


def stack_kg_per_h(device: Electrolyzer, stack_mw: float) -> float:
    """Return the hydrogen of one stack at `stack_mw`, linear between the points of the table."""
    rated = device.params.stack_mw
    return 1000 * rated * curve.flow(device.params.kwh_per_kg_vs_load, stack_mw / rated, divide=True)


def stack_points(device: Electrolyzer) -> tuple[tuple[float, float], ...]:
    """Return corners (stack MW, kg/h) of the concave production curve of one stack that is on.

    Exact at the table's points. Beyond the last of them, where `stack_kg_per_h` keeps the efficiency, the
    curve goes on with its last slope: a stack at overload is planned 0.4 % short rather than one at
    rating that much too good.
    """
    params = device.params
    least, most = params.stack_load_min, params.stack_load_max
    last = min(params.kwh_per_kg_vs_load[-1][0], most)
    shares = {least, last} | {x for x, _ in params.kwh_per_kg_vs_load if least < x < last}
    loads = [share * params.stack_mw for share in shares]
    points = curve.concave_hull(tuple((mw, stack_kg_per_h(device, mw)) for mw in loads))
    if last >= most or len(points) < 2:
        return points
    (x0, y0), (x1, y1) = points[-2:]
    top = most * params.stack_mw
    return (*points, (top, y1 + (y1 - y0) / (x1 - x0) * (top - x1)))


def best_stack_mw(device: Electrolyzer) -> float:
    """Return the power of a stack at which a kg takes least energy."""
    params = device.params
    usable = [x for x, _ in params.kwh_per_kg_vs_load if x >= params.stack_load_min]
    best = min(usable or [1.0], key=lambda x: curve.value(params.kwh_per_kg_vs_load, x))
    return best * params.stack_mw


def best_stacks(device: Electrolyzer, load_mw: float, warm: int | None = None) -> int:
    """Return how many of `warm` stacks (None: all) should share a load, so that each is near its best.

    `load_mw` is the load at the terminals without what heats. 0 below the middle between standby and
    one stack's least load.
    """
    params = device.params
    warm = params.stacks if warm is None else warm
    standing = device.stack_standby_mw
    net = load_mw - warm * standing
    if warm == 0 or net < (params.stack_load_min * params.stack_mw - standing) / 2:
        return 0
    per_stack = best_stack_mw(device) - standing
    most = int(net / max(params.stack_load_min * params.stack_mw - standing, 1e-9) + 1e-9)
    least = ceil(net / (params.stack_load_max * params.stack_mw - standing) - 1e-9)
    return min(warm, max(1, least, min(most, round(net / per_stack))))


def h2_kg_per_h(device: Electrolyzer, load_mw: float, warm: int | None = None) -> float:
    """Return the hydrogen of a settled plant of `warm` stacks (None: all) that draws `load_mw`."""
    warm = device.params.stacks if warm is None else warm
    on = best_stacks(device, load_mw, warm)
    if on == 0:
        return 0.0
    net = min(load_mw, device.load_max_mw) - (warm - on) * device.stack_standby_mw
    return on * stack_kg_per_h(device, min(net / on, device.params.stack_load_max * device.params.stack_mw))


def wanted(device: Electrolyzer, load_mw: float) -> Literal["cold", "standby", "on"]:
    """Return what a setpoint of so much load asks of the plant, by what it is nearest to."""
    if load_mw <= 0.5 * device.standby_mw:
        return "cold"
    return "on" if load_mw >= (device.standby_mw + device.load_min_mw) / 2 else "standby"


def change(device: Electrolyzer, from_mw: float, to_mw: float) -> Change:
    """Return the lead from one terminal power to the next, both <= 0.

    A plant that comes from standby is asked a hot start earlier; stacks that come from cold are asked
    for by their number, a cold start earlier. Where more stacks are needed than are on, those on carry
    what they can meanwhile, and the lead is the share of the hot start that makes the energy right.
    """
    params = device.params
    before, after = max(-from_mw, 0.0), max(-to_mw, 0.0)
    half_ramp_s = abs(after - before) / (-params.ramp_pct_per_s / 100 * device.resource.p_min_mw) / 2
    on, needed = best_stacks(device, before), best_stacks(device, after)
    if needed <= on:
        return Change(0.0, half_ramp_s)
    held = on * params.stack_load_max * params.stack_mw + (params.stacks - on) * device.stack_standby_mw
    late = 1.0 if on == 0 else max(0.0, after - held) / (after - before)
    return Change(params.hot_start_min * 60 * late, half_ramp_s)
