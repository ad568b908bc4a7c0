"""Slopes at buses are those of the AC power flow: of losses, of limits, after outages, in planned ones."""

from dataclasses import replace

import numpy as np
import pytest

from network.bus_slopes import slopes_at
from network.contingency import Operation, OutageFlows
from network.powerflow import Oracle
from network.reactive import ruled
from network.security import limit_values, rows, sensitivities_all
from network.timetable import timetabled
from vpp.park import load_park

STEP_MW = 0.1
BUSES = ("PARK66", "ZN10")
LIMIT, OUTAGE = "branch:T_MAIN_2", "T_MAIN_1"


@pytest.fixture(scope="module")
def oracle():
    return Oracle(load_park("small10"))


@pytest.fixture(scope="module")
def before(oracle):
    """Two steps of heavy import."""
    p = np.zeros((2, len(oracle.elements)))
    for name, mw in {"LD_ZN": -40.0, "LD_PUB": -12.0, "WF": 6.0}.items():
        p[:, oracle.elements.index(name)] = mw
    var = ruled(oracle, p)
    return Operation(p_mw=p, q_mvar=var.q_mvar, positions=var.positions)


def by_difference(oracle, before, bus, read):
    """What `read` makes of a step's states per MW at a bus, by AC power flow."""
    probing, none = oracle.probing((bus,)), np.zeros((len(before.p_mw), 1))
    values = []
    for mw in (-STEP_MW, STEP_MW):
        p, q = np.hstack([before.p_mw, none + mw]), np.hstack([before.q_mvar, none])
        values.append(read(probing.solve(p, q, before.positions)))
    return (values[1] - values[0]) / (2 * STEP_MW)


def test_losses_move_as_the_power_flow_says(oracle, before):
    found = slopes_at(OutageFlows(oracle), before, (), BUSES)
    for k, bus in enumerate(BUSES):
        true = by_difference(oracle, before, bus, lambda states: states.losses_mw)
        assert found.losses[:, k] == pytest.approx(true, rel=1e-3, abs=1e-5)
    assert (found.losses[:, 1] < -1e-3).all(), "feed-in at a load's bus saves losses"


@pytest.mark.parametrize("outage", ["", OUTAGE])
def test_a_cut_moves_at_a_bus_as_its_limit_does_in_the_scale_of_its_elements(oracle, before, outage):
    flows = OutageFlows(oracle)
    grid = flows.after(outage) if outage else oracle
    points = (before.p_mw, before.q_mvar, before.positions)
    (model,) = sensitivities_all(grid, *points, steps=(1,), requested=(LIMIT,))
    (cut,) = rows([replace(model, value={LIMIT: model.value[LIMIT]})], oracle.elements)
    scale = max(abs(x) for x in model.rows[LIMIT].values())
    cut = replace(cut, name=f"{LIMIT} after {outage}" if outage else LIMIT)
    found = slopes_at(flows, before, (cut,), BUSES)
    column = flows.rows.index(LIMIT)
    for k, bus in enumerate(BUSES):
        true = by_difference(grid, before, bus, lambda states: limit_values(states)[1, column])
        assert found.cuts[0, k] * scale == pytest.approx(true, rel=1e-3)
        assert abs(true) > 0.1


def test_in_a_planned_outage_the_slopes_are_those_of_the_grid_that_is_left(oracle, before):
    out = timetabled(oracle, (frozenset(), frozenset({OUTAGE})))
    found = slopes_at(OutageFlows(out), before, (), BUSES)
    whole = slopes_at(OutageFlows(oracle), before, (), BUSES)
    rest = slopes_at(OutageFlows(oracle.without([OUTAGE])), before, (), BUSES)
    assert found.losses == pytest.approx(np.vstack([whole.losses[0], rest.losses[1]]))
    assert np.abs(found.losses[1] - whole.losses[1]).min() > 5e-4
