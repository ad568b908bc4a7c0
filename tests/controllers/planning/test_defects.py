"""Planted defects, each refused by name: the checker says which rule is broken, and where.

One table over both shipped parks. A defect changes the numbers of a released plan (or the park it is
judged against) and nothing else; the plan they are planted in passes.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pytest

from controllers.planning import Planner, check, initial_state
from network.powerflow import Oracle
from vpp.park import Park, load_park
from vpp.types import Forecast, Hold, Pin, Plan, Relaxation

STEPS = 12
"""Steps of the larger park's plan: three hours carry every kind of its devices."""


class Judged(NamedTuple):
    """A plan and what it is judged against."""

    park: Park
    plan: Plan
    forecast: Forecast


Change = Callable[[Judged], Judged]


def of_plan(change: Callable[[Plan], Plan]) -> Change:
    return lambda at: at._replace(plan=change(at.plan))


def put(owner, key, value, step=slice(None)) -> Change:
    """Set values of one series."""

    def change(plan: Plan) -> Plan:
        values = plan.series[owner][key].copy()
        values[step] = value
        return replace(plan, series={**plan.series, owner: {**plan.series[owner], key: values}})

    return of_plan(change)


def add(owner, key, by, step=slice(None)) -> Change:
    """Add to values of one series."""
    return lambda at: put(owner, key, at.plan.series[owner][key][step] + by, step)(at)


def scale(owner, key, factor) -> Change:
    return lambda at: put(owner, key, at.plan.series[owner][key] * factor)(at)


def both(*changes: Change) -> Change:
    def change(at: Judged) -> Judged:
        for one in changes:
            at = one(at)
        return at

    return change


def without(owner, key) -> Change:
    return of_plan(
        lambda plan: replace(
            plan,
            series={**plan.series, owner: {k: v for k, v in plan.series[owner].items() if k != key}},
        )
    )


def shorter(owner, key) -> Change:
    return of_plan(
        lambda plan: replace(
            plan,
            series={**plan.series, owner: {**plan.series[owner], key: plan.series[owner][key][:-1]}},
        )
    )


def first_discharge(plan: Plan) -> list[int]:
    """The first step in which CAES1 discharges."""
    return [int(np.flatnonzero(plan.series["CAES1"]["discharge_mw"] > 1)[0])]


def caes(mode: float, mw: float, steps: Callable[[Plan], list[int]]) -> Change:
    """Run CAES1 in some steps: discharge (2) or charge by one train (1)."""

    def change(at: Judged) -> Judged:
        for step in steps(at.plan):
            series = {"charge_mw": 0.0, "discharge_mw": 0.0, "trains": float(mode == 1), "mode_code": mode}
            series["charge_mw" if mode == 1 else "discharge_mw"] = mw
            series["p_mw"] = (-mw if mode == 1 else mw) - 0.6
            for key, value in series.items():
                at = put("CAES1", key, value, step)(at)
        return at

    return change


def shed(load: str, steps, blocks: float = 1.0) -> Change:
    """Open breakers of a load; each carries its equal part."""

    def change(at: Judged) -> Judged:
        row, demand = at.park.loads[load], at.plan.series[load]["load_mw"]
        for step in steps:
            mw = demand[step] * row.interruptible_share * blocks / max(row.blocks, 1)
            at = both(
                put(load, "open_blocks", blocks, step),
                put(load, "shed_mw", mw, step),
                add(load, "p_mw", mw, step),
            )(at)
        return at

    return change


def of_park(**changed) -> Change:
    """Judge the plan against a park with other contracts."""

    def change(at: Judged) -> Judged:
        contracts = at.park.contracts
        new = {key: replace(getattr(contracts, key), **values) for key, values in changed.items()}
        return at._replace(park=replace(at.park, contracts=replace(contracts, **new)))

    return change


