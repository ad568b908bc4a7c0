"""What a limit of the park is worth to a plan: more than anything that giving it up in one step earns.

A limit gives way only where no dispatch keeps it. So each price of a slack stands above the stake of a
step, the most that one MWh more or less in a single step can earn by the park's own tariffs and
contracts: the month's peak by far, since a whole month's charge hangs on one quarter hour.
"""

from dataclasses import dataclass

from controllers.planning.slots import Axis
from vpp.devices import Ammonia, Caes
from vpp.park.model import Park

MARGIN = 1.25
"""Factor above the stake (assumption): losses on the way, loads below their peak."""
RECOVERY_H = 2.0
"""Hours in which a battery that is found below its island energy comes back to it (assumption)."""
LATE_CNY_PER_MWH_H = 20_000.0
"""Price of what such a battery lacks meanwhile: above what a MWh earns in hours that share a peak, below
what charging it within a step would add to the month's peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPrices:
    """CNY per MW and hour of a whole step, in the order of what gives way first."""

    reserve: float
    island: float
    """CNY per MWh and hour: for a single step alone it is the stake of its energy."""
    tie: float
    outage: float
    """Limits after an outage that has not happened."""
    pin: float
    network: float
    """So dear that less effective devices far away are used first."""


def slack_prices(park: Park, axis: Axis) -> SlackPrices:
    """Return the prices of a park's slacks; the ratios say what gives way first (assumption)."""
    stake = MARGIN * stake_cny_per_mwh(park, axis.step_h)
    return SlackPrices(
        reserve=stake,
        island=stake / axis.step_h,
        tie=2 * stake,
        outage=3 * stake,
        pin=4 * stake,
        network=8 * stake,
    )


def stake_cny_per_mwh(park: Park, step_h: float) -> float:
    """Return the most that a MWh in a single step of `step_h` hours can earn.

    All at once: it lowers the month's peak, is not bought at the dearest hour, keeps inside the declared
    band, makes a gas that is owed, saves a load's call of one block and a machine's start.
    """
    contract, carbon = park.contracts.tie, park.contracts.carbon
    dearest = 1000 * max((period.price_cny_per_kwh for period in park.tariff), default=0.0)
    peak = contract.demand_charge_cny_per_kw_month * 1000 / step_h
    bought = dearest * (1 + contract.deviation_price_factor) + carbon.price_cny_per_t * carbon.grid_kg_per_kwh
    return peak + bought + _gas(park) + _call(park, step_h) + _start(park, step_h)


def _gas(park: Park) -> float:
    """CNY of what a MWh makes of a loop's product: hydrogen from store; electricity is the smaller part."""
    contract = park.contracts.ammonia
    loops = [d.params.el_mwh_per_t for d in park.devices.values() if isinstance(d, Ammonia)]
    if contract is None or not loops:
        hydrogen = park.contracts.hydrogen
        # no electrolyser makes a kg of less than its lower heating value of 33.3 kWh
        return (hydrogen.price_cny_per_kg + hydrogen.shortfall_cny_per_kg) / 0.0333 if hydrogen else 0.0
    return (contract.price_cny_per_t + contract.shortfall_cny_per_t) / min(loops)


def _call(park: Park, step_h: float) -> float:
    """CNY per MWh of the dearest call: one block for one step, with its restart."""
    return max(
        (
            1000 * load.contract_energy_cny_per_kwh
            + load.restart_cost_cny * load.blocks / (load.p_peak_mw * load.interruptible_share * step_h)
            for load in park.loads.values()
            if load.blocks > 0 and load.p_peak_mw * load.interruptible_share > 0
        ),
        default=0.0,
    )


def _start(park: Park, step_h: float) -> float:
    """CNY per MWh of the dearest start: a machine at its least power for one step."""
    plants = [d.params for d in park.devices.values() if isinstance(d, Caes)]
    machines = [machine for params in plants for machine in (params.turbine, params.compressor)]
    return max((m.start_cost_cny / (m.p_min_mw * step_h) for m in machines), default=0.0)
