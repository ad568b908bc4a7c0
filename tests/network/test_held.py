"""Grids whose generators hold voltages: the same answers as runpp, for every row of a batch."""

import numpy as np
import pandapower as pp
import pytest
from pandapower import networks

from network.batched_flow import BatchedFlow
from vpp.seeds import generator


def solved(net):
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    return net


def runpp_of_row(net, flow, p_mw, q_mvar):
    """Solve one row with pandapower: all of a bus's load in one load, its generators in one."""
    net.load["in_service"] = False
    net.sgen["in_service"] = False
    net.gen["p_mw"] = 0.0
    for bus, p, q in zip(net.bus.index, p_mw, q_mvar, strict=True):
        pp.create_load(net, bus, p_mw=-p, q_mvar=-q)
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    return net.res_bus.vm_pu.to_numpy(), np.r_[net.res_line.loading_percent, net.res_trafo.loading_percent]


@pytest.mark.parametrize(
    ("grid", "spread"), [(networks.case118, 0.2), (networks.case39, 0.3), (networks.case57, 0.3)]
)
def test_rows_far_from_the_solved_state_equal_runpp(grid, spread):
    net = solved(grid())
    flow = BatchedFlow(net)
    scale = generator(7, "held").uniform(1 - spread, 1 + spread, size=(24, len(flow.buses)))
    p, q = flow.p_mw * scale, flow.q_mvar * scale
    states = flow.solve(p, q)
    assert states.converged.all()
    for row in (0, 11, 23):
        vm, loading = runpp_of_row(grid(), flow, p[row], q[row])
        assert states.vm_pu[row] == pytest.approx(vm, abs=1e-6)
        assert states.loading_percent[row] == pytest.approx(loading, abs=0.01)


def test_held_buses_keep_their_voltage_in_every_row():
    net = solved(networks.case118())
    flow = BatchedFlow(net)
    at = [net.bus.index.get_loc(b) for b in net.gen.bus]
    scale = generator(8, "held").uniform(0.8, 1.2, size=(10, len(flow.buses)))
    states = flow.solve(flow.p_mw * scale, flow.q_mvar * scale)
    assert states.vm_pu[:, at] == pytest.approx(np.tile(net.gen.vm_pu, (10, 1)), abs=1e-9)


def test_a_row_without_solution_is_flagged_and_spoils_no_other():
    flow = BatchedFlow(solved(networks.case39()))
    p = np.tile(flow.p_mw, (3, 1))
    p[1] *= 30
    states = flow.solve(p, np.tile(flow.q_mvar, (3, 1)))
    assert states.converged.tolist() == [True, False, True]
    assert np.isnan(states.vm_pu[1]).all()
    assert np.isfinite(states.vm_pu[[0, 2]]).all()


def test_a_row_beyond_the_reach_of_the_frozen_matrix_is_solved_with_its_own(monkeypatch):
    net = solved(networks.case39())
    flow = BatchedFlow(net)
    scale = generator(9, "held").uniform(0.7, 1.3, size=(4, len(flow.buses)))
    usual = flow.solve(flow.p_mw * scale, flow.q_mvar * scale)
    monkeypatch.setattr("network.held.CHORD_STEPS", 1)
    alone = flow.solve(flow.p_mw * scale, flow.q_mvar * scale)
    assert alone.converged.all()
    assert alone.vm_pu == pytest.approx(usual.vm_pu, abs=1e-8)


def test_outages_and_movable_taps_are_refused_where_generators_hold_voltages():
    net = solved(networks.case39())
    flow = BatchedFlow(net)
    with pytest.raises(ValueError, match="hold voltages"):
        flow.without([flow.branches[0]])


def test_each_winding_of_a_three_winding_transformer_has_its_loading():
    net = solved(networks.example_multivoltage())
    flow = BatchedFlow(net)
    states = flow.solve(flow.p_mw[None], flow.q_mvar[None])
    name = str(net.trafo3w.name[0])
    loading = dict(zip(flow.branches, states.loading_percent[0], strict=True))
    worst = max(loading[f"{name}:{side}"] for side in ("hv", "mv", "lv"))
    assert worst == pytest.approx(net.res_trafo3w.loading_percent[0], abs=0.01)


def test_what_the_equations_do_not_hold_is_refused_in_words():
    net = networks.case33bw()
    net.load["const_z_p_percent"] = 50.0
    with pytest.raises(ValueError, match="depend on the voltage"):
        BatchedFlow(solved(net))
    net = networks.case33bw()
    pp.create_impedance(net, 3, 20, rft_pu=0.01, xft_pu=0.02, sn_mva=10, rtf_pu=0.02, xtf_pu=0.05)
    with pytest.raises(ValueError, match="asymmetric"):
        BatchedFlow(solved(net))
