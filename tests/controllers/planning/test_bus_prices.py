"""Every bus has its price, whether an element stands there or not, and it is what demand there costs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from controllers.planning import Planner, initial_state
from forecasts import outlook
from vpp.park import load_park

START, STEPS = datetime(2026, 3, 17, 2, tzinfo=UTC), 2
GUARD_S = 30.0
BEHIND, BESIDE = "PA_66_1", "FERM_66"
"""Buses without an element: behind a transformer that an outage would overload, and elsewhere."""
MORE_MW = 0.5
SAME = 0.01
"""Relative: a plan's tie power is that of the AC power flow to 0.01 MW a step, of `MORE_MW`."""


@pytest.fixture(scope="module")
def noon():
    """Half an hour of noon of the Chifeng park, its forecast and plan; deviations from it cost nothing."""
    park = load_park("chifeng96")
    free = replace(park.contracts.tie, deviation_price_factor=0.0)
    park = replace(park, contracts=replace(park.contracts, tie=free))
    known = outlook(park, START - timedelta(hours=9), START, STEPS)
    plan = Planner(park).plan(initial_state(park, START), known, steps=STEPS, deadline_s=GUARD_S).plan
    return park, known, plan


def with_demand_at(park, buses):
    """The park with a load at each bus that can do nothing but draw, at a power factor of 1."""
    quiet = {"interruptible_share": 0.0, "continuous_modulation_share": 0.0, "blocks": 0, "pf": 1.0}
    some = next(load for load in park.loads.values() if not load.blocks)
    return replace(park, loads=park.loads | {bus: replace(some, id=bus, bus=bus, **quiet) for bus in buses})


def test_every_bus_has_a_price(noon):
    park, _, plan = noon
    priced = {name.removeprefix("bus:") for name in plan.shadow_prices if name.startswith("bus:")}
    assert priced == {bus.name for bus in park.grid.buses}


def test_the_price_of_a_bus_without_an_element_is_what_a_mw_of_demand_there_costs(noon):
    park, known, plan = noon
    assert {row.bus for row in (*park.resources.values(), *park.loads.values())}.isdisjoint({BEHIND, BESIDE})
    wide = with_demand_at(park, (BEHIND, BESIDE))
    planner, state = Planner(wide), initial_state(wide, START)

    def cost_of(**drawn):
        mw = {bus: np.full(STEPS, drawn.get(bus, 0.0)) for bus in (BEHIND, BESIDE)}
        more = replace(known, load_mw={**known.load_mw, **mw})
        again = planner.plan(state, more, steps=STEPS, deadline_s=GUARD_S, previous=plan).plan
        assert "commitments of the previous plan" in again.status
        return again.cost_cny

    cost_of()  # from here on all plans are linearised around the same operation
    here = cost_of()
    rows = [v for name, v in plan.shadow_prices.items() if name.startswith("branch:")]
    assert max(v.max() for v in rows) > 100.0, "a row must bind for this to say anything"
    for bus in (BEHIND, BESIDE):
        costs = (cost_of(**{bus: MORE_MW}) - here) / MORE_MW
        assert plan.shadow_prices[f"bus:{bus}"].sum() * 0.25 == pytest.approx(costs, rel=SAME), bus
    assert plan.shadow_prices[f"bus:{BEHIND}"].min() > 2 * plan.shadow_prices[f"bus:{BESIDE}"].max()
