"""Limits of the whole park, each with a priced slack, so that a plan always exists.

Prices of slacks are in `stakes.py`: above all that a step can earn, ordered by what must give last. A
slack in use is declared as a relaxation in words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from controllers.planning.blocks.block import Block, Bounds
from controllers.planning.slots import Frame, Situation
from controllers.planning.stakes import LATE_CNY_PER_MWH_H, RECOVERY_H, slack_prices
from vpp.devices import Bess, H2Store
from vpp.park.model import Park
from vpp.park.worth import stored_worth
from vpp.types import Array

TIE_MARGIN_SHARE = 0.002
"""Margin of the tie's limits as a share of the import contract (assumption): losses of the last linear round
are off by up to 0.15 % of it on the days that curtail most."""
UNMETERED_MW = 1e4
"""Peak of a slot that belongs to no plan: above any tie."""
USED = 1e-3
"""A slack above this is in use, in its own unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Power over the tie, (n,), MW, both >= 0."""

    import_mw: cp.Variable
    export_mw: cp.Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Rows and costs of one limit; bounds are native, as in `Block`."""

    name: str
    unit: str
    reason: str
    """What it means, in words, when its slack is in use."""
    variables: Mapping[str, cp.Variable]
    slack: str | None
    """Name of the slack variable, (n,); None where the limit is only a price."""
    constraints: tuple[Any, ...]
    costs: Mapping[str, Any]
    unbilled_cny: Any = 0.0
    """Price that steers the plan and is part of no bill: not among the plan's costs."""
    update: Callable[[Situation], Bounds]


def _free(n: int) -> tuple[Array, Array]:
    return np.zeros(n), np.full(n, np.inf)


def tie_import(park: Park, frame: Frame, tie: Tie) -> Limit:
    """Import <= contract or order less a margin, on interval means (design: judged on the 15-minute mean)."""
    n = frame.axis.n
    slack, most = cp.Variable(n, name="tie_import_slack"), cp.Parameter(n, name="import_max")

    def update(situation: Situation) -> Bounds:
        most.value = np.maximum(situation.import_max_mw - _margin_mw(situation), 0.0)
        return {"slack": _free(n)}

    return Limit(
        name="tie_import",
        unit="MW",
        reason="import above the contract's or the dispatcher's limit",
        variables={"slack": slack},
        slack="slack",
        constraints=(tie.import_mw <= most + slack,),
        costs={"slack": slack_prices(park, frame.axis).tie * frame.axis.step_h * (frame.active @ slack)},
        update=update,
    )


def tie_export(park: Park, frame: Frame, tie: Tie) -> Limit:
    """Export <= contract or order less a margin: where nothing may be exported, a little is imported."""
    n = frame.axis.n
    slack, most = cp.Variable(n, name="tie_export_slack"), cp.Parameter(n, name="export_max")

    def update(situation: Situation) -> Bounds:
        most.value = situation.export_max_mw - _margin_mw(situation)
        return {"slack": _free(n)}

    return Limit(
        name="tie_export",
        unit="MW",
        reason="export above the contract's or the dispatcher's limit",
        variables={"slack": slack},
        slack="slack",
        constraints=(tie.export_mw - tie.import_mw <= most + slack,),
        costs={"slack": slack_prices(park, frame.axis).tie * frame.axis.step_h * (frame.active @ slack)},
        update=update,
    )


def _margin_mw(situation: Situation) -> Array:
    """Return (n,) how far inside its limits the tie is planned; 0 outside the plan."""
    margin_mw = TIE_MARGIN_SHARE * situation.park.contracts.tie.import_max_mw
    return np.where(situation.window.active, margin_mw, 0.0)


def tie_energy(park: Park, frame: Frame, tie: Tie) -> Limit:
    """Price of imported energy and of its carbon; exported energy earns nothing (tariff of the case)."""
    n = frame.axis.n
    price = cp.Parameter(n, name="price_dt")
    carbon = park.contracts.carbon
    per_mwh = carbon.price_cny_per_t * carbon.grid_kg_per_kwh

    def update(situation: Situation) -> Bounds:
        price.value = situation.price_cny_per_mwh * situation.window.dt_h
        return {}

    return Limit(
        name="tie_energy",
        unit="MWh",
        reason="",
        variables={},
        slack=None,
        constraints=(),
        costs={"energy": price @ tie.import_mw, "carbon": per_mwh * (frame.dt_h @ tie.import_mw)},
        update=update,
    )


def demand_charge(park: Park, frame: Frame, tie: Tie) -> Limit:
    """Price what a plan adds to the month's highest 15-minute mean.

    The peak so far is state; in a month's first days the contract's expected peak is its prior, so
    that the first morning is not charged for the whole month.
    """
    n = frame.axis.n
    added = cp.Variable(n, name="peak_added")
    peak = cp.Parameter(n, name="month_peak")
    price = park.contracts.tie.demand_charge_cny_per_kw_month * 1000

    def update(situation: Situation) -> Bounds:
        known = max(situation.state.month_peak_mw, park.contracts.tie.expected_month_peak_mw)
        # slots outside the window balance as they like
        peak.value = np.where(situation.window.active, known, UNMETERED_MW)
        return {"added": _free(n)}

    return Limit(
        name="demand_charge",
        unit="MW",
        reason="",
        variables={"added": added},
        slack=None,
        constraints=(tie.import_mw <= peak + added[0],),
        costs={"demand_charge": price * added[0]},
        update=update,
    )


