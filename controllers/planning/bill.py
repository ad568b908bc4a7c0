"""What a plan costs: one function for every rung of the ladder, from the series that the plan shows.

The tie's items are of the AC power flow, counts of what is started are whole: what a meter would bill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from controllers.planning.blocks.caes_history import CHARGE, CONDENSER, DISCHARGE, history
from controllers.planning.blocks.owed import owed
from controllers.planning.limits import grace_mwh
from controllers.planning.slots import Situation
from controllers.planning.stakes import LATE_CNY_PER_MWH_H, slack_prices
from vpp.devices import Ammonia, Bess, Caes, Chp, Device, Electrolyzer, H2Store, Pv, Wind
from vpp.park import share_of_loops
from vpp.park.worth import refill_cny_per_mwh, stored_worth
from vpp.types import Array, Relaxation

TIE, PARK = "tie", "park"
"""Owners that are no resource or load."""
COST_ITEMS = (
    "energy",
    "demand_charge",
    "deviation",
    "starts",
    "degradation",
    "curtailment",
    "interruption",
    "carbon",
    "fuel",
    "hydrogen",
    "ammonia",
    "terminal",
    "slack",
)
OF_WINDOW = ("demand_charge", "terminal")
"""Items that belong to no step."""
SLACKS: Mapping[str, str] = {"tie_import": TIE, "tie_export": TIE, "reserve_up": PARK, "island_soc": PARK}
"""Limit, or its name before the colon -> who pays, unless an element is named."""


def gross_cny(costs: Mapping[str, float]) -> float:
    """Return what a gap is relative to: the sum of absolute items; what is given up is no money."""
    return sum(abs(cny) for item, cny in costs.items() if item != "slack")


Series = Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Bill:
    """Costs of a plan, CNY; what no step has is of the whole window."""

    steps: int
    by_owner: dict[str, dict[str, float]] = field(default_factory=dict)
    """Owner -> item."""
    by_step: dict[str, Array] = field(default_factory=dict)
    """Item -> (steps,)."""

    @property
    def items(self) -> dict[str, float]:
        """Every item of `COST_ITEMS`."""
        return {item: sum(own.get(item, 0.0) for own in self.by_owner.values()) + 0.0 for item in COST_ITEMS}

    def charge(self, owner: str, item: str, cny: Array) -> None:
        """Add what falls in each step, (steps,)."""
        self.by_step[item] = self.by_step.get(item, np.zeros(self.steps)) + cny
        self.charge_window(owner, item, float(cny.sum()))

    def charge_window(self, owner: str, item: str, cny: float) -> None:
        """Add what belongs to no step."""
        if cny:
            own = self.by_owner.setdefault(owner, {})
            own[item] = own.get(item, 0.0) + cny


def bill(now: Situation, series: Series, relaxations: Sequence[Relaxation]) -> Bill:
    """Return what a plan with these series, (steps,) each, costs from the present state on."""
    hours = now.window.dt_h[now.window.span]
    out = Bill(len(hours))
    for item in COST_ITEMS:
        if item not in OF_WINDOW:
            out.by_step[item] = np.zeros(len(hours))
    _tie(out, now, series["tie"], hours)
    for name, device in now.park.devices.items():
        DEVICES.get(type(device), _nothing)(out, now, device, series[name], hours)
    for name in now.park.loads:
        _load(out, now, name, series[name], hours)
    _terminal(out, now, series)
    for r in relaxations:
        limit, _, element = r.limit.partition(":")
        if limit in SLACKS:
            at = np.zeros(len(hours))
            at[r.step] = _given_up(now, r)
            out.charge(element or SLACKS[limit], "slack", at)
    return out


def _given_up(now: Situation, relaxation: Relaxation) -> float:
    """Return CNY of a limit given up in a step; a battery found too low has time to come back."""
    (limit, _, element), amount = relaxation.limit.partition(":"), relaxation.amount
    prices, step_h = slack_prices(now.park, now.window.axis), now.window.axis.step_h
    device = now.park.devices.get(element)
    if limit == "island_soc" and isinstance(device, Bess):
        dear = max(0.0, amount - float(grace_mwh(now, device)[now.window.first + relaxation.step]))
        return step_h * (LATE_CNY_PER_MWH_H * amount + prices.island * dear)
    return step_h * amount * (prices.reserve if limit == "reserve_up" else prices.tie)


def _tie(out: Bill, now: Situation, tie: Mapping[str, Array], hours: Array) -> None:
    """Energy, its carbon, the month's peak beyond the one expected, and leaving the declared band."""
    contract, carbon = now.park.contracts.tie, now.park.contracts.carbon
    mwh, price = tie["import_mw"] * hours, tie["price_cny_per_mwh"]
    out.charge(TIE, "energy", mwh * price)
    out.charge(TIE, "carbon", mwh * carbon.price_cny_per_t * carbon.grid_kg_per_kwh)
    known = max(now.state.month_peak_mw, contract.expected_month_peak_mw)
    added = max(0.0, float(tie["import_mw"].max()) - known)
    out.charge_window(TIE, "demand_charge", 1000 * contract.demand_charge_cny_per_kw_month * added)
    declared = np.clip(tie["declared_mw"], -tie["export_max_mw"], tie["import_max_mw"])
    band = contract.declared_deviation_band * np.abs(declared)
    off = np.abs(tie["import_mw"] - tie["export_mw"] - declared)
    cny = contract.deviation_price_factor * np.maximum(0.0, price) * hours
    out.charge(TIE, "deviation", cny * np.maximum(0.0, off - band))