def of_device(name: str, **changed) -> Change:
    """Judge the plan against a park one of whose devices has other parameters."""

    def change(at: Judged) -> Judged:
        device = at.park.devices[name]
        other = replace(device, params=replace(device.params, **changed))
        return at._replace(park=replace(at.park, devices={**at.park.devices, name: other}))

    return change


def slow_turbine(at: Judged) -> Judged:
    turbine = replace(at.park.devices["CAES1"].params.turbine, ramp_mw_per_min=0.5)
    return of_device("CAES1", turbine=turbine)(at)


def billed(item: str, by: float) -> Change:
    """Change one item and the sum with it."""

    def change(plan: Plan) -> Plan:
        costs = {**plan.cost_breakdown_cny, item: plan.cost_breakdown_cny[item] + by}
        return replace(plan, cost_breakdown_cny=costs, cost_cny=plan.cost_cny + by, cost_by_owner_cny={})

    return of_plan(change)


def of_state(**changed) -> Change:
    return of_plan(lambda plan: replace(plan, initial=replace(plan.initial, **changed)))


def often(at: Judged) -> Judged:
    """Move a bank to and fro all day."""
    values = np.where(np.arange(at.plan.steps) % 2, 2.0, 1.0)
    return put("A_CAP66", "position", values)(at)


def pinned(at: Judged) -> Judged:
    plan = at.plan
    pin = Pin(
        id="hold",
        element="BESS1",
        start=plan.start,
        end=plan.start + timedelta(hours=1),
        hold=Hold.POWER,
        p_mw=33.0,
    )
    return at._replace(plan=replace(plan, pins=(pin,)))


def gives_up(limit: str, *, steps: int) -> Change:
    """Declare that a limit is given up in the first steps."""
    given = tuple(
        Relaxation(limit=limit, step=k, amount=1.0, unit="pu", reason="it is said so") for k in range(steps)
    )
    return of_plan(lambda plan: replace(plan, relaxations=(*plan.relaxations, *given)))


def another_day(at: Judged) -> Judged:
    return at._replace(plan=replace(at.plan, start=at.plan.start + timedelta(days=3)))