def reserve_up(park: Park, frame: Frame, blocks: Sequence[Block]) -> Limit:
    """Power that storage, turbine and electrolysers could add within a minute >= the contract's."""
    n = frame.axis.n
    slack, least = cp.Variable(n, name="reserve_slack"), cp.Parameter(n, name="reserve_up")
    room = sum((b.reserve_up_mw for b in blocks if b.reserve_up_mw is not None), np.zeros(n))

    def update(situation: Situation) -> Bounds:
        least.value = park.contracts.reserve.up_mw * situation.window.active
        return {"slack": _free(n)}

    return Limit(
        name="reserve_up",
        unit="MW",
        reason="less upward reserve than contracted",
        variables={"slack": slack},
        slack="slack",
        constraints=(room + slack >= least,),
        costs={"slack": slack_prices(park, frame.axis).reserve * frame.axis.step_h * (frame.active @ slack)},
        update=update,
    )


def island_soc(park: Park, frame: Frame, device: Bess, e_mwh: cp.Variable) -> Limit:
    """State of charge kept for an island: the larger of the contract's and the battery's own share.

    A battery that is found below it has time to come back (`grace_mwh`).
    """
    n, name = frame.axis.n, device.resource.id
    slack, least = cp.Variable(n, name=f"island_{name}"), cp.Parameter(n, name=f"island_{name}_min")
    dear, grace = cp.Variable(n, name=f"island_{name}_dear"), cp.Parameter(n, name=f"island_{name}_grace")
    price = slack_prices(park, frame.axis).island

    def update(situation: Situation) -> Bounds:
        live = situation.window.active * float(situation.is_available(name))
        least.value, grace.value = island_mwh(park, device) * live, grace_mwh(situation, device)
        return {"slack": _free(n), "dear": _free(n)}

    return Limit(
        name=f"island_soc:{name}",
        unit="MWh",
        reason="battery below the energy kept for an island",
        variables={"slack": slack, "dear": dear},
        slack="slack",
        constraints=(e_mwh + slack >= least, slack <= grace + dear),
        costs={
            "slack": frame.axis.step_h
            * (LATE_CNY_PER_MWH_H * (frame.active @ slack) + price * (frame.active @ dear))
        },
        update=update,
    )


def island_mwh(park: Park, device: Bess) -> float:
    """Return the energy that a battery keeps for an island, MWh."""
    return (
        max(park.contracts.reserve.island_battery_soc, device.params.soc_reserve_for_island)
        * device.e_full_mwh
    )


def grace_mwh(situation: Situation, device: Bess) -> Array:
    """Return (n,) what a battery may lack meanwhile: what it lacks now, less with each hour of recovery."""
    window = situation.window
    lacking = island_mwh(situation.park, device) - situation.state.resources[device.resource.id]["e_mwh"]
    left = 1 - np.cumsum(window.dt_h) / RECOVERY_H
    return np.where(window.active, max(0.0, lacking) * np.clip(left, 0.0, 1.0), 0.0)


def terminal(park: Park, frame: Frame, blocks: Mapping[str, Block]) -> Limit:
    """Value of what is left in store behind the window.

    A store is worth what it costs to fill it again in the cheapest hours of the day behind the window,
    `low` = the lowest eighth of its prices + carbon at the tie:
    battery and CAES, per MWh stored: low / eta of charging at rated load;
    hydrogen, per kg: low x least consumption of electrolysers and compressor, at most what a kg that
    is missing then loses (price + shortfall), since a day's delivery is owed.
    So a store is emptied into an evening peak that pays more than refilling costs, and a plan that ends
    with little air is no flaw. Where the month's peak keeps next day's charging down, air is worth more:
    on five days of small10 the cost of a day fell by 450-580 CNY per MWh of air at its start, against
    450 here; for batteries 376 against 376, for hydrogen 19-22 CNY per kg against 18. The value depends
    on the window's end alone, so that re-planning inside a window keeps its objective.
    """
    kept: list[tuple[Any, cp.Parameter, str]] = []
    for name, device in park.devices.items():
        if stored_worth(park, name, 0.0) is not None:
            store = blocks[name].variables["kg"] if isinstance(device, H2Store) else blocks[name].e_mwh
            kept.append((store, cp.Parameter(name=f"{name}_value"), name))
    carbon = park.contracts.carbon.price_cny_per_t * park.contracts.carbon.grid_kg_per_kwh

    def update(situation: Situation) -> Bounds:
        low = float(np.quantile(situation.next_day_price_cny_per_mwh, 0.125)) + carbon
        for _, parameter, name in kept:
            parameter.value = stored_worth(park, name, low)
        return {}

    return Limit(
        name="terminal",
        unit="CNY",
        reason="",
        variables={},
        slack=None,
        constraints=(),
        costs={"terminal": -sum(parameter * store[-1] for store, parameter, _ in kept)} if kept else {},
        update=update,
    )


def all_limits(park: Park, frame: Frame, tie: Tie, blocks: Mapping[str, Block]) -> tuple[Limit, ...]:
    """Return every limit of a park."""
    batteries = [d for d in park.devices.values() if isinstance(d, Bess)]
    return (
        tie_import(park, frame, tie),
        tie_export(park, frame, tie),
        tie_energy(park, frame, tie),
        demand_charge(park, frame, tie),
        reserve_up(park, frame, list(blocks.values())),
        *(island_soc(park, frame, d, blocks[d.resource.id].e_mwh) for d in batteries),
        terminal(park, frame, blocks),
    )