def _nothing(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    """Bill nothing."""


def _renewable(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    price = now.park.contracts.curtailment.price_cny_per_mwh
    out.charge(device.resource.id, "curtailment", price * own["curtailed_mw"] * hours)


def _battery(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    assert isinstance(device, Bess)
    price = device.params.degradation_cny_per_mwh_discharged
    out.charge(device.resource.id, "degradation", price * own["discharge_mw"] * hours)


def _air_plant(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    assert isinstance(device, Caes)
    name, params, past = device.resource.id, device.params, history(device, now)
    mode = np.round(own["mode_code"])
    trains = np.where(mode == CHARGE, np.round(own["trains"]), 0.0)
    before = float(past.trains if past.machine == CHARGE else 0)
    begun = _rises(trains, before) * params.compressor.start_cost_cny
    turbine = (mode == DISCHARGE).astype(float)
    begun += _rises(turbine, float(past.machine == DISCHARGE)) * params.turbine.start_cost_cny
    out.charge(name, "starts", begun)
    worn = params.vom_cny_per_mwh_dis * own["discharge_mw"]
    out.charge(name, "degradation", (worn + params.condenser.wear_cny_per_h * (mode == CONDENSER)) * hours)


def _electrolyser(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    """Hot starts, cold starts of stacks that heat, and one more for each that ends colder than it began."""
    assert isinstance(device, Electrolyzer)
    name, params, state = device.resource.id, device.params, now.state.resources[device.resource.id]
    answers = float(now.is_available(name))
    warm = round(state.get("warm_stacks", float(params.stacks))) * answers
    heating = round(state.get("heating_stacks", 0.0)) * answers
    risen = _rises(own["warm_stacks"], warm)
    # stacks that heat when the plan begins were paid for
    ripe = np.minimum(heating, np.cumsum(risen))
    heated = risen - np.diff(ripe, prepend=0.0)
    hot_cny, cold_cny = params.start_cost_cny_per_mw_hot, params.start_cost_cny_per_mw_cold
    out.charge(name, "starts", params.stack_mw * (hot_cny * own["hot_starts"] + cold_cny * heated))
    lost = max(0.0, warm + heating - float(own["warm_stacks"][-1]))
    out.charge_window(name, "starts", params.stack_mw * cold_cny * lost)


def _chp(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    assert isinstance(device, Chp)
    name, params = device.resource.id, device.params
    out.charge(name, "fuel", params.fuel_cny_per_mwh * own["p_mw"] * hours)
    carbon = params.co2_t_per_mwh * now.park.contracts.carbon.price_cny_per_t
    out.charge(name, "carbon", carbon * own["p_mw"] * hours)


def _hydrogen(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    name, contract = device.resource.id, now.park.contracts.hydrogen
    if contract is None:
        return
    kg, so_far = own["delivery_kg_per_h"] * hours, now.state.resources[name].get("delivered_kg", 0.0)
    out.charge(name, "hydrogen", -contract.price_cny_per_kg * kg)
    missed = _missed(now, contract.pipeline_daily_min_kg, so_far, kg)
    out.charge_window(name, "hydrogen", contract.shortfall_cny_per_kg * missed)


def _ammonia(out: Bill, now: Situation, device: Device, own: Mapping[str, Array], hours: Array) -> None:
    assert isinstance(device, Ammonia)
    name, contract = device.resource.id, now.park.contracts.ammonia
    if contract is None:
        return
    out.charge(name, "ammonia", -contract.price_cny_per_t * own["nh3_t"])
    daily_t, so_far = (
        contract.daily_min_t * share_of_loops(now.park, device),
        now.state.resources[name].get("nh3_t", 0.0),
    )
    missed = _missed(now, daily_t, so_far, own["nh3_t"])
    out.charge_window(name, "ammonia", contract.shortfall_cny_per_t * missed)


def _missed(now: Situation, per_day: float, so_far: float, given: Array) -> float:
    """Return what the local days of the window lack of what they owe."""
    lacking = owed(now, per_day, so_far) - now.window.days[:, now.window.span] @ given
    return float(np.maximum(0.0, lacking).sum())


def _load(out: Bill, now: Situation, name: str, own: Mapping[str, Array], hours: Array) -> None:
    """Energy not served and, for each block that closes again, its restart."""
    load = now.park.loads[name]
    open_before = now.state.calls.get(name, {}).get("open_blocks", 0.0)
    price = 1000 * load.contract_energy_cny_per_kwh
    closed = _rises(-own["open_blocks"], -open_before)
    cut = (own["shed_mw"] + own["modulated_mw"]) * hours
    out.charge(name, "interruption", price * cut + load.restart_cost_cny * closed)


def _terminal(out: Bill, now: Situation, series: Series) -> None:
    """Worth of what is left in store, at the prices of the day behind the window (`limits.terminal`)."""
    end = now.window.slot_start(now.window.end)
    low = refill_cny_per_mwh(now.park, [end + timedelta(hours=h) for h in range(24)])
    for name, device in now.park.devices.items():
        worth = stored_worth(now.park, name, low)
        if worth is not None:
            content = series[name]["h2_kg" if isinstance(device, H2Store) else "e_mwh"]
            out.charge_window(name, "terminal", -worth * float(content[-1]))


def _rises(count: Array, before: float) -> Array:
    return np.maximum(0.0, np.diff(count, prepend=before))


DEVICES: Mapping[type, Callable[[Bill, Situation, Device, Mapping[str, Array], Array], None]] = {
    Wind: _renewable,
    Pv: _renewable,
    Bess: _battery,
    Caes: _air_plant,
    Electrolyzer: _electrolyser,
    Chp: _chp,
    H2Store: _hydrogen,
    Ammonia: _ammonia,
}
