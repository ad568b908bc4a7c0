from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest
from pandapower import networks

from network.batched_flow import BatchedFlow
from network.model import elements, inject, q_mvar, to_pandapower
from network.powerflow import Oracle
from vpp.seeds import generator
from vpp.types import Bus, Switch

GRIDS = {
    "case33bw": networks.case33bw,
    "cigre_mv": networks.create_cigre_network_mv,
    "cigre_mv_with_der": lambda: networks.create_cigre_network_mv(with_der="all"),
    "ieee30_with_generators": networks.case_ieee30,
    "case118_with_53_held_voltages": networks.case118,
    "mv_oberrhein": networks.mv_oberrhein,
}
POINTS = (
    *("evening_peak", "noon_surplus_charging", "calm_no_storage", "max_export"),
    *("winter_evening", "spring_noon_charging", "windy_noon_surplus", "valley_night"),
    "calm_evening_no_storage",
)


def run_pandapower(net):
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    loading = np.concatenate([net.res_line.loading_percent, net.res_trafo.loading_percent])
    return net.res_bus.vm_pu.to_numpy(), np.nan_to_num(loading)


@pytest.mark.parametrize("grid", GRIDS)
def test_equals_runpp_on_public_grids_at_their_own_state(grid):
    net = GRIDS[grid]()
    vm, loading = run_pandapower(net)
    flow = BatchedFlow(net)
    states = flow.solve(flow.p_mw[None], flow.q_mvar[None])
    assert states.converged.all()
    assert states.vm_pu[0] == pytest.approx(vm, abs=1e-6)
    assert states.loading_percent[0] == pytest.approx(loading, abs=0.01)
    assert states.p_tie_mw[0] == pytest.approx(net.res_ext_grid.p_mw.sum(), abs=1e-4)
    assert states.q_tie_mvar[0] == pytest.approx(net.res_ext_grid.q_mvar.sum(), abs=1e-4)
    lost = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() + net.res_shunt.p_mw.sum()
    assert states.losses_mw[0] == pytest.approx(lost, abs=1e-4)


@pytest.mark.parametrize("grid", ["case33bw", "cigre_mv"])
def test_equals_runpp_under_random_injections(grid):
    net = GRIDS[grid]()
    run_pandapower(net)
    flow = BatchedFlow(net)
    scale = generator(4, grid).uniform(0.2, 1.4, size=(12, len(flow.buses)))
    states = flow.solve(flow.p_mw * scale, flow.q_mvar * scale)
    column = {bus: i for i, bus in enumerate(net.bus.index)}
    own = net.load[["p_mw", "q_mvar"]].copy()
    for step in range(len(scale)):
        factor = scale[step, [column[b] for b in net.load.bus]]
        net.load["p_mw"], net.load["q_mvar"] = own.p_mw * factor, own.q_mvar * factor
        vm, loading = run_pandapower(net)
        assert states.vm_pu[step] == pytest.approx(vm, abs=1e-6)
        assert states.loading_percent[step] == pytest.approx(loading, abs=0.01)


@pytest.mark.parametrize("name", POINTS)
def test_reproduces_the_solved_points_of_the_shipped_parks(points, name):
    point = points[name]
    oracle = Oracle(point.park)
    states = oracle.solve(*point.rows(oracle))
    vm = dict(zip(states.buses, states.vm_pu[0], strict=True))
    loading = dict(zip(states.branches, states.loading_percent[0], strict=True))
    assert vm == pytest.approx(point.vm_pu, abs=1e-6)
    assert loading == pytest.approx(point.loading_percent, abs=0.01)


@pytest.mark.parametrize("name", POINTS)
def test_equals_runpp_on_the_shipped_parks(points, name):
    point = points[name]
    oracle = Oracle(point.park)
    states = oracle.solve(*point.rows(oracle))
    net = to_pandapower(point.park)
    inject(net, point.p_mw, point.q_mvar)
    vm, loading = run_pandapower(net)
    assert states.vm_pu[0] == pytest.approx(vm, abs=1e-6)
    assert states.loading_percent[0] == pytest.approx(loading, abs=0.01)
    given = [point.vm_pu[bus] for bus in states.buses], [point.loading_percent[b] for b in states.branches]
    assert vm == pytest.approx(given[0], abs=1e-6), "the net itself gives the stated points too"
    assert loading == pytest.approx(given[1], abs=0.01)


