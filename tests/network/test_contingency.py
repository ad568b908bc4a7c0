import numpy as np
import pandapower as pp
import pytest

from network.model import inject, to_pandapower
from network.powerflow import Oracle


def runpp_without(point, branch):
    """One power flow of the point's park with a branch out of service, by plain pandapower."""
    net = to_pandapower(point.park)
    inject(net, point.p_mw, point.q_mvar)
    table = "line" if branch in set(net.line["name"]) else "trafo"
    net[table].loc[net[table]["name"] == branch, "in_service"] = False
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    return net


def branches_of(park):
    return [*(line.name for line in park.grid.lines), *(trafo.name for trafo in park.grid.trafos)]


@pytest.mark.parametrize("name", ["evening_peak", "max_export"])
def test_every_outage_equals_plain_pandapower_with_the_branch_out_of_service(points, name):
    point = points[name]
    oracle = Oracle(point.park)
    for branch in branches_of(point.park):
        net = runpp_without(point, branch)
        states = oracle.without([branch]).solve(*point.rows(oracle))
        assert states.vm_pu[0] == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=1e-6, nan_ok=True)
        loading = [*net.res_line.loading_percent, *net.res_trafo.loading_percent]
        assert states.loading_percent[0] == pytest.approx(np.nan_to_num(loading), abs=0.01)
        assert states.p_tie_mw[0] == pytest.approx(net.res_ext_grid.p_mw.sum(), abs=1e-4)


def test_what_an_outage_cuts_off_is_left_out_and_named(points):
    point = points["evening_peak"]
    rest = Oracle(point.park).without(["T_PUB"])
    assert rest.flow.unfed == ("PUB10", "FDR10")
    states = rest.solve(*point.rows(rest))
    assert states.converged.all()
    assert np.isnan(states.vm_pu[0, [8, 9]]).all()
    assert np.isfinite(states.vm_pu[0, :8]).all()