DEFECTS = {
    "small10": {
        "a series of the wrong length": (shorter("CAES1", "e_mwh"), "length", "CAES1"),
        "a series that is missing": (without("H2S", "delivery_kg_per_h"), "length", "H2S"),
        "an actuator without positions": (without("A_CAP66", "position"), "length", "A_CAP66"),
        "a day that the forecast does not know": (another_day, "length", "forecast"),
        "a value that is no number": (put("WF", "p_mw", np.nan, 7), "finite", "WF"),
        "an import without end": (put("tie", "import_mw", np.inf, 3), "finite", "tie"),
        "more wind than there is": (add("WF", "p_mw", 5.0), "power_limit", "WF"),
        "a PV plant that draws": (put("PV", "p_mw", -1.0, 0), "power_limit", "PV"),
        "curtailment that nobody has": (add("WF", "curtailed_mw", 3.0), "energy_balance", "WF"),
        "a battery beyond its rating": (put("BESS1", "discharge_mw", 44.0, 5), "power_limit", "BESS1"),
        "a negative magnitude": (put("BESS1", "charge_mw", -4.0, 5), "power_limit", "BESS1"),
        "a battery's terminals": (add("BESS1", "p_mw", 2.0, 9), "energy_balance", "BESS1"),
        "charge with discharge": (
            both(add("BESS1", "charge_mw", 5.0), add("BESS1", "discharge_mw", 5.0)), "exclusivity", "BESS1"),
        "energy out of nothing": (add("BESS1", "e_mwh", 3.0, slice(20, None)), "storage_energy", "BESS1"),
        "a battery below its window": (put("BESS1", "e_mwh", 2.0, -1), "soc_window", "BESS1"),
        "a battery above its window": (put("BESS1", "e_mwh", 80.0, -1), "soc_window", "BESS1"),
        "the island's energy spent": (put("BESS1", "e_mwh", 12.0, -1), "reserve", "BESS1"),
        "upward reserve that is missing": (of_park(reserve={"up_mw": 400.0}), "reserve", "park"),
        "a turbine beyond its rating": (
            caes(2, 120.0, first_discharge), "power_limit", "CAES1"),
        "a turbine below its least load": (
            caes(2, 12.0, first_discharge), "power_limit", "CAES1"),
        "a mode that the power denies": (put("CAES1", "mode_code", 1.0, 0), "exclusivity", "CAES1"),
        "air out of nothing": (add("CAES1", "e_mwh", 9.0, slice(10, None)), "storage_energy", "CAES1"),
        "an air store below its window": (put("CAES1", "e_mwh", 1.0, -1), "soc_window", "CAES1"),
        "turn-round without an idle step": (
            caes(1, 30.0, lambda plan: [first_discharge(plan)[0] - 1]), "idle_step", "CAES1"),
        "a turbine for a quarter of an hour": (caes(2, 60.0, lambda plan: [70]), "minimum_time", "CAES1"),
        "too many starts": (caes(2, 60.0, lambda plan: [4, 5, 12, 13, 60, 61, 70, 71]), "starts", "CAES1"),
        "a ramp that no turbine has": (slow_turbine, "ramp", "CAES1"),
        "a plant without its own use": (add("CAES1", "p_mw", 0.6), "energy_balance", "CAES1"),
        "a plant that makes air from less": (
            of_device("CAES1", eta_discharge=0.6), "storage_energy", "CAES1"),
        "an electrolyser's terminals": (add("ALK1", "p_mw", 3.0, 2), "energy_balance", "ALK1"),
        "an electrolyser below its band": (
            both(put("ALK1", "load_mw", 1.1, 30), put("ALK1", "p_mw", -1.1, 30)), "power_limit", "ALK1"),
        "an electrolyser beyond its rating": (
            both(put("ALK1", "load_mw", 60.0, 2), put("ALK1", "p_mw", -60.0, 2)), "power_limit", "ALK1"),
        "hydrogen out of nothing": (add("ALK1", "h2_kg", 20.0, 2), "storage_energy", "ALK1"),
        "more stacks than there are": (put("ALK1", "warm_stacks", 14.0), "power_limit", "ALK1"),
        "stacks that warm at once": (put("ALK1", "warm_stacks", 0.0, slice(0, 1)), "minimum_time", "ALK1"),
        "a hydrogen store that fills itself": (
            add("H2S", "h2_kg", 90.0, slice(5, None)), "storage_energy", "H2S"),
        "a hydrogen store below its window": (put("H2S", "h2_kg", 10.0, 40), "soc_window", "H2S"),
        "a pipeline beyond its limit": (put("H2S", "delivery_kg_per_h", 950.0, 4), "power_limit", "H2S"),
        "hydrogen compressed for nothing": (put("H2S", "p_mw", 0.0), "energy_balance", "H2S"),
        "a demand that was not forecast": (add("LD_PUB", "load_mw", 4.0), "energy_balance", "LD_PUB"),
        "a load that is not served": (add("LD_PUB", "p_mw", 4.0, 8), "energy_balance", "LD_PUB"),
        "a cut without an open breaker": (put("LD_ZN", "shed_mw", 6.0, 8), "shed_ledger", "LD_ZN"),
        "more breakers than there are": (shed("LD_ZN", [10], 5.0), "shed_ledger", "LD_ZN"),
        "a call before the rest is over": (shed("LD_ZN", [10, 14]), "shed_ledger", "LD_ZN"),
        "a call that lasts too long": (shed("LD_ZN", range(10, 17)), "shed_ledger", "LD_ZN"),
        "more calls than the contract has": (shed("LD_SME", [4, 30, 60, 80]), "shed_ledger", "LD_SME"),
        "a hospital cut": (put("LD_ESS", "open_blocks", 1.0, 8), "shed_ledger", "LD_ESS"),
        "a cut that does not rebound": (shed("LD_ZN", [10]), "shed_ledger", "LD_ZN"),
        "trimmed beyond the share": (put("LD_ZN", "modulated_mw", 30.0, 8), "power_limit", "LD_ZN"),
        "losses left out": (put("network", "losses_mw", 0.0), "energy_balance", "tie"),
        "a tie that the power flow denies": (add("tie", "import_mw", 5.0, 6), "energy_balance", "tie"),
        "import over its limit": (put("tie", "import_max_mw", 20.0), "tie_limit", "tie"),
        "export where none is allowed": (
            both(add("WF", "p_mw", 150.0, 50), add("tie", "import_mw", 0.0, 50)), "tie_limit", "tie"),
        "a voltage out of its band": (
            both(scale("LD_SME", "p_mw", 6.0), scale("LD_SME", "q_mvar", 6.0)), "voltage", "FDR10"),
        "a transformer overloaded": (both(scale("LD_PUB", "p_mw", 1.6)), "loading", "T_PUB"),
        "a power flow without a solution": (scale("LD_SME", "p_mw", 400.0), "power_flow", "network"),
        "a power flow without a solution, told": (
            both(scale("LD_SME", "p_mw", 400.0), gives_up("power_flow:network", steps=96)),
            "power_flow", "network"),
        "reactive power that no converter has": (put("BESS1", "q_mvar", 60.0, 3), "reactive_limit", "BESS1"),
        "a load with a power factor of its own": (
            add("LD_PUB", "q_mvar", 5.0, 3), "reactive_limit", "LD_PUB"),
        "a bank beyond its steps": (put("A_CAP66", "position", 9.0), "position", "A_CAP66"),
        "a tap between two": (put("A_T_MAIN_1", "position", -0.5), "position", "A_T_MAIN_1"),
        "a bank that never rests": (often, "switching", "A_CAP66"),
        "a power factor beyond the contract": (
            both(add("LD_ZN", "q_mvar", -60.0), add("LD_PUB", "q_mvar", -20.0)), "power_factor", "tie"),
        "Mvar at the tie that nobody sees": (add("tie", "q_mvar", 9.0, 4), "energy_balance", "tie"),
        "a pin that is not held": (pinned, "pin", "BESS1"),
        "a cost that its items deny": (
            of_plan(lambda plan: replace(plan, cost_cny=plan.cost_cny - 500)), "cost", "sum"),
        "energy that nobody paid": (billed("energy", -9000.0), "cost", "energy"),
        "carbon that nobody paid": (billed("carbon", -9000.0), "cost", "carbon"),
        "wear that nobody paid": (billed("degradation", -2000.0), "cost", "degradation"),
        "starts that nobody paid": (billed("starts", -2000.0), "cost", "starts"),
        "stacks that start for nothing": (put("ALK1", "hot_starts", 0.0), "cost", "ALK1"),
        "hydrogen that nobody bought": (billed("hydrogen", -3000.0), "cost", "hydrogen"),
        "calls that nobody made": (billed("interruption", 2500.0), "cost", "interruption"),
        "a store worth more than it holds": (billed("terminal", -4000.0), "cost", "terminal"),
        "a limit given up for nothing": (billed("slack", 700.0), "cost", "slack"),
        "a bill that its owners do not share": (
            of_plan(lambda p: replace(p, cost_by_owner_cny={"tie": {"energy": 1.0}})), "cost", "energy"),
        "a peak that nobody paid": (
            both(of_state(month_peak_mw=40.0), of_park(tie={"expected_month_peak_mw": 40.0})),
            "demand_peak", "tie"),
        "a declared curve that nobody keeps": (
            put("tie", "declared_mw", 10.0), "declared_curve", "tie"),
        "a deviation that was none": (billed("deviation", 4000.0), "declared_curve", "tie"),
    },
    "chifeng96": {
        "fuel that nobody paid": (billed("fuel", -30000.0), "cost", "fuel"),
        "ammonia that nobody bought": (billed("ammonia", -3000.0), "cost", "ammonia"),
        "a CHP unit below its band": (put("CHP1", "p_mw", 8.0, 5), "power_limit", "CHP1"),
        "a CHP unit beyond its rating": (put("CHP2", "p_mw", 61.0), "power_limit", "CHP2"),
        "a CHP unit that jumps": (of_device("CHP1", ramp_mw_per_min=0.01), "ramp", "CHP1"),
        "ammonia out of nothing": (add("NH3", "nh3_t", 1.0, 3), "storage_energy", "NH3"),
        "ammonia without hydrogen": (put("NH3", "h2_used_kg", 0.0), "storage_energy", "NH3"),
        "ammonia between idle and least load": (
            both(put("NH3", "load_mw", 5.0, 6), put("NH3", "p_mw", -5.0, 6)), "power_limit", "NH3"),
        "ammonia that jumps": (of_device("NH3", ramp_pct_per_h=2.0), "ramp", "NH3"),
        "a loop back at once": (
            both(put("NH3", "load_mw", 1.25, 6), put("NH3", "p_mw", -1.25, 6)), "minimum_time", "NH3"),
        "an ammonia loop's terminals": (add("NH3", "p_mw", 2.0, 2), "energy_balance", "NH3"),
        "hydrogen that the loop did not leave": (
            add("H2S", "h2_kg", 300.0, slice(4, None)), "storage_energy", "H2S"),
        "a statcom beyond its range": (put("A_SVG_GPS", "position", 400.0, 2), "position", "A_SVG_GPS"),
        "a battery among three": (
            add("BESS_BASE", "e_mwh", 5.0, slice(6, None)), "storage_energy", "BESS_BASE"),
        "a feeder's roof that draws": (put("DPV07", "p_mw", -1.0, 3), "power_limit", "DPV07"),
        "a potline cut twice": (shed("LD_AL", [2, 6]), "shed_ledger", "LD_AL"),
        "a data centre cut": (put("LD_DC", "open_blocks", 1.0, 4), "shed_ledger", "LD_DC"),
    },
}  # fmt: skip
CASES = [(park, name) for park, table in DEFECTS.items() for name in table]


