"""Banks and taps that move from row to row of a batch: the same as runpp with the same."""

from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from network.batched_flow import BatchedFlow
from network.model import index_table, inject, place, to_pandapower
from network.powerflow import Oracle
from vpp.park import load_park
from vpp.seeds import generator


def lowvoltage_taps(park):
    """The same park with its tap changers at the low-voltage side."""
    types = tuple(replace(t, tap_side="lv") for t in park.grid.trafo_types)
    return replace(park, grid=replace(park.grid, trafo_types=types))


def drawn(oracle, rows):
    """Operating points at random: injections and positions."""
    rng = generator(5, oracle.park.name)
    p = -rng.uniform(0.0, 12.0, (rows, len(oracle.elements)))
    q = 0.3 * p + rng.uniform(-3.0, 3.0, p.shape)
    low, high = oracle.position_min, oracle.position_max
    at = oracle.at_rest + rng.integers(-2, 3, (rows, len(oracle.actuators)))
    return p, q, np.clip(at, low, high)


@pytest.mark.parametrize("make", [lambda p: p, lowvoltage_taps], ids=["hv side", "lv side"])
@pytest.mark.parametrize("name", ["small10", "chifeng96"])
def test_the_oracle_with_banks_taps_and_statcoms_equals_runpp(name, make):
    park = make(load_park(name))
    oracle, net = Oracle(park), to_pandapower(park)
    p, q, at = drawn(oracle, 4)
    states = oracle.solve(p, q, at)
    assert states.converged.all()
    assert (at != oracle.at_rest).any(axis=1).all()
    for k in range(len(p)):
        inject(
            net, dict(zip(oracle.elements, p[k], strict=True)), dict(zip(oracle.elements, q[k], strict=True))
        )
        place(net, park, dict(zip(oracle.actuators, at[k], strict=True)))
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        assert np.abs(net.res_bus["vm_pu"].to_numpy() - states.vm_pu[k]).max() < 1e-6
        loading = np.concatenate([net.res_line["loading_percent"], net.res_trafo["loading_percent"]])
        assert np.abs(loading - states.loading_percent[k]).max() < 0.01
        assert net.res_ext_grid["q_mvar"].sum() == pytest.approx(states.q_tie_mvar[k], abs=1e-5)


def test_positions_at_rest_are_the_tables():
    oracle = Oracle(load_park("small10"))
    p, q, _ = drawn(oracle, 3)
    plain, placed = oracle.solve(p, q), oracle.solve(p, q, oracle.at_rest)
    assert placed.vm_pu == pytest.approx(plain.vm_pu, abs=1e-9)
    assert placed.loading_percent == pytest.approx(plain.loading_percent, abs=1e-7)


def test_a_tapped_transformer_can_be_taken_out():
    park = load_park("small10")
    oracle = Oracle(park)
    p, q, at = drawn(oracle, 2)
    rest = oracle.without(["T_MAIN_1"])
    states = rest.solve(p, q, at)
    assert (states.loading_percent[:, states.branches.index("T_MAIN_1")] == 0.0).all()
    net = to_pandapower(park)
    net.trafo.loc[net.trafo["name"] == "T_MAIN_1", "in_service"] = False
    for k in range(len(p)):
        inject(
            net, dict(zip(oracle.elements, p[k], strict=True)), dict(zip(oracle.elements, q[k], strict=True))
        )
        place(net, park, dict(zip(oracle.actuators, at[k], strict=True)))
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        assert np.abs(net.res_bus["vm_pu"].to_numpy() - states.vm_pu[k]).max() < 1e-6


def test_a_transformer_without_a_ratio_tap_changer_cannot_be_named():
    net = to_pandapower(load_park("small10"))
    net.trafo["tap_changer_type"] = None
    pp.runpp(net, numba=False, calculate_voltage_angles=True)
    with pytest.raises(ValueError, match="T_WIND is out of service or has no ratio tap changer"):
        BatchedFlow(net, taps=("T_WIND",))


def test_a_statcom_gives_what_it_is_told_whatever_the_voltage():
    park = load_park("chifeng96")
    oracle, net = Oracle(park), to_pandapower(park)
    table, _ = index_table(net)["SVG_GPS"]
    assert table == "sgen"
    at = oracle.at_rest.copy()
    at[oracle.actuators.index("A_SVG_GPS")] = 40.0
    nothing = np.zeros((1, len(oracle.elements)))
    more, none = oracle.solve(nothing, nothing, at), oracle.solve(nothing, nothing)
    assert more.vm_pu[0, more.buses.index("BGPS_35")] > none.vm_pu[0, none.buses.index("BGPS_35")] + 0.01
    assert none.q_tie_mvar[0] - more.q_tie_mvar[0] == pytest.approx(40.0, abs=3.0)