def test_a_batch_equals_its_rows_one_by_one(park, oracle):
    p = generator(5, "batch").uniform(-20, 20, size=(9, len(oracle.elements)))
    q = 0.2 * p
    together = oracle.solve(p, q)
    for step in range(len(p)):
        alone = oracle.solve(p[step], q[step])
        assert together.vm_pu[step] == pytest.approx(alone.vm_pu[0], abs=1e-12)
        assert together.loading_percent[step] == pytest.approx(alone.loading_percent[0], abs=1e-9)


def test_the_balance_closes_at_every_step(park, oracle):
    p = generator(6, "balance").uniform(-20, 20, size=(40, len(oracle.elements)))
    q = np.column_stack([q_mvar(park, e, p[:, i]) for i, e in enumerate(oracle.elements)])
    states = oracle.solve(p, q)
    assert states.converged.all()
    assert states.p_tie_mw + p.sum(axis=1) == pytest.approx(states.losses_mw, abs=1e-6)
    assert (states.losses_mw > 0).all()


def test_a_step_without_solution_is_flagged_and_spoils_no_other(oracle):
    p = np.zeros((3, len(oracle.elements)))
    p[1] = -5000.0
    states = oracle.solve(p, np.zeros_like(p))
    assert states.converged.tolist() == [True, False, True]
    for values in (states.vm_pu, states.loading_percent, states.p_tie_mw, states.losses_mw):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()
    assert oracle.solve(p[::2], np.zeros((2, p.shape[1]))).converged.all(), (
        "the next call is not marked by it"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_injection_that_is_no_number_is_not_taken_for_the_last_one(oracle, bad):
    p = np.full((2, len(oracle.elements)), 3.0)
    p[1, 0] = bad
    states = oracle.solve(p, np.zeros_like(p))
    assert states.converged.tolist() == [True, False]
    assert np.isnan(states.vm_pu[1]).all()


def test_a_wrong_number_of_columns_is_refused_in_words(oracle):
    with pytest.raises(ValueError, match=f"expected \\(steps, {len(oracle.elements)}\\)"):
        oracle.solve(np.zeros((2, 3)), np.zeros((2, 3)))


def test_a_net_that_was_never_solved_is_refused(park):
    with pytest.raises(ValueError, match="runpp"):
        BatchedFlow(to_pandapower(park))


def test_a_bus_that_no_source_feeds_is_named_and_has_no_voltage(park):
    island = Bus(id=90, name="ISLAND", vn_kv=10.0, zone="PARK", role="")
    moved = {**park.loads, "LD_SME": replace(park.loads["LD_SME"], bus="ISLAND")}
    cut_off = replace(park, grid=replace(park.grid, buses=(*park.grid.buses, island)), loads=moved)
    oracle = Oracle(cut_off)
    assert any("ISLAND" in note for note in oracle.notes)
    assert any("LD_SME" in note for note in oracle.notes)
    p = np.zeros((1, len(oracle.elements)))
    idle = oracle.solve(p, p)
    p[0, oracle.elements.index("LD_SME")] = -8.0
    states = oracle.solve(p, np.zeros_like(p))
    assert states.converged.all()
    assert np.isnan(states.vm_pu[0, states.buses.index("ISLAND")])
    assert states.p_tie_mw == pytest.approx(idle.p_tie_mw)


def test_a_closed_coupler_makes_one_node_of_two_buses_and_an_open_one_does_not(park):
    extra = Bus(id=91, name="PUB10B", vn_kv=10.0, zone="PARK", role="")
    for state, joined in (("closed", True), ("open", False)):
        coupler = Switch(name="K1", bus_a="PUB10", bus_b="PUB10B", type="CB", normal_state=state)
        grid = replace(park.grid, buses=(*park.grid.buses, extra), switches=(coupler,))
        oracle = Oracle(replace(park, grid=grid))
        p = np.full((1, len(elements(park))), -2.0)
        states = oracle.solve(p, np.zeros_like(p))
        vm = dict(zip(states.buses, states.vm_pu[0], strict=True))
        assert bool(vm["PUB10B"] == vm["PUB10"]) is joined
        assert ("PUB10B" in oracle.flow.unfed) is not joined