@pytest.fixture(scope="module")
def released_plans(park, plan, forecast, planner, forecast_in):
    """By park: what is judged, and its power flow."""
    large = load_park("chifeng96")
    known = forecast_in(large)
    desk = Planner(large)
    made = desk.plan(initial_state(large, known.start), known, steps=STEPS, deadline_s=30.0).plan
    return {
        "small10": (Judged(park, plan, forecast), planner.oracle),
        "chifeng96": (Judged(large, made, known), desk.oracle),
    }


def verdict(at: Judged, oracle: Oracle):
    return check(at.park, at.plan, at.forecast, oracle)


def test_fifty_and_more_are_planted():
    assert len(CASES) >= 50
    assert len({rule for table in DEFECTS.values() for _, rule, _ in table.values()}) >= 20


@pytest.mark.parametrize("park_name", DEFECTS)
def test_the_plans_they_are_planted_in_pass(released_plans, park_name):
    at, oracle = released_plans[park_name]
    certificate = verdict(at, oracle)
    assert certificate.ok, certificate.violations


@pytest.mark.parametrize(("park_name", "name"), CASES, ids=[name for _, name in CASES])
def test_a_planted_defect_is_refused_by_name(released_plans, park_name, name):
    (at, oracle), (plant, rule, resource) = released_plans[park_name], DEFECTS[park_name][name]
    certificate = verdict(plant(at), oracle)
    assert not certificate.ok
    assert (rule, resource) in {(v.rule, v.resource) for v in certificate.violations}
    assert rule in certificate.checked_rules
